/**
 * The registers of one DMA core as one context sees them, and the transfer they describe when COMMIT is written
 * (device.md 5.2, 5.3). LIN_DMA is such a programming too. Moves nothing itself.
 */

import {
  AWUSER_UNKNOWN_BITS,
  AWUSER_WEAK_ORDER,
  DCORE,
  FAULT,
  isReduction,
  REDUCTION_ELEMENT_BYTES,
  REDUCTION_TYPE_COUNT,
  DMA_CORE_REGISTERS as REG,
  reductionTypeCode,
  sobAddress,
  sobValue,
} from '@pedrera/hw';
import { DONE } from './status.js';
import type { Transfer } from './transfer.js';

export const COMMIT_WR_COMP = 0x01;
export const COMMIT_LIN = 0x08;
export const COMMIT_MEM_SET = 0x10;
/** Transposition, compression and decompression; 'dtype' matters to transposition alone. */
const COMMIT_NOT_MODELLED = 0x62;

export const OUTER_DIMENSIONS = 4;
const SIDE_BYTES = 8 * OUTER_DIMENSIONS;
const REGISTER_BYTES = 0x200;
/** The cores before this one serve the host; no driver gives users their write attributes (device.md 4.5). */
const FIRST_REDUCING_CORE = 2;

export class DmaCore {
  readonly #registers = new Uint32Array(REGISTER_BYTES / 4);
  /** ERR_CAUSE: what went wrong in transfers so far; bits of DMA_ERROR. */
  errorCause = 0;
  readonly #canReduce: boolean;

  constructor(n: number) {
    this.#canReduce = n >= FIRST_REDUCING_CORE;
    this.#set(REG.WR_AWUSER_31_11, AWUSER_WEAK_ORDER);
    // What the driver programs when a context is created (device.md 4.5).
    const completion = sobAddress(DCORE.E_N, n);
    this.#set(REG.WR_COMP_ADDR_LO, completion % 2 ** 32);
    this.#set(REG.WR_COMP_ADDR_HI, Math.floor(completion / 2 ** 32));
    this.#set(REG.WR_COMP_WDATA, sobValue('add', 1));
  }

  #get(register: number): number {
    return this.#registers[register >> 2] as number;
  }
  #set(register: number, value: number): void {
    this.#registers[register >> 2] = value;
  }

  /** A write to a register other than COMMIT. Returns DONE or a fault. Writing what is there already changes nothing. */
  write(register: number, value: number): number {
    if (register % 4 !== 0) return FAULT.misaligned;
    if (register >= REGISTER_BYTES) return FAULT.razwi;
    const isKnown = register === REG.WR_AWUSER_31_11 ? this.#canReduce && isKnownAwuser(value) : isModelled(register);
    if (!isKnown && value !== this.#get(register)) return FAULT['not-modelled'];
    this.#set(register, value);
    return DONE;
  }

  /** The last value written; 0 beyond the registers this core has. Status and cause are not among them. */
  read(register: number): number {
    return this.#registers[register >> 2] ?? 0;
  }

  /** Whether what is written combines with what is there: then a move made twice is not a move made once. */
  get reduces(): boolean {
    return isReduction(this.#get(REG.WR_AWUSER_31_11));
  }

  /** What LIN_DMA writes before it commits. `dstHigh` has the context id in its top byte, as the register has. */
  programLinear(size: number, srcLow: number, srcHigh: number, dstLow: number, dstHigh: number): void {
    this.#set(REG.SRC_BASE_LO, srcLow);
    this.#set(REG.SRC_BASE_HI, srcHigh);
    this.#set(REG.DST_BASE_LO, dstLow);
    this.#set(REG.DST_BASE_HI, dstHigh);
    this.#set(REG.DST_TSIZE_0, size);
  }

  /** Fills `transfer` from the registers. `flags` are the low bits of COMMIT. Returns DONE or a fault. */
  commit(flags: number, transfer: Transfer): number {
    if ((flags & COMMIT_NOT_MODELLED) !== 0) return FAULT['not-modelled'];
    const source = this.#get(REG.SRC_BASE_HI) * 2 ** 32 + this.#get(REG.SRC_BASE_LO);
    const destination = (this.#get(REG.DST_BASE_HI) & 0xff_ffff) * 2 ** 32 + this.#get(REG.DST_BASE_LO);
    const size = this.#get(REG.DST_TSIZE_0);
    const memSet = (flags & COMMIT_MEM_SET) !== 0;
    const awuser = this.#get(REG.WR_AWUSER_31_11);
    const reduction = isReduction(awuser) ? awuser : 0;
    if (reduction !== 0 && memSet) return FAULT['not-modelled'];
    if (reduction !== 0 && size % (REDUCTION_ELEMENT_BYTES[reductionTypeCode(awuser)] as number) !== 0) {
      return FAULT.misaligned;
    }
    if ((flags & COMMIT_LIN) !== 0) {
      transfer.destination.linear(destination, size);
      transfer.source.linear(source, size);
    } else {
      this.#strides(REG.DST_TSIZE_1, transfer);
      transfer.destination.strided(destination, size, transfer.counts, transfer.strides);
      this.#strides(REG.SRC_TSIZE_1, transfer);
      transfer.source.strided(source, this.#get(REG.SRC_TSIZE_0), transfer.counts, transfer.strides);
    }
    transfer.start({
      memSet,
      reduction,
      patternLow: this.#get(REG.SRC_BASE_LO),
      patternHigh: this.#get(REG.SRC_BASE_HI),
      completion: (flags & COMMIT_WR_COMP) !== 0,
      completionAddress: this.#get(REG.WR_COMP_ADDR_HI) * 2 ** 32 + this.#get(REG.WR_COMP_ADDR_LO),
      completionData: this.#get(REG.WR_COMP_WDATA),
    });
    return DONE;
  }

  /** A dimension that was never programmed counts once. */
  #strides(first: number, transfer: Transfer): void {
    for (let dimension = 0; dimension < OUTER_DIMENSIONS; dimension++) {
      const count = this.#get(first + 8 * dimension);
      transfer.counts[dimension] = count === 0 ? 1 : count;
      transfer.strides[dimension] = this.#get(first + 8 * dimension + 4) | 0;
    }
  }
}

/** Later devices have more element types; bits nobody documented stay off. */
function isKnownAwuser(value: number): boolean {
  return (
    (value & AWUSER_UNKNOWN_BITS) === 0 && (!isReduction(value) || reductionTypeCode(value) < REDUCTION_TYPE_COUNT)
  );
}

function isModelled(register: number): boolean {
  return (
    (register >= REG.SRC_BASE_LO && register <= REG.DST_BASE_HI) ||
    (register >= REG.SRC_TSIZE_1 && register < REG.SRC_TSIZE_1 + SIDE_BYTES) ||
    register === REG.SRC_TSIZE_0 ||
    (register >= REG.DST_TSIZE_1 && register < REG.DST_TSIZE_1 + SIDE_BYTES) ||
    (register >= REG.DST_TSIZE_0 && register <= REG.WR_COMP_ADDR_HI && register !== REG.COMMIT)
  );
}
