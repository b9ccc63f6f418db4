/** Looks into the daemon until something can be seen there. */
import { setTimeout as delay } from 'node:timers/promises';
import type { QueuesSnapshot } from '@pedrera/uapi';
import { deviceError } from '../exit.js';
import type { DaemonSession } from '../session.js';
import { plural } from '../text/units.js';

const LOOK_INTERVAL_MS = 2;
const TIMEOUT_MS = 10_000;

/** The first snapshot in which each of these processes has a stream that is blocked on a monitor. */
export async function untilBlocked(session: DaemonSession, pids: readonly number[]): Promise<QueuesSnapshot> {
  const deadline = performance.now() + TIMEOUT_MS;
  for (;;) {
    const snapshot = await session.inspectQueues();
    const queues = snapshot.devices.flatMap((device) => device.queues);
    const blocked = new Set(queues.filter((q) => (q.blockedOn?.monitors.length ?? 0) > 0).map((q) => q.pid));
    if (pids.every((pid) => blocked.has(pid))) return snapshot;
    if (performance.now() > deadline) {
      throw deviceError(`the relays were not blocked within ${TIMEOUT_MS / 1000} s, although no data has been sent`);
    }
    await delay(LOOK_INTERVAL_MS);
  }
}

/** Returns when the daemon knows of no client and no dma-buf any more. */
export async function untilForgotten(session: DaemonSession): Promise<void> {
  const deadline = performance.now() + TIMEOUT_MS;
  for (;;) {
    const [{ clients }, { buffers }] = await Promise.all([session.inspectClients(), session.inspectBuffers()]);
    if (clients.length + buffers.length === 0) return;
    if (performance.now() > deadline) {
      const left = `${plural(clients.length, 'client')} and ${plural(buffers.length, 'dma-buf')}`;
      throw deviceError(
        `every client has closed its device, and after ${TIMEOUT_MS / 1000} s the daemon still has ${left}`,
      );
    }
    await delay(LOOK_INTERVAL_MS);
  }
}
