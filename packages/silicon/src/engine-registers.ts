/**
 * The register windows of TPC and MME: TPC CFG and MME CTRL (device.md 6). They hold what was written; a write that would start
 * the engine is refused here, and so reported, because no result would ever come. The one that does start an MME, by its own
 * command processors, never gets here (mme.ts).
 */

import { type EngineName, FAULT, MME_CTRL_REGISTERS, mmeCtrlBase, TPC_CFG_REGISTERS, tpcCfgBase } from '@pedrera/hw';
import { DONE } from './status.js';

const TPC_WINDOW_BYTES = 0x1000;
const MME_WINDOW_BYTES = 0x8000;

export class EngineRegisters {
  readonly words: Uint32Array;
  /** The register that starts the engine. */
  readonly start: number;
  /** A TPC decodes twelve bits of an offset, whichever way its window is reckoned (device.md 2.6). */
  readonly #mask: number;

  /** CFG offset of the window. */
  readonly base: number;

  private constructor(base: number, bytes: number, start: number) {
    this.base = base;
    this.words = new Uint32Array(bytes / 4);
    this.start = start;
    this.#mask = bytes - 1;
  }

  /** Null for an engine without such a window. */
  static of(engine: EngineName): EngineRegisters | null {
    const n = Number(engine.slice(3));
    if (engine.startsWith('TPC'))
      return new EngineRegisters(tpcCfgBase(n), TPC_WINDOW_BYTES, TPC_CFG_REGISTERS.TPC_EXECUTE);
    if (engine.startsWith('MME')) return new EngineRegisters(mmeCtrlBase(n), MME_WINDOW_BYTES, MME_CTRL_REGISTERS.CMD);
    return null;
  }

  /** `offset` counts from the window's start. Returns DONE or a fault; a write that would start the engine changes nothing. */
  write(offset: number, value: number): number {
    const register = this.register(offset);
    if (register % 4 !== 0) return FAULT.misaligned;
    if (register === this.start && value !== 0) return FAULT['not-modelled'];
    this.words[register >> 2] = value;
    return DONE;
  }

  read(offset: number): number {
    return this.words[this.register(offset) >> 2] as number;
  }

  /** The register an offset names. */
  register(offset: number): number {
    return offset & this.#mask;
  }
}
