/**
 * Whose turn it is, and how long. Streams that can go on take turns; a turn is a bounded number of packets, or a bounded
 * number of bytes moved, so that a stream waits at most one turn of every other runnable stream. Idle and parked streams cost
 * nothing; those that found no room on their way out are tried again now and then. Knows neither packets (packet-loop.ts) nor
 * where work comes from.
 */

import { DEVICE_TRACE } from '@pedrera/hw';
import { type CommandProcessor, RUNNABLE, STALLED } from './command-processor.js';
import type { Context } from './context.js';
import { type EngineTimesBook, WORKS } from './engine-times.js';
import type { FaultInjector } from './fault-injector.js';
import type { PacketLoop, TurnLimits } from './packet-loop.js';
import { RunQueue } from './run-queue.js';
import type { SyncManager } from './sync-manager.js';
import type { Timers } from './timers.js';
import type { Tracer } from './tracer.js';

/** Packets a turn while others wait, and alone. */
const PACKETS_SHARED = 256;
const PACKETS_ALONE = 1024;
/** While others run, streams that found no room are tried again only this often. */
const STEPS_BETWEEN_RETRIES = 64;

/**
 * 'busy': a stream can go on. 'stalled': none can until somebody drains a FIFO or some time has passed; look again soon. 'idle': nothing happens
 * before the kernel or another device does something.
 */
export type StepResult = 'busy' | 'stalled' | 'idle';

export interface StreamId {
  readonly asid: number;
  readonly queue: number;
  /** The lower command processor that executes for this queue, not the stream itself. */
  readonly lower?: boolean;
}

export interface SchedulerOptions {
  /** Where queue managers put the processors they wake. */
  readonly runQueue: RunQueue;
  readonly loop: PacketLoop;
  readonly sync: SyncManager;
  readonly timers: Timers;
  readonly times: EngineTimesBook;
  readonly tracer: Tracer;
  readonly injector: FaultInjector;
  /** Fixed limits for every turn. */
  readonly turn: TurnLimits | undefined;
}

export class Scheduler {
  readonly #runQueue: RunQueue;
  /** Found no room on their way out. */
  readonly #stalled = new RunQueue();
  readonly #loop: PacketLoop;
  readonly #sync: SyncManager;
  readonly #timers: Timers;
  readonly #times: EngineTimesBook;
  readonly #tracer: Tracer;
  readonly #injector: FaultInjector;
  readonly #fixedLimits: TurnLimits | undefined;
  #stepsSinceRetry = 0;

  constructor(options: SchedulerOptions) {
    this.#runQueue = options.runQueue;
    this.#loop = options.loop;
    this.#sync = options.sync;
    this.#timers = options.timers;
    this.#times = options.times;
    this.#tracer = options.tracer;
    this.#injector = options.injector;
    this.#fixedLimits = options.turn;
  }

  /** One turn of the next runnable stream, or of the one named, if it is runnable; before it, what has become due. */
  step(stream?: StreamId): void {
    this.#timers.expire();
    this.#admitStalled();
    if (this.#times.hasChanges) this.#times.settle();
    const processor =
      stream === undefined
        ? this.#runQueue.shift()
        : this.#runQueue.remove(({ asid, queue, isLower }) => {
            return asid === stream.asid && queue === stream.queue && isLower === (stream.lower ?? false);
          });
    if (processor !== null) this.#turn(processor);
  }

  /** What is to be expected of the next step. */
  get outlook(): StepResult {
    if (!this.#runQueue.isEmpty) return 'busy';
    return this.#stalled.isEmpty && !this.#sync.holdsPayloads && this.#timers.isEmpty ? 'idle' : 'stalled';
  }

  /** Lets what is due next happen now. False if nothing is, or while streams can go on. */
  skipTime(): boolean {
    if (!this.#runQueue.isEmpty || this.#timers.isEmpty) return false;
    this.#timers.skipToNext();
    return true;
  }

  /** The streams that can go on, in the order of their turns. */
  runnable(): StreamId[] {
    return Array.from(this.#runQueue, ({ asid, queue, isLower }) => ({
      asid,
      queue,
      ...(isLower ? { lower: true } : {}),
    }));
  }

  /** None of the context's processors has a turn any more. */
  remove(context: Context): void {
    const isOfContext = (processor: CommandProcessor) => processor.context === context;
    this.#runQueue.remove(isOfContext);
    this.#stalled.remove(isOfContext);
  }

  #turn(processor: CommandProcessor): void {
    const alone = this.#runQueue.isEmpty;
    const packets = alone ? PACKETS_ALONE : PACKETS_SHARED;
    const limits = this.#fixedLimits ?? { packets, bytes: this.#loop.slice.bytes(alone) };
    if (this.#injector.hasRules && this.#injector.concerns(processor))
      this.#loop.runExamined(processor, limits, this.#injector);
    else this.#loop.run(processor, limits);
    const { state, qm } = processor;
    if (state === RUNNABLE) this.#runQueue.push(processor);
    else if (state === STALLED) this.#stalled.push(processor);
    else if ((this.#tracer.kinds & DEVICE_TRACE.WAITS) !== 0) this.#tracer.parked(processor);
    if (state !== RUNNABLE || qm.times.activity !== WORKS) this.#times.note(qm);
    if (this.#times.hasChanges) this.#times.settle();
  }

  #admitStalled(): void {
    if (this.#stalled.isEmpty && !this.#sync.holdsPayloads) return;
    if (!this.#runQueue.isEmpty && ++this.#stepsSinceRetry < STEPS_BETWEEN_RETRIES) return;
    this.#stepsSinceRetry = 0;
    this.#sync.retryHeld();
    for (let processor = this.#stalled.shift(); processor !== null; processor = this.#stalled.shift()) {
      processor.state = RUNNABLE;
      this.#runQueue.push(processor);
    }
  }
}
