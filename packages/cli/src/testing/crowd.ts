/**
 * For tests: a whole snapshot of a daemon with many clients, in which the numbers fit together.
 *
 * Owns: what a busy daemon looks like. Must not know: what is made of it.
 */
import type {
  BuffersSnapshot,
  ClientsSnapshot,
  DaemonSnapshot,
  DeviceSection,
  LiveObjectState,
  ProducersOfObject,
  QueueState,
  RingSnapshot,
  Snapshot,
  SubmissionState,
} from '@pedrera/uapi';
import { DEVICE_STATUS } from '@pedrera/uapi';
import { DAEMON, NO_COUNTERS } from './rows.js';

const DEVICES = 2;
const MIB = 2 ** 20;
export const FIRST_PID = 5000;

interface CrowdOptions {
  readonly clients: number;
  readonly status?: string;
}

/** Client i is a process of its own with one context, one submission at a fence, and one that is over. */
export function crowd({
  clients,
  status = 'operational',
}: CrowdOptions): Snapshot & Required<Pick<Snapshot, 'clients'>> {
  const who = Array.from({ length: clients }, (_, i) => ({
    pid: FIRST_PID + i,
    device: i % DEVICES,
    asid: Math.floor(i / DEVICES) + 1,
    program: `worker-${i}.js`,
  }));
  const of = <Row>(make: (one: (typeof who)[number], i: number) => Row): Row[] => who.map(make);
  const devices = [0, 1].map((index) => device(index, status, who.filter((one) => one.device === index).length));
  return {
    schema: 'pedrera.snapshot/1',
    timeNs: 60e9,
    daemon: { ...DAEMON, devices: DEVICES, clients },
    devices,
    engines: devices.map(({ index }) => ({
      device: index,
      name: 'DMA0',
      busy: clients > 0,
      hung: false,
      times: { busyNs: clients * 1e6, waitSyncNs: clients * 2e6, waitMemoryNs: 0 },
      contexts: who
        .filter((one) => one.device === index)
        .map(({ asid, pid }) => ({ asid, pid, times: { busyNs: 1e6, waitSyncNs: 2e6, waitMemoryNs: 0 } })),
    })),
    clients: of(({ pid, device, asid, program }, i) => ({
      client: i + 1,
      pid,
      program,
      node: `hl${device}`,
      device,
      asid,
      memory: { hbmBytes: 2 * MIB, hostBytes: MIB, mappedBytes: 3 * MIB },
      handles: { commandBuffers: 1, hostBuffers: 1, dmaBufs: 0 },
      inFlight: 1,
      submitted: 2,
      faults: 0,
      requests: 9,
      connectedMs: 30_000,
    })),
    queues: devices.map(({ index }) => ({
      index,
      queues: who.filter((one) => one.device === index).map(({ pid, asid }) => blockedQueue(pid, asid)),
    })),
    submissions: who.flatMap((one, i) => [submission(one, 2, i), doneSubmission(one)]),
    calls: [],
    memory: {
      devices: devices.map(({ index, hbm, sram, contexts }) => ({
        device: index,
        hbm: { ...hbm, allocatedBytes: hbm.used, allocations: contexts },
        sram,
        commandBufferBytes: contexts * 4096,
        busSlots: { total: 64, used: contexts },
      })),
      owners: of(({ pid, program, device, asid }) => ({
        pid,
        program,
        device,
        asid,
        alive: true,
        hbmBytes: 2 * MIB,
        hbmAllocations: 1,
        exportedBytes: 0,
        sramBytes: 0,
        hostBytes: MIB,
        commandBufferBytes: 4096,
        mappedBytes: 3 * MIB,
      })),
    },
    sync: [],
    producers: who.slice(0, SEARCHED).map(producersOf),
    producersLeft: Math.max(0, clients - SEARCHED),
    mappings: of(({ pid, program, device, asid }) => ({
      device,
      asid,
      pid,
      program,
      ranges: [{ name: 'host', start: 0x1000_0000_0000, end: 0x1800_0000_0000, usedBytes: MIB }],
      mappings: [{ va: 0x1000_0000_0000, size: MIB, kind: 'host' as const, writable: true, what: 'host buffer 1' }],
      mappedBytes: MIB,
      walk: null,
      lastFault: null,
    })),
    events: of(({ pid, device, asid }, i) => ({
      number: i + 1,
      ageMs: (clients - i) * 10,
      timeNs: 60e9 - (clients - i) * 1e7,
      device,
      kind: 'fault' as const,
      severity: 'error' as const,
      pid,
      asid,
      queue: 'DMA_0_0',
      seq: 1,
      text: 'read of unmapped address 0x1000',
    })),
    buffers: crowdBuffers(clients).buffers,
    bufferTotals: crowdBuffers(clients).totals,
    objects: of(allocation),
  };
}

type Member = Readonly<Record<'pid' | 'device' | 'asid', number>> & { readonly program: string };

/** What the search for producers gets to. */
const SEARCHED = 600;

function producersOf({ pid, device, asid, program }: Member): ProducersOfObject {
  const target = { kind: 'fence' as const, asid, queue: 'DMA_0_0', fence: 0 };
  const holders = [{ pid, program, device, asid, role: 'owner' as const, alive: true }];
  return { device, target, packets: [], monitors: [], holders, unread: [], cut: false };
}

function allocation({ pid, device, program }: Member): LiveObjectState {
  return {
    kind: 'allocation',
    id: '1',
    device,
    pid,
    program,
    ownerAlive: true,
    bytes: 2 * MIB,
    ageMs: 20_000,
    born: 'MEMORY_ALLOC, call 3 of this file',
    holders: [{ holder: 'handle', pid, count: 1 }],
  };
}

/** The same daemon, as INSPECT_DAEMON and INSPECT_CLIENTS tell of it. */
export function crowdDaemon({ clients, status = 'operational' }: CrowdOptions): DaemonSnapshot {
  const { daemon, devices = [] } = crowd({ clients });
  return {
    schema: 'pedrera.daemon/1',
    pid: daemon.pid,
    socket: daemon.socket,
    policy: daemon.policy,
    build: daemon.build,
    protocolVersion: 1,
    uptimeMs: daemon.uptimeMs,
    residentBytes: 200 * MIB,
    objects: clients === 0 ? {} : { context: clients, 'dma-buf': clients },
    left: {},
    refused: {},
    collapsesRepeatedDma: false,
    armedFaults: 0,
    devices: devices.map(({ index, contexts, hbm, resets }) => ({
      index,
      status: status === 'operational' ? DEVICE_STATUS.OPERATIONAL : DEVICE_STATUS.IN_RESET,
      contexts,
      hbm,
      resets,
    })),
  };
}

export function crowdClients(clients: number): ClientsSnapshot {
  return { schema: 'pedrera.ps/1', clients: crowd({ clients }).clients };
}

function device(index: number, status: string, contexts: number): DeviceSection {
  return {
    index,
    name: `hl${index}`,
    card: 'HL205',
    status,
    lastReset: status === 'operational' ? null : { reason: 'event PCIE_DEC', ageMs: 40 },
    contexts,
    pciAddress: `0000:0${index + 1}:00.0`,
    serial: `SN${index}`,
    uuid: `00P1-SIM-${index}`,
    firmware: 'fw-1.2.3',
    hbm: { total: 32 * 1024 * MIB, used: contexts * 2 * MIB },
    sram: { size: 20 * MIB, leased: 0 },
    resets: { hard: 0, soft: 0 },
    temperatureC: 31,
    powerMw: 102_000,
    maxPowerMw: 350_000,
    clockMhz: 1575,
    maxClockMhz: 1575,
    utilizationPercent: contexts > 0 ? 42 : 0,
    ports: { total: 0, down: 0 },
    counters: {
      ...NO_COUNTERS,
      packets: contexts * 10,
      dmaBytes: contexts * MIB,
      interrupts: contexts,
      submissions: contexts * 2,
      completed: contexts,
    },
  };
}

function blockedQueue(pid: number, asid: number): QueueState {
  return {
    id: 0,
    name: 'DMA_0_0',
    kind: 'external',
    pi: 2,
    ci: 1,
    pending: 0,
    inFlight: 1,
    completed: 1,
    head: { opcode: 8, name: 'FENCE', text: 'FENCE 0 waits for 1, takes 1' },
    blockedOn: { fence: { id: 0, target: 1, value: 0 }, monitors: [], reason: 'fence 0 needs 1, has 0' },
    pid,
    asid,
    oldestMs: 2000,
    state: 'fence',
    seq: 2,
    arbitration: null,
  };
}

function submission(
  { pid, device, asid }: { pid: number; device: number; asid: number },
  seq: number,
  i: number,
): SubmissionState {
  return {
    device,
    asid,
    pid,
    seq,
    type: 'default',
    staged: false,
    state: 'running',
    jobs: [{ queue: 'DMA_0_0', state: 'running', bytes: 64 }],
    jobsLeft: 1,
    waiters: 1,
    ageMs: 2000 + i,
    timeoutLeftMs: 30_000,
    finishedMs: null,
    error: null,
    detail: null,
    fences: [],
  };
}

function doneSubmission(who: { pid: number; device: number; asid: number }): SubmissionState {
  return {
    ...submission(who, 1, 0),
    state: 'done',
    jobs: [{ queue: 'DMA_0_0', state: 'done', bytes: null }],
    jobsLeft: 0,
    waiters: 0,
    timeoutLeftMs: null,
    finishedMs: 1500,
  };
}

/** One dma-buf for each client, exported on its device. */
export function crowdBuffers(clients: number): BuffersSnapshot {
  const buffers = Array.from({ length: clients }, (_, i) => ({
    id: i + 1,
    kind: 'memory' as const,
    size: MIB,
    name: `frame-${i}`,
    exporter: {
      pid: FIRST_PID + i,
      device: i % DEVICES,
      asid: Math.floor(i / DEVICES) + 1,
      alive: true,
      driver: 'habanalabs',
    },
    importers: [],
    importerCount: 0,
    attachments: [],
    attachmentCount: 0,
    fences: [],
    references: [{ holder: 'descriptor' as const, pid: FIRST_PID + i, count: 1 }],
    refs: 1,
    ageMs: 500,
  }));
  const totals = { buffers: clients, attachments: 0, references: clients, pendingFences: 0, tokens: 0, devices: [] };
  return { schema: 'pedrera.bufs/1', buffers, next: null, totals };
}

/** Three entries: one done, one the stream stands in, one that waits. */
export const RING: RingSnapshot = {
  schema: 'pedrera.ring/1',
  device: 0,
  queue: 0,
  name: 'DMA_0_0',
  kind: 'external',
  asid: 1,
  pid: FIRST_PID,
  length: 4096,
  pi: 3,
  ci: 1,
  fetched: 2,
  entries: [
    { slot: 0, index: 0, state: 'done', seq: null, bytes: 64, address: 0x8_0000_0000, packets: [], unread: null },
    {
      slot: 1,
      index: 1,
      state: 'running',
      seq: 2,
      bytes: 64,
      address: 0x8_0000_1000,
      packets: [
        { offset: 0, name: 'MSG_LONG', text: 'MSG_LONG 0x1 -> SOB E_N 3', current: false },
        { offset: 16, name: 'FENCE', text: 'FENCE 0 waits for 1, takes 1', current: true },
      ],
      unread: null,
    },
    {
      slot: 2,
      index: 2,
      state: 'pending',
      seq: 3,
      bytes: 128,
      address: 0x8_0000_2000,
      packets: [],
      unread: 'it lies in device memory',
    },
  ],
  next: null,
};
