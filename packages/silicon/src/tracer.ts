/**
 * Tells what the device does, while somebody records it (DeviceTraceRecord of @pedrera/hw). Whoever calls has looked at `kinds`
 * before; off, that one test is all it costs. Changes nothing but where the processors note since when they do something.
 */

import { DEVICE_TRACE, DEVICE_TRACE_KIND as KIND, TraceWriter } from '@pedrera/hw';
import { type CommandProcessor, FENCED, WAITS_FOR_ENGINE, WAITS_FOR_GRANT } from './command-processor.js';

const { JOBS, WAITS, MOVES, SYNC, FAULTS } = DEVICE_TRACE;
/** In place of a time: nothing has begun that is being told of. */
const NOT_BEGUN = -1;
/** A monitor armed by the host has this queue. */
const NO_QUEUE = 0xff;

export class Tracer {
  readonly #nowNs: () => number;
  #writer: TraceWriter | null = null;
  /** Bits of DEVICE_TRACE. */
  kinds = 0;

  constructor(nowNs: () => number) {
    this.#nowNs = nowNs;
  }

  /** What the given processors are in the middle of is told as begun now. */
  set(kinds: number, ring: SharedArrayBuffer | null, processors: Iterable<CommandProcessor>): void {
    this.#writer = ring === null || kinds === 0 ? null : new TraceWriter(ring);
    this.kinds = this.#writer === null ? 0 : kinds & (JOBS | WAITS | MOVES | SYNC | FAULTS);
    for (const processor of processors) {
      processor.jobSinceNs = processor.waitSinceNs = processor.moveSinceNs = NOT_BEGUN;
      const isInJob = processor.isLower ? processor.inBuffer : processor.bufferDone < processor.bufferBytes;
      if (isInJob && (this.kinds & JOBS) !== 0) this.jobBegan(processor);
      if (processor.inTransfer && (this.kinds & MOVES) !== 0) this.moveBegan(processor);
      if ((this.kinds & WAITS) !== 0) this.parked(processor);
    }
  }

  jobBegan(processor: CommandProcessor): void {
    const now = this.#nowNs();
    processor.jobSinceNs = now;
    this.#job(KIND['job begin'], now, now, processor, false);
  }

  jobEnded(processor: CommandProcessor, cut = false): void {
    this.#job(KIND['job end'], this.#nowNs(), processor.jobSinceNs, processor, cut);
    processor.jobSinceNs = NOT_BEGUN;
  }

  /** It has stopped at a packet that has to wait, if it has. */
  parked(processor: CommandProcessor): void {
    const kind = waitKind(processor);
    if (kind < 0) return;
    const now = this.#nowNs();
    processor.waitSinceNs = now;
    this.#wait(kind, now, now, processor, false);
  }

  /** Precondition: its state is still the waiting one. */
  woken(processor: CommandProcessor, cut = false): void {
    const kind = waitKind(processor);
    if (kind >= 0) this.#wait(kind + 1, this.#nowNs(), processor.waitSinceNs, processor, cut);
    processor.waitSinceNs = NOT_BEGUN;
  }

  moveBegan(processor: CommandProcessor): void {
    const now = this.#nowNs();
    processor.moveSinceNs = now;
    this.#move(0, now, now, processor, false);
  }

  /** Precondition: the transfer or computation is still there. */
  moveEnded(processor: CommandProcessor, cut = false): void {
    this.#move(1, this.#nowNs(), processor.moveSinceNs, processor, cut);
    processor.moveSinceNs = NOT_BEGUN;
  }

  /** Whatever the processor is in the middle of ends here. */
  cut(processor: CommandProcessor): void {
    if (processor.moveSinceNs >= 0) this.moveEnded(processor, true);
    if (processor.waitSinceNs >= 0) this.woken(processor, true);
    if (processor.jobSinceNs >= 0) this.jobEnded(processor, true);
  }

  /** `origin` is the processor whose packet wrote it; null: the write is put down to the context that has the object. */
  sobWritten(origin: CommandProcessor | null, owner: number, sob: number, value: number): void {
    const now = this.#nowNs();
    const asid = origin?.asid ?? owner;
    const queue = origin?.queue ?? -1;
    this.#writer?.write(KIND.sob, now, now, asid, queue, origin?.isLower === true, false, sob, value, 0, 0);
  }

  armed(asid: number, queue: number, monitor: number, condition: number, payloadAddress: number): void {
    this.#monitor(KIND.arm, asid, queue, monitor, condition, payloadAddress);
  }

  fired(asid: number, queue: number, monitor: number, data: number, payloadAddress: number): void {
    this.#monitor(KIND.fire, asid, queue, monitor, data, payloadAddress);
  }

  fault(asid: number, queue: number, lower: boolean, ringSlot: number, cause: number, address: number): void {
    const now = this.#nowNs();
    this.#writer?.write(KIND.fault, now, now, asid, queue, lower, false, ringSlot, cause, address, 0);
  }

  #monitor(kind: number, asid: number, queue: number, monitor: number, value: number, address: number): void {
    const now = this.#nowNs();
    const from = queue === NO_QUEUE ? -1 : queue;
    this.#writer?.write(kind, now, now, asid, from, false, false, monitor, value, address, 0);
  }

  #job(kind: number, now: number, since: number, processor: CommandProcessor, cut: boolean): void {
    const { asid, queue, isLower, currentSlot, bufferAddress, bufferBytes } = processor;
    this.#writer?.write(kind, now, since, asid, queue, isLower, cut, currentSlot, 0, bufferAddress, bufferBytes);
  }

  #wait(kind: number, now: number, since: number, processor: CommandProcessor, cut: boolean): void {
    const { asid, queue, isLower, fenceId, fenceTarget } = processor;
    const isFence = processor.state === FENCED;
    const index = isFence ? fenceId : 0;
    this.#writer?.write(kind, now, since, asid, queue, isLower, cut, index, isFence ? fenceTarget : 0, 0, 0);
  }

  /** `end` 0 or 1: the number of an end is its beginning's plus one. */
  #move(end: number, now: number, since: number, processor: CommandProcessor, cut: boolean): void {
    const { asid, queue, isLower, computation, engine } = processor;
    const transfer = processor.usedTransfer();
    const isMove = computation === null;
    const kind = (isMove ? KIND['move begin'] : KIND['computation begin']) + end;
    const address = isMove ? transfer.destination.base : computation.what.output.address;
    const bytes = isMove ? (end === 0 ? transfer.done + transfer.remaining : transfer.done) : 0;
    this.#writer?.write(kind, now, since, asid, queue, isLower, cut, engine, 0, address, bytes);
  }
}

function waitKind(processor: CommandProcessor): number {
  switch (processor.state) {
    case FENCED:
      return KIND['fence begin'];
    case WAITS_FOR_GRANT:
      return KIND['grant begin'];
    case WAITS_FOR_ENGINE:
      return KIND['barrier begin'];
    default:
      return -1;
  }
}
