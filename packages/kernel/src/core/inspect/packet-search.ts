/**
 * Looks through command buffers that are queued and not executed for packets that would write certain registers.
 *
 * Owns: which packets write what, how far a search goes: a device with thousands of full queues must not stand still for a look.
 * Reads only.
 */
import {
  ASID_COUNT,
  CFG_BASE,
  CFG_END,
  CFG_SIZE,
  classifyBusAddress,
  DCORE,
  DMA_CORE_REGISTERS,
  dcoreOfOffset,
  decodePacket,
  dmaCoreBase,
  formatPacket,
  MSG_SHORT_BASES,
  OPCODE,
  opcodeOf,
  packetWords,
  QUEUES,
  queueName,
  ringDistance,
  ringSlot,
  SM_BLOCK_SIZE,
  SM_REGISTERS,
  SOB_MAX,
  sobAddress,
} from '@pedrera/hw';
import type { ProducersOfObject } from '@pedrera/uapi';
import type { Context } from '../context.js';
import type { ContextQueue } from '../context-queue.js';
import type { HlDevice } from '../device.js';
import type { Job } from '../submission.js';
import { type Code, CodeReader } from './code-reader.js';
import type { Moment } from './moment.js';
import { SiliconIndex } from './queues.js';
import { registerBehind } from './sync.js';

/** Packets looked at: of one stream, and in all. */
const STREAM_PACKETS = 2000;
const ALL_PACKETS = 30_000;
/** Command buffers that lie in memory which has to be mapped or copied for it. */
const FOREIGN_BUFFERS = 64;
/** Producers told of each object. */
const SHOWN = 32;

/** A register somebody waits to be written. */
export interface Target {
  readonly device: HlDevice;
  /** From CFG_BASE. */
  readonly offset: number;
  /** Of a fence, whose stream stands at it; fences are each context's own. */
  readonly fence: { readonly context: Context; readonly queue: number; readonly id: number } | undefined;
  readonly answer: ProducersOfObject;
}

/** By device and register, and for a fence by context. */
export function targetKey(device: number, offset: number, asid = 0): number {
  return (device * ASID_COUNT + asid) * CFG_SIZE + offset;
}

export function isSyncObject(offset: number): boolean {
  const at = offset & (SM_BLOCK_SIZE - 1);
  return dcoreOfOffset(offset) >= 0 && at >= SM_REGISTERS.SOB && at < SM_REGISTERS.MON_PAY_ADDRL;
}

/** A piece of a context's addresses behind which lie registers of a device. */
interface Window {
  readonly from: number;
  readonly to: number;
  readonly device: number;
  readonly offset: number;
}

/** One job on its stream, while its packets are gone through. */
interface Place {
  readonly context: Context;
  readonly windows: readonly Window[];
  /** What this context could write at all. */
  readonly wanted: readonly Target[];
  readonly code: CodeReader;
  readonly job: Job;
  readonly ahead: number;
  /** What the stream's packets have told monitors to write to, by key and half; see #monitor(). */
  readonly payloads: Map<number, number>;
}

/** Of one queue that has jobs. */
interface NotedStream {
  readonly queue: ContextQueue;
  /** Those the device has not done with, oldest first. */
  readonly jobs: readonly Job[];
  /** The first of them is being run. */
  readonly runs: boolean;
  readonly fetched: number;
}

interface NotedWriter {
  readonly context: Context;
  readonly wanted: readonly Target[];
  readonly streams: readonly NotedStream[];
  readonly deferred: readonly Job[];
}

function noteStream(queue: ContextQueue): NotedStream {
  const { pi, length, pending, fetched } = queue;
  const jobs: Job[] = [];
  for (const job of queue.liveJobs()) {
    if (ringDistance(job.index, pi, length) > pending + 1) {
      break;
    }
    jobs.push(job);
  }
  const oldest = jobs.reverse()[0];
  const runs = oldest !== undefined && ringDistance(oldest.index, pi, length) === pending + 1;
  return { queue, jobs, runs, fetched };
}

export class PacketSearch {
  readonly #moment: Moment;
  readonly #targets: ReadonlyMap<number, Target>;
  readonly #silicon = new Map<number, SiliconIndex>();
  readonly #noted: NotedWriter[] = [];
  #left = ALL_PACKETS;
  #foreign = FOREIGN_BUFFERS;

  constructor(moment: Moment, targets: ReadonlyMap<number, Target>) {
    this.#moment = moment;
    this.#targets = targets;
  }

  /** At the moment: the jobs that are to be gone through, which is all that will have changed later. */
  note(): void {
    for (const { context, wanted } of this.#writers()) {
      const deferred = [...(context.deferred ?? [])].flatMap(({ jobs }) => jobs);
      const streams: NotedStream[] = [];
      for (const queue of context.usedQueues) {
        if (queue.inFlight > 0) {
          streams.push(noteStream(queue));
        }
      }
      this.#noted.push({ context, wanted, streams, deferred });
    }
  }

  /** Goes through them; gives the turn back after each stream. */
  *run(): IterableIterator<void> {
    for (const { context, wanted, streams, deferred } of this.#noted) {
      const windows = windowsOf(context);
      const silicon = this.#index(context.device);
      const code = new CodeReader(this.#moment.machine, context);
      for (const { queue, jobs, fetched, runs } of streams) {
        const held = deferred.filter((job) => job.queue === queue.queue);
        const stream = runs ? silicon.stream(context.asid, queue.queue, false) : undefined;
        const begin = stream?.fetched === fetched ? (stream.head?.offset ?? 0) : 0;
        this.#stream({ context, windows, wanted, code }, queue, { jobs, held, begin });
        yield;
      }
      const free = deferred.filter((job) => !streams.some(({ queue }) => queue.queue === job.queue));
      for (const id of new Set(free.map(({ queue }) => queue))) {
        const held = free.filter((job) => job.queue === id);
        this.#stream({ context, windows, wanted, code }, undefined, { jobs: [], held, begin: 0 });
      }
      yield;
    }
  }

  #stream(
    place: Omit<Place, 'job' | 'ahead' | 'payloads'>,
    queue: ContextQueue | undefined,
    { jobs, held, begin }: { jobs: readonly Job[]; held: readonly Job[]; begin: number },
  ): void {
    const payloads = new Map<number, number>();
    let room = STREAM_PACKETS;
    let ahead = 0;
    for (const job of [...jobs, ...held]) {
      const onQueue = ahead < jobs.length;
      if (onQueue && queue?.jobs[ringSlot(job.index, queue.length)] !== job) {
        // It has ended since the moment, and its packets are gone: what they were going to do is not known any more.
        for (const { answer } of place.wanted) {
          answer.cut = true;
        }
      } else {
        room = this.#job({ ...place, job, ahead, payloads }, ahead === 0 && onQueue ? begin : 0, room);
      }
      ahead++;
      if (room <= 0) {
        return;
      }
    }
  }

  /** Contexts that may write to anything asked about, with what that is; the others' packets need not be looked at. */
  *#writers(): IterableIterator<{ context: Context; wanted: Target[] }> {
    const wanted = new Map<string, Target[]>();
    for (const target of this.#targets.values()) {
      for (const { device, asid } of target.answer.holders) {
        const key = `${device} ${asid}`;
        const others = wanted.get(key);
        if (others === undefined) {
          wanted.set(key, [target]);
        } else if (!others.includes(target)) {
          others.push(target);
        }
      }
    }
    for (const device of this.#moment.machine.devices) {
      for (const context of device.contexts) {
        const own = wanted.get(`${device.index} ${context.asid}`);
        const busy = context.unfinished > 0 || (context.deferred?.size ?? 0) > 0;
        if (own !== undefined && busy) {
          yield { context, wanted: own };
        }
      }
    }
  }

  #index({ index }: HlDevice): SiliconIndex {
    let silicon = this.#silicon.get(index);
    if (silicon === undefined) {
      silicon = new SiliconIndex(this.#moment.silicon.get(index));
      this.#silicon.set(index, silicon);
    }
    return silicon;
  }

  #job(place: Place, begin: number, room: number): number {
    const { block, address, sizeBytes } = place.job;
    if (block === undefined) {
      return this.#foreignBuffer(place, { address, sizeBytes, begin }, room);
    }
    const code = { words: block.chunk.words, first: block.firstWord, count: sizeBytes >>> 2, cut: null };
    return this.#packets(place, code, { begin, room });
  }

  #foreignBuffer(
    place: Place,
    { address, sizeBytes, begin }: { address: number; sizeBytes: number; begin: number },
    room: number,
  ): number {
    const read = this.#foreign-- > 0 ? place.code.at(address, sizeBytes) : { unread: 'cut' };
    if ('words' in read) {
      return this.#packets(place, read, { begin, room });
    }
    const { seq } = place.job.submission;
    const { device, asid, pid } = place.context;
    const unread = { device: device.index, asid, pid, seq, queue: queueName(place.job.queue) };
    for (const { answer } of place.wanted) {
      answer.cut ||= this.#foreign < 0;
      if (
        answer.unread.length < SHOWN &&
        !answer.unread.some((other) => other.seq === seq && other.queue === unread.queue)
      ) {
        answer.unread.push(unread);
      }
    }
    return room;
  }

  /** Goes through the packets; returns how many more of the stream may be looked at. */
  #packets(place: Place, { words, first, count }: Code, { begin, room }: { begin: number; room: number }): number {
    const end = first + count;
    let left = room;
    const engine = QUEUES[place.job.queue]?.engine ?? '';
    // Where a move says that it is done, unless packets change it (device.md 4.5).
    let completion = engine.startsWith('DMA') ? sobAddress(DCORE.E_N, Number(engine.slice(3))) : -1;
    for (let at = first + (begin >>> 2); at + 2 <= end; ) {
      if (left-- <= 0 || this.#left-- <= 0) {
        for (const { answer } of place.wanted) {
          answer.cut = true;
        }
        return 0;
      }
      const size = packetWords(words, at);
      if (size === 0 || at + size > end) {
        return left;
      }
      const control = words[at + 1] as number;
      switch (opcodeOf(control)) {
        case OPCODE.MSG_LONG: {
          const address = (words[at + 3] as number) * 2 ** 32 + (words[at + 2] as number);
          completion = newCompletion(engine, address, words[at] as number, completion);
          this.#write(place, address, words, at);
          break;
        }
        case OPCODE.MSG_SHORT:
          this.#write(
            place,
            CFG_BASE + (MSG_SHORT_BASES[(control >>> 22) & 3] as number) + (control & 0xffff),
            words,
            at,
          );
          break;
        case OPCODE.LIN_DMA:
          if ((control & 1) !== 0 && completion >= 0) {
            this.#write(place, completion, words, at);
          }
          break;
        case OPCODE.CP_DMA: {
          const address = (words[at + 3] as number) * 2 ** 32 + (words[at + 2] as number);
          left = this.#foreignBuffer(place, { address, sizeBytes: words[at] as number, begin: 0 }, left);
          break;
        }
        default:
          break;
      }
      at += size;
    }
    return left;
  }

  #write(place: Place, address: number, words: Uint32Array, at: number): void {
    const { context, windows } = place;
    let device = context.device.index;
    let offset = address - CFG_BASE;
    if (address < CFG_BASE || address >= CFG_END) {
      const window = windows.find(({ from, to }) => address >= from && address < to);
      if (window === undefined) {
        return;
      }
      device = window.device;
      offset = window.offset + address - window.from;
    }
    if (isMonitor(offset)) {
      this.#monitor(place, { device, offset }, words, at);
      return;
    }
    const target = this.#targets.get(targetKey(device, offset, isSyncObject(offset) ? 0 : context.asid));
    if (target !== undefined) {
      this.#found(place, target, words, at);
    }
  }

  /**
   * A packet that arms a monitor will make it write what packets before it have told the monitor to. Where those were executed already,
   * nobody knows where to.
   */
  #monitor(place: Place, { device, offset }: Register, words: Uint32Array, at: number): void {
    const register = offset & (SM_BLOCK_SIZE - 1);
    const monitor = offset - register + (register & (MONITOR_BYTES - 1));
    const [low, high] = [targetKey(device, monitor), targetKey(device, monitor + MONITOR_BYTES)];
    const value = words[at] as number;
    if (register < SM_REGISTERS.MON_PAY_ADDRH) {
      place.payloads.set(low, value);
    } else if (register < SM_REGISTERS.MON_PAY_DATA) {
      place.payloads.set(high, value);
    } else if (register >= SM_REGISTERS.MON_ARM && register < SM_REGISTERS.MON_STATUS) {
      const [lower, upper] = [place.payloads.get(low), place.payloads.get(high)];
      if (lower !== undefined && upper !== undefined) {
        this.#arms(place, upper * 2 ** 32 + lower, words, at);
        return;
      }
      for (const { answer } of place.wanted) {
        answer.cut = true;
      }
    }
  }

  #arms(place: Place, payload: number, words: Uint32Array, at: number): void {
    const behind = registerBehind(place.context, payload);
    const asid = behind === undefined || isSyncObject(behind.offset) ? 0 : place.context.asid;
    const target = behind === undefined ? undefined : this.#targets.get(targetKey(behind.device, behind.offset, asid));
    if (target !== undefined) {
      this.#found(place, target, words, at, true);
    }
  }

  #found({ context, job, ahead }: Place, target: Target, words: Uint32Array, at: number, arms = false): void {
    const packet = decodePacket(words, at);
    if (packet === undefined) {
      return;
    }
    const { packets } = target.answer;
    if (packets.length === SHOWN) {
      target.answer.cut = true;
      return;
    }
    const change = target.fence !== undefined || arms ? NO_CHANGE : changeBy(packet.opcode, words[at] as number);
    packets.push(found(context, job, { ahead, text: formatPacket(packet), ...change }));
  }
}

interface Register {
  readonly device: number;
  /** From CFG_BASE. */
  readonly offset: number;
}

/** Of one kind of a sync manager's monitor registers. */
const MONITOR_BYTES = SM_REGISTERS.MON_PAY_ADDRH - SM_REGISTERS.MON_PAY_ADDRL;

function isMonitor(offset: number): boolean {
  const at = offset & (SM_BLOCK_SIZE - 1);
  return dcoreOfOffset(offset) >= 0 && at >= SM_REGISTERS.MON_PAY_ADDRL && at < SM_REGISTERS.END;
}

function found(
  { device, asid, pid }: Context,
  { submission, queue }: Job,
  more: { readonly ahead: number; readonly text: string } & Change,
): ProducersOfObject['packets'][number] {
  return { device: device.index, asid, pid, seq: submission.seq, queue: queueName(queue), ...more };
}

interface Change {
  readonly adds: number | null;
  readonly sets: number | null;
}

/** A move writes what its engine was told to. */
const NO_CHANGE: Change = { adds: null, sets: null };

/** What a message does to a sync object. */
function changeBy(opcode: number, message: number): Change {
  if (opcode !== OPCODE.MSG_LONG && opcode !== OPCODE.MSG_SHORT) {
    return NO_CHANGE;
  }
  const value = message & SOB_MAX;
  return message >>> 31 === 1 ? { adds: value, sets: null } : { adds: null, sets: value };
}

/** A packet that writes the low half of where the engine's moves report to. */
function newCompletion(engine: string, address: number, value: number, before: number): number {
  if (before < 0 || address !== CFG_BASE + dmaCoreBase(Number(engine.slice(3))) + DMA_CORE_REGISTERS.WR_COMP_ADDR_LO) {
    return before;
  }
  return before - (before % 2 ** 32) + value;
}

/** Where imported sync objects of this and of other devices are mapped. */
function windowsOf({ addressSpace }: Context): Window[] {
  const windows: Window[] = [];
  for (const { source, va, pieces } of addressSpace.mappings()) {
    const [piece] = pieces;
    const place = source.kind === 'import' && piece?.space === 'bus' ? classifyBusAddress(piece.address) : undefined;
    if (piece !== undefined && place?.kind === 'peer-cfg') {
      windows.push({ from: va, to: va + piece.size, device: place.device, offset: place.offset });
    }
  }
  return windows;
}
