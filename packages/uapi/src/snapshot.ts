/**
 * The snapshot: everything INSPECT_SNAPSHOT shows, each section as it was at one and the same moment.
 *
 * Owns: the TypeScript form of its sections. A field may be added under the same schema name; a change of meaning takes a new number.
 * Must not know: where the numbers come from or how they are shown.
 */
import type {
  AwaitedMonitor,
  BufferHolder,
  BufferState,
  BuffersSnapshot,
  ClientState,
  QueuesOfDevice,
} from './inspect.js';

/** The sections that can be asked for, as bits of the request. The daemon's own section is always there. */
export const SNAPSHOT_SECTION = {
  DEVICES: 0x1,
  ENGINES: 0x2,
  CLIENTS: 0x4,
  QUEUES: 0x8,
  SUBMISSIONS: 0x10,
  CALLS: 0x20,
  BUFFERS: 0x40,
  MEMORY: 0x80,
  SYNC: 0x100,
  PRODUCERS: 0x200,
  MAPPINGS: 0x400,
  EVENTS: 0x800,
  OBJECTS: 0x1000,
} as const;

export interface Snapshot {
  schema: 'pedrera.snapshot/1';
  /** The daemon's CLOCK_MONOTONIC at which it was taken; ages count from here. */
  timeNs: number;
  daemon: DaemonSection;
  devices?: DeviceSection[];
  engines?: EngineSection[];
  clients?: ClientState[];
  queues?: QueuesOfDevice[];
  submissions?: SubmissionState[];
  calls?: CallState[];
  buffers?: BufferState[];
  /** Of the whole machine, whatever is asked for; beside `buffers`. */
  bufferTotals?: BuffersSnapshot['totals'];
  memory?: MemorySection;
  sync?: SyncSection[];
  producers?: ProducersOfObject[];
  /** Fences and sync objects that are waited for as well and were not asked about: a look has a bound. */
  producersLeft?: number;
  mappings?: AddressSpaceState[];
  events?: EventState[];
  objects?: LiveObjectState[];
}

export interface DaemonSection {
  pid: number;
  socket: string;
  policy: string;
  build: string;
  uptimeMs: number;
  devices: number;
  clients: number;
  /** Whether somebody records a trace. */
  tracing: boolean;
  /** Plans of faults that are armed. */
  armedFaults: number;
}

/** What hl-smi and `pedrera status` say of one device. */
export interface DeviceSection {
  index: number;
  name: string;
  /** What the firmware calls the board: `HL205`. */
  card?: string;
  /** Of DEVICE_STATUS, in words: `operational`, `in reset`. */
  status: string;
  /** Why it is not operational, or was reset last. */
  lastReset: { reason: string; ageMs: number } | null;
  contexts: number;
  pciAddress: string;
  serial: string;
  uuid: string;
  firmware: string;
  hbm: { total: number; used: number };
  sram: { size: number; leased: number };
  resets: { hard: number; soft: number };
  temperatureC: number;
  powerMw: number;
  maxPowerMw: number;
  clockMhz: number;
  maxClockMhz: number;
  utilizationPercent: number;
  ports: { total: number; down: number };
  /** Since power-on. */
  counters: {
    packets: number;
    dmaBytes: number;
    busReadBytes: number;
    busWrittenBytes: number;
    sobWrites: number;
    monitorsFired: number;
    faults: number;
    interrupts: number;
    submissions: number;
    completed: number;
    failed: number;
  };
  /**
   * How long submissions took that are over, from being put on their queues. counts[i]: at most 2^i us and more than the bucket before; the
   * last: all that took longer.
   */
  durations?: { counts: number[]; sumNs: number };
}

/** Times are sums since power-on, in ns of the device's clock; the difference of two snapshots is a rate. */
export interface EngineSection {
  device: number;
  name: string;
  busy: boolean;
  hung: boolean;
  times: EngineTimes;
  /** By context, only those that have used it. */
  contexts: { asid: number; pid: number; times: EngineTimes }[];
}

export interface EngineTimes {
  busyNs: number;
  /** At a fence. */
  waitSyncNs: number;
  /** For memory: a move under way that is not being made, a full FIFO on the other side. */
  waitMemoryNs: number;
}

export interface SubmissionState {
  device: number;
  asid: number;
  pid: number;
  seq: number;
  type: 'default' | 'signal' | 'wait' | 'collective wait';
  staged: boolean;
  /** 'held': it waits for fences before its queues. */
  state: 'held' | 'queued' | 'running' | 'done' | 'failed';
  /**
   * Of one that is over, the queues it had jobs on; what is forgotten then is null. 'dropped': it was given up before all of them were
   * done.
   */
  jobs: { queue: string; state: 'queued' | 'running' | 'done' | 'dropped'; bytes: number | null }[];
  /** Its jobs on external queues that are not done, or were not when it ended, and calls that wait for it. */
  jobsLeft: number;
  waiters: number;
  /** Since it was submitted. */
  ageMs: number;
  /**
   * Until its time-out strikes; null without one, or when it is over. Only the time of a context's oldest submission runs: of the others it
   * is all they have.
   */
  timeoutLeftMs: number | null;
  /** Since it ended; null while it runs. */
  finishedMs: number | null;
  error: string | null;
  detail: string | null;
  /** Of one that is held: the fences that are not signalled yet. */
  fences: WaitedFence[];
  /**
   * Of one that is held: the newest of the held submissions before it that it has to stay behind, because they have a queue in common or
   * are parts of one staged submission. Null when there is none.
   */
  heldBehind?: number | null;
}

export interface WaitedFence {
  name: string;
  /** Whose submission it stands for, if it stands for one. */
  producer: SubmissionName | null;
  /** The dma-buf it was found on, if it was. */
  buffer: number | null;
}

export interface SubmissionName {
  device: number;
  asid: number;
  pid: number;
  seq: number;
}

/** A call whose answer is still to come. */
export interface CallState {
  client: number;
  pid: number;
  program: string;
  node: string;
  call: string;
  ageMs: number;
  timeoutLeftMs: number | null;
  on: CallTarget | null;
}

/** What a call waits for. */
export type CallTarget =
  | { kind: 'submissions'; any: boolean; submissions: SubmissionName[] }
  | { kind: 'interrupt'; device: number; interrupt: number }
  | { kind: 'fences'; fences: WaitedFence[] }
  | { kind: 'device'; device: number; status: string }
  | { kind: 'memory'; device: number; what: string };

/** Who has how much of which memory. Under `exclusive` device memory is only counted, not allocated. */
export interface MemorySection {
  devices: {
    device: number;
    hbm: { total: number; used: number; allocatedBytes: number; allocations: number };
    sram: { size: number; leased: number };
    commandBufferBytes: number;
    busSlots: { total: number; used: number };
  }[];
  owners: {
    pid: number;
    program: string;
    device: number | null;
    asid: number | null;
    /** False when the file is closed and others keep its memory. */
    alive: boolean;
    hbmBytes: number;
    hbmAllocations: number;
    exportedBytes: number;
    sramBytes: number;
    hostBytes: number;
    commandBufferBytes: number;
    mappedBytes: number;
  }[];
}

/** Sync objects that are not zero, and armed monitors, of one device. */
export interface SyncSection {
  device: number;
  objects: { dcore: string; sob: number; value: number; asid: number; pid: number | null }[];
  monitors: (AwaitedMonitor & {
    asid: number;
    pid: number | null;
    payload: { address: number; data: number; meaning: PayloadMeaning };
  })[];
  leases: {
    dcore: string;
    asid: number;
    pid: number;
    firstSob: number;
    sobs: number;
    firstMonitor: number;
    monitors: number;
  }[];
}

/** What a monitor writes to when it fires. */
export type PayloadMeaning =
  | { kind: 'fence'; asid: number; queue: string; fence: number }
  | { kind: 'sob'; device: number; dcore: string; sob: number }
  | { kind: 'monitor'; device: number; dcore: string; monitor: number }
  | { kind: 'other' };

/** Who could still raise a sync object, or release a fence, that a stream waits for. */
export interface ProducersOfObject {
  device: number;
  target: { kind: 'sob'; dcore: string; sob: number } | { kind: 'fence'; asid: number; queue: string; fence: number };
  /** Packets that are queued and not executed yet. `ahead`: jobs of the same stream that come before. */
  packets: (SubmissionName & {
    queue: string;
    ahead: number;
    text: string;
    /** What it adds; null when it writes something else, or that is not known. */
    adds?: number | null;
    /** What it makes of it, whatever it was; null when it does not, or that is not known. */
    sets?: number | null;
  })[];
  /** Armed monitors whose payload writes to it. */
  monitors: {
    dcore: string;
    monitor: number;
    asid: number;
    /** Where the monitor is; not always where the object is. */
    device?: number;
  }[];
  /** Who has the right to write to it: the owner of the lease, and importers of the objects. */
  holders: {
    pid: number;
    program: string;
    device: number;
    asid: number;
    role: 'owner' | 'importer';
    alive: boolean;
    /** Since when it is gone; null while it is alive, or when that is not known any more. */
    endedMs?: number | null;
  }[];
  /** Queues whose packets could not be read, because they lie in device memory. */
  unread: (SubmissionName & { queue: string })[];
  /** The search ended before it was through: there may be more producers. */
  cut: boolean;
}

export interface AddressSpaceState {
  device: number;
  asid: number;
  pid: number;
  program: string;
  ranges: { name: string; start: number; end: number; usedBytes: number }[];
  mappings: {
    va: number;
    size: number;
    kind: 'host' | 'hbm' | 'user memory' | 'dma-buf';
    writable: boolean;
    what: string;
  }[];
  mappedBytes: number;
  /** The walk of the address that was asked for. */
  walk: { va: number; outcome: 'mapped' | 'unmapped'; target: string | null; mapping: number | null } | null;
  lastFault: { address: number; text: string; ageMs: number } | null;
}

/** Something that happened to a device or a client, worth telling. The last thousand are kept. */
export interface EventState {
  /** Counts all events of the daemon; what is missing was more than it keeps. */
  number: number;
  ageMs: number;
  timeNs: number;
  device: number | null;
  kind: 'fault' | 'event' | 'reset' | 'time-out' | 'context ended' | 'client' | 'inject' | 'device';
  severity: 'info' | 'warning' | 'error';
  pid: number | null;
  asid: number | null;
  queue: string | null;
  seq: number | null;
  text: string;
}

/** A kernel object that is alive, with what it takes to know why. */
export interface LiveObjectState {
  kind:
    | 'file'
    | 'context'
    | 'command buffer'
    | 'timestamp buffer'
    | 'host buffer'
    | 'allocation'
    | 'dma-buf'
    | 'sync file'
    | 'mapping'
    | 'submission'
    | 'signals';
  /** Its handle, number or address. */
  id: string;
  device: number | null;
  pid: number;
  program: string;
  /** Its owner's file is open. */
  ownerAlive: boolean;
  bytes: number;
  ageMs: number;
  /** The call that made it: `MEMORY_ALLOC, call 12 of this file`; null when that is not known. */
  born: string | null;
  /** What keeps it. */
  holders: ObjectHolder[];
}

export interface ObjectHolder {
  holder:
    | BufferHolder['holder']
    /** The process that has the file open. */
    | 'process'
    | 'file'
    | 'context'
    /** Its number in the file's table. */
    | 'handle'
    | 'device mapping'
    | 'dma-buf'
    | 'command buffer'
    | 'submission'
    | 'job'
    | 'call'
    /** Whatever else: calls under way, mappings of the device. */
    | 'use';
  /** 0: nobody in particular. */
  pid: number;
  count: number;
}
