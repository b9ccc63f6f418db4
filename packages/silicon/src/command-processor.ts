/**
 * The state of one stream of one context: its ring, the command buffer it is in, its fences. Passive: packet-loop.ts
 * executes, the machine schedules.
 */

import { FAULT, FENCE_COUNTER_MAX, FENCES_PER_STREAM, type RingView } from '@pedrera/hw';
import type { Context } from './context.js';
import { DONE } from './status.js';
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
export type ProcessorState =
  | typeof IDLE
  | typeof RUNNABLE
  | typeof FENCED
  | typeof STALLED
  | typeof STOPPED
  | typeof DEAD;

export class CommandProcessor {
  readonly context: Context;
  readonly asid: number;
  readonly queue: number;
  readonly ring: RingView;
  /** Bus slot of the ring's memory. */
  readonly ringBusSlot: number;
  nextInQueue: CommandProcessor | null = null;
  state: ProcessorState = IDLE;

  /** Producer index as rung so far, and index of the next descriptor to fetch. */
  pi = 0;
  fetched = 0;
  /** Producer index seen while doorbells were lost, or -1 (see Gaudi.serviceDoorbells). */
  sampledPi = -1;

  /** Ring slot of the descriptor at hand, and causes already reported for it (a bit each). */
  currentSlot = -1;
  reportedFaults = 0;
  /** The command buffer: its bus slot; its start, end and the packet at hand as word indices in that slot. */
  bufferSlot = -1;
  start = 0;
  end = 0;
  at = 0;

  readonly fences = new Uint16Array(FENCES_PER_STREAM);
  fenceId = 0;
  fenceTarget = 0;
  /** Predicates P0..P31 as bits; P0 is hard-wired to 1 (device.md 3.1). */
  predicates = 1;
  /** What the packet at hand is moving. Made when the stream first uses its DMA core. */
  transfer: Transfer | null = null;
  /** Where the stream goes on when the transfer is done. */
  transferEnd = 0;

  constructor(context: Context, queue: number, ring: RingView, ringBusSlot: number) {
    this.context = context;
    this.asid = context.asid;
    this.queue = queue;
    this.ring = ring;
    this.ringBusSlot = ringBusSlot;
  }

  /** The DMA core behind this stream. */
  get engine(): number {
    return this.queue >> 2;
  }

  get inTransfer(): boolean {
    return this.transfer?.active === true;
  }

  usedTransfer(): Transfer {
    this.transfer ??= new Transfer();
    return this.transfer;
  }

  /** A write to a fence's RDATA register (device.md 2.5). Returns DONE or the fault of an overflow, which clips. */
  feedFence(fence: number, value: number): number {
    const sum = (this.fences[fence] as number) + (value & 0xf);
    this.fences[fence] = Math.min(sum, FENCE_COUNTER_MAX);
    return sum > FENCE_COUNTER_MAX ? FAULT['fence-overflow'] : DONE;
  }

  get fenceIsSatisfied(): boolean {
    return (this.fences[this.fenceId] as number) >= this.fenceTarget;
  }
}
