/**
 * Writing packets: where the next one goes, the bound of the memory, checks of arguments before anything is written.
 *
 * Owns: one method for each thing a program wants of a command stream. Must not know: bit positions (hw's packet table), submission,
 * or whose memory it is: a command buffer of the daemon's (command-buffer.ts) or memory of the program's own (program.ts).
 */
import { HlError } from '@pedrera/base';
import {
  cpFenceRdataAddress,
  DMA_CORE_REGISTERS,
  decodePacket,
  encodePacket,
  fenceRdataAddress,
  formatPacket,
  LOWER_CP,
  monitorRegisters,
  PACKETS,
  type PacketInput,
  type PacketName,
  QUEUES,
  queueName,
  type ReductionCommand,
  reductionAwuser,
  SOBS_PER_GROUP,
  sobValue,
} from '@pedrera/hw';
import type { Program } from './program.js';
import { DeviceRegion, type Endpoint, remaining, resolve } from './region.js';
import type { Session } from './session.js';
import { checkSync, describeSync, type Monitor, type RemoteSyncObject, type SyncObject } from './sync.js';
import {
  AFTER_EVERYTHING,
  type Barriers,
  encodeMonitor,
  encodeRegisterWrite,
  monitorBytes,
  registerWriteBytes,
} from './sync-packets.js';

export interface LinDma {
  readonly from: Endpoint;
  readonly to: Endpoint;
  /** Bytes, below 4 GiB; what `from` has behind `fromOffset` unless given. */
  readonly size?: number;
  readonly fromOffset?: number;
  readonly toOffset?: number;
  readonly barriers?: Barriers;
}

export interface MemSet {
  readonly to: Endpoint;
  /** Bytes, below 4 GiB; what `to` has behind `toOffset` unless given. */
  readonly size?: number;
  readonly toOffset?: number;
  /** A number is a 32-bit word, a bigint a 64-bit one; it is written again and again (device.md 5.1). */
  readonly pattern: number | bigint;
  readonly barriers?: Barriers;
}

export interface MsgLong {
  /** Memory, an imported buffer, or the address of a register. */
  readonly address: Endpoint;
  readonly offset?: number;
  /** 32 bits. */
  readonly value: number;
  /** All three unless given: the message is sent when everything before it is done. */
  readonly barriers?: Barriers;
}

export interface Fence {
  /** Counter 0 to 3 of the stream. */
  readonly id?: number;
  /** The stream waits until the counter has at least this (0 to 255). */
  readonly target: number;
  /** Taken off the counter then (0 to 15); 0 unless given. */
  readonly decrement?: number;
  readonly barriers?: Barriers;
}

export interface Condition {
  /** One, or several of one aligned group of eight, all of which must meet the condition. */
  readonly syncObject: SyncObject | readonly SyncObject[];
  readonly monitor: Monitor;
  /** 0 to 0x7FFF. */
  readonly value: number;
  /** `>=` unless given. An object that jumps over the value never meets `==`. */
  readonly mode?: '>=' | '==';
}

export interface WaitFor extends Condition {
  /** The queue these packets will be submitted to: the monitor writes to the fence of that stream. */
  readonly queue: number;
  /** Fence counter to use; 0 unless given. */
  readonly fence?: number;
  /** The packets will run on the engine's lower command processor (behind a CP_DMA), which has fences of its own. */
  readonly lower?: boolean;
}

export interface CpDma {
  /** Where the packets lie that the lower command processor is to run. */
  readonly from: Endpoint | Program;
  readonly fromOffset?: number;
  /** Bytes; for a program all that was written to it unless given. */
  readonly size?: number;
  readonly barriers?: Barriers;
}

export interface ArmMonitor extends Condition {
  /** Where the monitor writes when the condition holds. */
  readonly payload: { readonly address: Endpoint; readonly offset?: number; readonly value: number };
}

const WORD_BYTES = 4;
const BYTES_OF_MESSAGE = 4;
const MAX_DMA_BYTES = 2 ** 32 - 1;

/**
 * Methods that write packets return the buffer, so they chain. All of them throw HlError and then leave the buffer as it was: ENOSPC when
 * a packet does not fit, EINVAL for an argument out of range or an object of another open file, EFAULT once the memory was freed, EBADF
 * after the device was closed.
 */
export abstract class PacketWriter {
  readonly session: Session;
  /** Bytes that packets may fill. */
  readonly size: number;
  readonly #words: Uint32Array;
  #at = 0;

  constructor(session: Session, size: number, words: Uint32Array) {
    this.session = session;
    this.size = size;
    this.#words = words;
  }

  /** Throws HlError: EFAULT once the memory was freed, EBADF after the device was closed. */
  abstract check(): void;

  /** `the command buffer`. */
  protected abstract readonly what: string;

  /** Bytes written since the start or the last reset: what a submission sends. */
  get used(): number {
    return this.#at * WORD_BYTES;
  }

  /** Bytes left. */
  get left(): number {
    return this.size - this.used;
  }

  /** Does nothing, but honours its barriers; a register barrier unless given. */
  nop(barriers: Barriers = { rb: true }): this {
    return this.packet('NOP', barriers);
  }

  /** A copy by the queue's DMA engine (LIN_DMA). Packets behind it do not wait for it unless they have an engine barrier. */
  linDma(dma: LinDma): this {
    const { fromOffset = 0, toOffset = 0 } = dma;
    const size = dmaSize(dma.size ?? remaining(dma.from, fromOffset, 'linDma from'), 'linDma');
    const src = resolve(dma.from, { offset: fromOffset, size }, this.session, 'linDma from');
    const dst = resolve(dma.to, { offset: toOffset, size }, this.session, 'linDma to');
    return this.packet('LIN_DMA', { ...dma.barriers, size, src, dst });
  }

  /** Fills memory with a pattern (LIN_DMA in its memset form). */
  memset(fill: MemSet): this {
    const { toOffset = 0, pattern } = fill;
    const size = dmaSize(fill.size ?? remaining(fill.to, toOffset, 'memset to'), 'memset');
    const dst = resolve(fill.to, { offset: toOffset, size }, this.session, 'memset to');
    const [patternLow, patternHigh] = patternHalves(pattern);
    return this.packet('LIN_DMA', { ...fill.barriers, size, memSet: true, patternLow, patternHigh, dst });
  }

  /** Writes 32 bits to an address (MSG_LONG). */
  msgLong(message: MsgLong): this {
    const address = resolve(
      message.address,
      { offset: message.offset ?? 0, size: BYTES_OF_MESSAGE },
      this.session,
      'msgLong',
    );
    return this.packet('MSG_LONG', { ...(message.barriers ?? AFTER_EVERYTHING), address, value: message.value });
  }

  /**
   * Has the engine's lower command processor run packets that lie in memory (CP_DMA): on internal queues the upper one only synchronises, and
   * what moves data is written there (device.md 2.2). It goes on at once; an engine barrier on the next packet waits for both.
   */
  cpDma({ from, fromOffset = 0, size, barriers }: CpDma): this {
    const given = from instanceof DeviceRegion || typeof from === 'number';
    const count = size ?? (given ? remaining(from, fromOffset, 'cpDma from') : Math.max(0, from.used - fromOffset));
    const src = given
      ? resolve(from, { offset: fromOffset, size: count }, this.session, 'cpDma from')
      : resolve(from.memory, { offset: from.offset + fromOffset, size: count }, this.session, 'cpDma from');
    return this.packet('CP_DMA', { rb: true, mb: true, ...barriers, size: dmaSize(count, 'cpDma'), src });
  }

  /** Writes a register of the engine's own window (WREG_32), by its offset there (device.md 2.6). */
  writeRegister(offset: number, value: number, barriers: Barriers = { rb: true }): this {
    return this.packet('WREG_32', { ...barriers, regOffset: offset, value });
  }

  /**
   * From now on this engine's DMAs into SRAM combine what they write with what is there; without a command they overwrite it again. For
   * what runs behind a CP_DMA on `DMA_2_*` to `DMA_7_*`. The engine's four streams share the setting, and it stays (device.md 5.2).
   */
  reduce(command?: ReductionCommand): this {
    const value = refusal('reduce', () => reductionAwuser(command));
    return this.writeRegister(DMA_CORE_REGISTERS.WR_AWUSER_31_11, value, { eb: true, rb: true });
  }

  /** Adds to a sync object, a local one or an imported one (`imported.object(i)`), when everything before it is done unless told otherwise. */
  signal(target: SyncObject | RemoteSyncObject, add: number = 1, barriers: Barriers = AFTER_EVERYTHING): this {
    return this.#writeSync(target, 'add', add, barriers);
  }

  /** Sets a sync object to a value from 0 to 0x7FFF. */
  setSyncObject(target: SyncObject | RemoteSyncObject, value: number, barriers: Barriers = AFTER_EVERYTHING): this {
    return this.#writeSync(target, 'set', value, barriers);
  }

  /** Stops the stream until a fence counter is high enough (FENCE). */
  fence(fence: Fence): this {
    return this.packet('FENCE', {
      ...(fence.barriers ?? { rb: true }),
      id: fence.id ?? 0,
      target: fence.target,
      dec: fence.decrement ?? 0,
    });
  }

  /** Sets up and arms a monitor, which writes its payload once the condition holds (device.md 4.3). */
  armMonitor(request: ArmMonitor): this {
    const { address, offset = 0, value } = request.payload;
    const at = resolve(address, { offset, size: BYTES_OF_MESSAGE }, this.session, 'armMonitor payload');
    if (at % BYTES_OF_MESSAGE !== 0)
      throw new HlError('EINVAL', `armMonitor payload: address 0x${at.toString(16)} is not a multiple of 4`);
    const { registers, condition } = this.#condition(request, 'armMonitor');
    return this.#write('armMonitor', monitorBytes(registers), (words, index) =>
      encodeMonitor(words, index, registers, condition, { address: at, value }),
    );
  }

  /**
   * Stops the stream until sync objects reach a value: a monitor that feeds a fence of this very stream, then the fence (device.md 3.5).
   * Five packets, 40 bytes in E_N and W_S, 72 in the other sync managers. No two waits in flight may share a monitor.
   */
  waitFor(wait: WaitFor): this {
    const { queue, fence: id = 0 } = wait;
    const { registers, condition } = this.#condition(wait, 'waitFor');
    const address = refusal('waitFor queue', () => (wait.lower === true ? lowerFence : fenceRdataAddress)(queue, id));
    return this.#write('waitFor', monitorBytes(registers) + PACKETS.FENCE.bytes, (words, index) => {
      const next = encodeMonitor(words, index, registers, condition, { address, value: 1 });
      return encodePacket(words, next, 'FENCE', { rb: true, id, target: 1, dec: 1 });
    });
  }

  /** Any packet of hw's table, with the table's field names. Whether the daemon accepts it is another matter (uapi.md 4.4). */
  packet<N extends PacketName>(name: N, fields: PacketInput<N>): this {
    return this.#write(name, PACKETS[name].bytes, (words, index) => encodePacket(words, index, name, fields));
  }

  /** Dwords as they are, for packets this library does not know and for tests of the parser. */
  append(dwords: ArrayLike<number>): this {
    return this.#write('append', dwords.length * WORD_BYTES, (words, index) => {
      words.set(dwords, index);
      return index + dwords.length;
    });
  }

  /**
   * Starts afresh. Packets of a command buffer that was submitted are not affected: the daemon copied them (uapi.md 4.4). A program in
   * memory of its own is read when it is run.
   */
  reset(): this {
    this.#at = 0;
    return this;
  }

  /** The packets as text, one line each; ends with the first dwords that are none. */
  disassemble(): string[] {
    this.check();
    const lines: string[] = [];
    for (let at = 0; at < this.#at; ) {
      const packet = decodePacket(this.#words, at, this.#at);
      if (packet === undefined) {
        lines.push(
          `no packet at byte ${at * WORD_BYTES}: ${[...this.#words.subarray(at, Math.min(at + 2, this.#at))].map((word) => word.toString(16).padStart(8, '0')).join(' ')}`,
        );
        break;
      }
      lines.push(formatPacket(packet));
      at += packet.words;
    }
    return lines;
  }

  #writeSync(target: SyncObject | RemoteSyncObject, mode: 'add' | 'set', value: number, barriers: Barriers): this {
    const role = mode === 'add' ? 'signal' : 'setSyncObject';
    checkSync(target, this.session, role);
    const word = refusal(role, () => sobValue(mode, value));
    return this.#write(role, registerWriteBytes(target.address), (words, index) =>
      encodeRegisterWrite(words, index, target.address, word, barriers),
    );
  }

  #condition({ syncObject, monitor, value, mode = '>=' }: Condition, role: string) {
    const objects = Array.isArray(syncObject) ? (syncObject as readonly SyncObject[]) : [syncObject as SyncObject];
    checkSync(monitor, this.session, role);
    for (const object of objects) {
      checkSync(object, this.session, role);
      if (object.dcore !== monitor.dcore)
        throw new HlError(
          'EINVAL',
          `${role}: ${describeSync(monitor)} cannot watch ${describeSync(object)}; both must be of one dcore`,
        );
    }
    const groups = new Set(objects.map(({ index }) => Math.floor(index / SOBS_PER_GROUP)));
    if (groups.size !== 1)
      throw new HlError(
        'EINVAL',
        `${role}: a monitor watches sync objects of one aligned group of ${SOBS_PER_GROUP}, not of ${groups.size}`,
      );
    return {
      registers: monitorRegisters(monitor.dcore, monitor.index),
      condition: { objects: objects.map(({ index }) => index), mode, value },
    };
  }

  /** The one place where the buffer grows: checks the room for all of it first, so that nothing is half written. */
  #write(what: string, bytes: number, encode: (words: Uint32Array, at: number) => number): this {
    this.check();
    if (bytes > this.left)
      throw new HlError('ENOSPC', `${what} needs ${bytes} bytes; ${this.what} has ${this.left} of ${this.size} left`);
    this.#at = refusal(what, () => encode(this.#words, this.#at));
    return this;
  }
}

function dmaSize(size: number, role: string): number {
  if (Number.isInteger(size) && size > 0 && size <= MAX_DMA_BYTES) return size;
  throw new HlError('EINVAL', `${role}: ${size} bytes; one packet moves 1 to ${MAX_DMA_BYTES}`);
}

/** Fence register of the lower command processor behind a queue. */
function lowerFence(queue: number, id: number): number {
  const info = QUEUES[queue];
  if (info?.kind !== 'internal') throw new RangeError(`${queueName(queue)} has no lower command processor`);
  return cpFenceRdataAddress(info.engine, LOWER_CP, id);
}

function patternHalves(pattern: number | bigint): [low: number, high: number] {
  if (typeof pattern === 'number') return [pattern, pattern];
  if (BigInt.asUintN(64, pattern) !== pattern)
    throw new HlError('EINVAL', `memset: the pattern ${pattern} has more than 64 bits`);
  return [Number(pattern & 0xffff_ffffn), Number(pattern >> 32n)];
}

/** hw refuses values that do not fit with a RangeError; to a caller of this library it is an EINVAL like any other. */
function refusal<T>(what: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof RangeError) throw new HlError('EINVAL', `${what}: ${error.message}`);
    throw error;
  }
}
