/**
 * The state of one command processor of one context: a stream's (upper) with its ring, or the lower one that the streams of
 * an internal queue manager share (device.md 2.2). Passive: packet-loop.ts executes, the machine schedules.
 */

import { FAULT, FENCE_COUNTER_MAX, FENCES_PER_STREAM, LOWER_CP, type RingView } from '@pedrera/hw';
import type { Context } from './context.js';
import type { MmeJob } from './mme.js';
import type { QueueManager } from './queue-manager.js';
import { DONE } from './status.js';
import { STS1 } from './sts1.js';
import { Transfer } from './transfer.js';

/** Nothing to do. */
export const IDLE = 0;
/** In the run queue, or having its turn. */
export const RUNNABLE = 1;
/** Parked on a fence. */
export const FENCED = 2;
/** Stands at a packet that found no room on its way out; tried again later. */
export const STALLED = 3;
/** Stopped for good, by an undefined opcode or STOP. */
export const STOPPED = 4;
/** Its context is gone. */
export const DEAD = 5;
/** Parked at an ARB_POINT until the stream gets the lock. */
export const WAITS_FOR_GRANT = 6;
/** Parked until the engine has got further: at an engine barrier, or at a CP_DMA for which CQ4 has no room. */
export const WAITS_FOR_ENGINE = 7;
/** Its engine hangs until the device is reset. */
export const HUNG = 8;
/** Held back at a packet by a rule of the host's, for some time. */
export const DELAYED = 9;
export type ProcessorState =
  | typeof IDLE
  | typeof RUNNABLE
  | typeof FENCED
  | typeof STALLED
  | typeof STOPPED
  | typeof DEAD
  | typeof WAITS_FOR_GRANT
  | typeof WAITS_FOR_ENGINE
  | typeof HUNG
  | typeof DELAYED;

export class CommandProcessor {
  readonly qm: QueueManager;
  readonly context: Context;
  readonly asid: number;
  /** Which of its queue manager's processors: a stream 0-3, or LOWER_CP. */
  readonly index: number;
  readonly isLower: boolean;
  /** The stream's queue. Of the lower processor, the one whose CP_DMA it executes; faults are in that queue's name. */
  queue: number;
  /** Null before createRing, and always for the lower processor. */
  ring: RingView | null = null;
  /** Bus slot of the ring's memory. */
  ringBusSlot = -1;
  nextInQueue: CommandProcessor | null = null;
  state: ProcessorState = IDLE;

  /** Producer index as rung so far, and index of the next descriptor to fetch. */
  pi = 0;
  fetched = 0;
  /** Completion words written to the ring: counted here too, for looks that must not touch the memory of every ring. */
  completed = 0;
  /** Producer index seen while doorbells were lost, or -1 (see doorbells.ts). */
  sampledPi = -1;

  /** Ring slot of the descriptor at hand, and causes already reported for it (a bit each). */
  currentSlot = -1;
  reportedFaults = 0;
  /**
   * The command buffer: where it lies (a bus address on external queues, a device address otherwise), its size, and how far
   * the processor has got. Nothing of it is kept across turns: memory may be unmapped or written meanwhile.
   */
  bufferAddress = 0;
  bufferBytes = 0;
  bufferDone = 0;
  /** The lower processor: whether the buffer it has taken from CQ4 still counts as unfinished. */
  inBuffer = false;

  /** While packets run: index of the packet at hand and end of the buffer's part that is in view, in the words given along. */
  at = 0;
  end = 0;
  /** Whether the buffer goes on behind `end`, in another piece of memory. */
  continues = false;
  /** Packets that the last one is charged as, beyond one. */
  surcharge = 0;

  readonly fences = new Uint16Array(FENCES_PER_STREAM);
  fenceId = 0;
  fenceTarget = 0;
  /** WAIT packets whose time is not over yet, a bit a fence. */
  waits = 0;
  /** Predicates P0..P31 as bits; P0 is hard-wired to 1 (device.md 3.1). */
  predicates = 1;
  /** R0..R3, and whether the LOAD_AND_EXE at hand has loaded them already and now waits with the packet in them. */
  readonly scalars = new Uint32Array(4);
  hasLoaded = false;
  /** How many registers of the WREG_BULK at hand are written. */
  bulkDone = 0;
  /** Set while the processor stands at an engine barrier: what had been begun when it got there. */
  atBarrier = false;
  barrierCommits = 0;
  barrierLower = 0;

  /** What the packet at hand is moving. Made when the processor first uses its DMA core. */
  transfer: Transfer | null = null;
  /** What the packet at hand makes a matrix engine compute: like a transfer in all that others see of it. */
  computation: MmeJob | null = null;
  /** The transfer's number among those of its core, and the size of the packet that began it. */
  transferNumber = 0;
  transferPacketBytes = 0;

  /** While somebody records: since when it has been in its buffer, waited, been in its transfer; else -1 (tracer.ts). */
  jobSinceNs = -1;
  waitSinceNs = -1;
  moveSinceNs = -1;
  /** How far into the buffer the fault rules have looked; -1: not at all (fault-injector.ts). */
  examined = -1;
  /** Such a rule has taken the interrupt at the end of the present job. */
  losesInterrupt = false;

  constructor(qm: QueueManager, index: number) {
    this.qm = qm;
    this.context = qm.context;
    this.asid = qm.context.asid;
    this.index = index;
    this.isLower = index === LOWER_CP;
    this.queue = qm.firstQueue + (this.isLower ? 0 : index);
  }

  attachRing(ring: RingView, busSlot: number): void {
    this.ring = ring;
    this.ringBusSlot = busSlot;
    this.completed = 0;
  }

  /** Index in ENGINES of the engine behind this processor. */
  get engine(): number {
    return this.qm.engineId;
  }

  get inTransfer(): boolean {
    return this.transfer?.active === true || this.computation !== null;
  }

  usedTransfer(): Transfer {
    this.transfer ??= new Transfer();
    return this.transfer;
  }

  /** Whether it can go on by itself, sooner or later. */
  get isActive(): boolean {
    return this.state === RUNNABLE || this.state === STALLED || this.state === DELAYED;
  }

  /** A write to a fence's RDATA register (device.md 2.5). Returns DONE or the fault of an overflow, which clips. */
  feedFence(fence: number, value: number): number {
    const sum = (this.fences[fence] as number) + (value & 0xf);
    if (sum <= FENCE_COUNTER_MAX) {
      this.fences[fence] = sum;
      return DONE;
    }
    this.fences[fence] = FENCE_COUNTER_MAX;
    this.note(STS1.FENCE_OVERFLOW << fence);
    return FAULT['fence-overflow'];
  }

  get fenceIsSatisfied(): boolean {
    return (this.fences[this.fenceId] as number) >= this.fenceTarget;
  }

  get isFencedAndSatisfied(): boolean {
    return this.state === FENCED && this.fenceIsSatisfied;
  }

  /** Sets error bits in this processor's STS1 register. */
  note(bits: number): void {
    const { errors } = this.qm;
    errors[this.index] = (errors[this.index] as number) | bits;
  }
}
