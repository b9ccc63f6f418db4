/**
 * poll(2) with a time-out on a dma-buf or a sync file (uapi.md 6.2, 6.5).
 *
 * Owns: one wait: its listener, its deadline, the reference it holds. Must not know who waits.
 */
import type { Clock, Timer } from '@pedrera/base';
import type { Caller } from '../caller.js';
import type { DmaFence } from '../fence/dma-fence.js';
import { usageOfAccess } from '../fence/reservation.js';
import type { SyncFile } from '../fence/sync-file.js';
import { unwrapFence } from '../fence/unwrap.js';
import { POLL_OUT } from '../fence/wait-queue.js';
import type { SharedObject } from './descriptor.js';
import { DmaBuf } from './dma-buf.js';

const NS_PER_MS = 1e6;

export interface PollRequest {
  readonly events: number;
  /** Below 0: for ever. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Where a wait that blocks leaves the way to end it early. */
  readonly waits: Set<() => void>;
  readonly pid: number;
  /** Told what a wait that blocks waits for. */
  readonly caller: Caller;
}

/** The events that hold; 0 when the time is over, or the wait was given up. */
export function pollObject(object: SharedObject, request: PollRequest): number | Promise<number> {
  const { events, timeoutMs, clock, waits, pid, caller } = request;
  const ask = () => readyEvents(object, events);
  const ready = ask();
  if (ready !== 0 || timeoutMs === 0) {
    return ready;
  }
  const letGo = holdFor(object, pid);
  return new Promise((resolve) => {
    let timer: Timer | undefined;
    const settle = (answer: number) => {
      waits.delete(abandon);
      timer?.cancel();
      stop();
      letGo();
      resolve(answer);
    };
    const abandon = () => settle(0);
    const stop = queueOf(object).add(() => {
      const now = ask();
      if (now !== 0) {
        settle(now);
      }
    });
    waits.add(abandon);
    const deadlineNs = timeoutMs > 0 ? clock.nowNs() + timeoutMs * NS_PER_MS : Number.POSITIVE_INFINITY;
    if (timeoutMs > 0) {
      timer = clock.at(deadlineNs, () => settle(ask()));
    }
    const buffer = object instanceof DmaBuf ? object.id : null;
    caller.waits({ kind: 'fences', buffer, pending: () => pendingFences(object, events) }, deadlineNs, abandon);
  });
}

function holdFor(object: SharedObject, pid: number): () => void {
  if (object instanceof DmaBuf) {
    const hold = object.hold('poll', pid);
    return () => hold.release();
  }
  object.get();
  return () => object.put();
}

function readyEvents(object: SharedObject, events: number): number {
  return object instanceof DmaBuf ? object.poll.poll(events) : object.poll() & events;
}

/** Those that keep the events from being there. */
function pendingFences(object: SharedObject, events: number): readonly DmaFence[] {
  if (object instanceof DmaBuf) {
    return object.reservation.pending(usageOfAccess((events & POLL_OUT) !== 0));
  }
  return unwrapFence(object.fence).filter((fence) => !fence.signalled);
}

function queueOf(object: SharedObject): SyncFile['queue'] {
  return object instanceof DmaBuf ? object.poll.queue : object.queue;
}
