/** Read-only views for the debug CLI. */
import { errno } from '@pedrera/base';
import { DRAM_USER_SIZE } from '@pedrera/hw';
import { type Handlers, PROTOCOL_VERSION } from '@pedrera/uapi';
import { inspectBuffers } from '../../core/inspect/buffers.js';
import { queuesOf } from '../../core/inspect/queues.js';
import { inspectRing } from '../../core/inspect/ring.js';
import { takeMoment, takeSnapshot } from '../../core/inspect/snapshot.js';
import { BUILD } from '../build.js';
import { booksOf, daemonSection } from '../client-books.js';
import type { Session } from '../session.js';

type InspectCalls = Pick<Handlers<Session>, Extract<keyof Handlers<Session>, `INSPECT_${string}`>>;

export const INSPECT_HANDLERS: InspectCalls = {
  async INSPECT_SNAPSHOT(session, { page, ...request }) {
    if (page === 0) {
      session.snapshot = await takeSnapshot(session.machine, request, {
        books: booksOf(session.table),
        daemon: () => daemonSection(session.table),
      });
    } else if (session.snapshot === undefined || session.snapshot.next !== page) {
      const { next = 0 } = session.snapshot ?? {};
      throw errno(
        'EINVAL',
        next === 0 ? `page ${page}: no page is left to tell` : `page ${page}; page ${next} comes next`,
      );
    }
    const told = session.snapshot.page();
    if (told.next === 0) {
      session.snapshot = undefined;
    }
    return told;
  },

  async INSPECT_RING(session, request) {
    return { snapshot: await inspectRing(session.machine, request) };
  },

  async INSPECT_QUEUES(session, { device }) {
    const { machine, table } = session;
    const moment = await takeMoment(machine, { device, pid: 0, address: 0 }, booksOf(table));
    const devices = moment.devices.map((one) => queuesOf(one, moment));
    return { snapshot: { schema: 'pedrera.queues/1', devices } };
  },

  INSPECT_CLIENTS({ table }) {
    const clients = booksOf(table)
      .clients(0)
      .map((row) => row());
    return { snapshot: { schema: 'pedrera.ps/1', clients } };
  },

  INSPECT_BUFFERS(session, { from }) {
    for (const device of session.machine.devices) {
      device.drainInterrupts();
    }
    return { snapshot: inspectBuffers(session.machine, from) };
  },

  INSPECT_DAEMON(session) {
    const { machine, table } = session;
    return {
      snapshot: {
        schema: 'pedrera.daemon/1',
        pid: process.pid,
        socket: table.socketPath,
        policy: machine.policy.name,
        build: BUILD,
        protocolVersion: PROTOCOL_VERSION,
        uptimeMs: Math.round((machine.clock.nowNs() - machine.startedNs) / 1e6),
        residentBytes: process.memoryUsage.rss(),
        objects: machine.tracker.counts(),
        left: Object.fromEntries(session.table.left),
        refused: Object.fromEntries(table.refused),
        collapsesRepeatedDma: machine.settings.collapseRepeatedDma,
        armedFaults: machine.faults.size,
        devices: machine.devices.map((device) => ({
          index: device.index,
          status: device.status,
          contexts: device.contexts.size,
          hbm: { total: DRAM_USER_SIZE, used: Math.max(0, device.hbmUsed) },
          resets: { hard: device.life.hardResets, soft: 0 },
        })),
      },
    };
  },
};
