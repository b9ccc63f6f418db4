/** For tests: rows of a snapshot, to be spread where only a few fields matter. */
import type { DaemonSection, DeviceSection, QueueState } from '@pedrera/uapi';

export const DAEMON: DaemonSection = {
  pid: 1,
  socket: '/run/pedrera.sock',
  policy: 'shared',
  build: 'test',
  uptimeMs: 60_000,
  devices: 2,
  clients: 0,
  tracing: false,
  armedFaults: 0,
};

export const NO_COUNTERS: DeviceSection['counters'] = {
  packets: 0,
  dmaBytes: 0,
  busReadBytes: 0,
  busWrittenBytes: 0,
  sobWrites: 0,
  monitorsFired: 0,
  faults: 0,
  interrupts: 0,
  submissions: 0,
  completed: 0,
  failed: 0,
};

export const IDLE_QUEUE: QueueState = {
  id: 0,
  name: 'DMA_0_0',
  kind: 'external',
  pi: 0,
  ci: 0,
  pending: 0,
  inFlight: 0,
  completed: 0,
  head: null,
  blockedOn: null,
  pid: null,
  asid: null,
  oldestMs: null,
};

/** At a fence that a monitor on a sync object will release. */
export const BLOCKED_QUEUE: QueueState = {
  ...IDLE_QUEUE,
  id: 4,
  name: 'DMA_1_0',
  pi: 11,
  ci: 0,
  pending: 10,
  inFlight: 11,
  head: { opcode: 8, name: 'FENCE', text: 'FENCE 0 waits for 1, takes 1' },
  blockedOn: {
    fence: { id: 0, target: 1, value: 0 },
    monitors: [
      {
        dcore: 'E_N',
        monitor: 3,
        mode: '>=',
        awaited: 1,
        objects: [{ sob: 8, value: 0, awaited: 1, address: 0x7f_fc4f_2020 }],
      },
    ],
    reason: 'fence 0',
  },
  pid: 4712,
  asid: 2,
  oldestMs: 1234,
};
