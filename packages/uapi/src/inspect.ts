/**
 * The inspection documents: what the debug CLI and tests see of a running daemon.
 *
 * Owns: their TypeScript form and schema names. A field may be added under the same name; a change of meaning takes a new number.
 * Must not know: where the numbers come from or how they are shown.
 */

export interface QueuesSnapshot {
  schema: 'pedrera.queues/1';
  devices: QueuesOfDevice[];
}

export interface QueuesOfDevice {
  index: number;
  queues: QueueState[];
}

/** One stream of one context. */
export interface QueueState {
  id: number;
  name: string;
  kind: 'external' | 'cpu' | 'internal';
  /** Producer and consumer index; they run to twice the length of the queue. */
  pi: number;
  ci: number;
  /** Entries queued and not yet begun. */
  pending: number;
  /** Entries begun and not yet completed. */
  inFlight: number;
  completed: number;
  /** The packet the stream stands at; null when it has none. */
  head: { opcode: number; name: string; text: string } | null;
  blockedOn: Blockage | null;
  pid: number | null;
  asid: number | null;
  /** Age of the oldest unfinished submission. */
  oldestMs: number | null;
  /** What the stream does: idle, running, fence, dma, stalled, stopped, hung, arbitration, barrier. */
  state?: string;
  /** The submission of the oldest unfinished job. */
  seq?: number | null;
  /** How it stands with the arbiter of its queue manager; null while that is off. */
  arbitration?: QueueArbitration | null;
  /** Entries of its ring. */
  length?: number;
  /** Jobs that are held back before the queue until fences signal, or behind such ones. */
  held?: number;
}

export interface QueueArbitration {
  mode: 'priority' | 'weighted';
  /** It has asked for the grant and not got it. */
  waiting: boolean;
  /** The queue that has the lock. */
  holder: string | null;
  /** Nobody has the lock, and the arbiter's quiet time after the last release is not over. */
  quiet: boolean;
  priority: number;
  weight: number;
}

/** Why a stream does not move: its fence, the monitors that could release it, and what those wait for. */
export interface Blockage {
  fence: { id: number; target: number; value: number };
  monitors: AwaitedMonitor[];
  /** The same in one sentence. */
  reason: string;
}

export interface AwaitedMonitor {
  dcore: string;
  monitor: number;
  mode: '>=' | '==';
  awaited: number;
  objects: { sob: number; value: number; awaited: number; address: number }[];
}

export interface ClientsSnapshot {
  schema: 'pedrera.ps/1';
  clients: ClientState[];
}

/** One open file. */
export interface ClientState {
  /** Number of the connection, as in CallState. */
  client: number;
  pid: number;
  program: string;
  node: string;
  /** Null on the node of a network card. */
  device: number | null;
  /** Null where there is no context: on a control node, and on that of a network card. */
  asid: number | null;
  memory: { hbmBytes: number; hostBytes: number; mappedBytes: number };
  handles: { commandBuffers: number; hostBuffers: number; dmaBufs: number };
  /** Submissions; on a network card, transfers. */
  inFlight: number;
  submitted: number;
  faults: number;
  /** Calls made on this open file since it was opened, HELLO and OPEN included. */
  requests: number;
  connectedMs: number;
}

export interface BuffersSnapshot {
  schema: 'pedrera.bufs/1';
  /** In the order of their ids. */
  buffers: BufferState[];
  /** What did not fit begins with this id; null when all are there. */
  next: number | null;
  totals: {
    buffers: number;
    attachments: number;
    /** On all dma-bufs together. */
    references: number;
    pendingFences: number;
    /** Names by which buffers and sync files can be had. */
    tokens: number;
    devices: DeviceBufferTotals[];
  };
}

/** One dma-buf. */
export interface BufferState {
  id: number;
  kind: 'memory' | 'sync-objects' | 'host';
  size: number;
  /** What DMABUF_SET_NAME gave it. */
  name: string;
  /** alive is false once the exporting file is closed; the buffer lives on while anyone holds it. */
  exporter: { pid: number; device: number; asid: number; alive: boolean; driver: string };
  /** Where contexts have it mapped; the first thousand. */
  importers: { pid: number; device: number; asid: number; address: number }[];
  importerCount: number;
  /** Who is attached, mapped or not; the first thousand. A null device is one that is none of the machine's. */
  attachments: {
    pid: number;
    importer: string;
    device: number | null;
    dynamic: boolean;
    peer2peer: boolean;
    mapped: number;
  }[];
  attachmentCount: number;
  fences: BufferFence[];
  /** Who keeps it alive; the counts add up to refs. */
  references: BufferHolder[];
  refs: number;
  ageMs: number;
}

/** A fence of a buffer's reservation. */
export interface BufferFence {
  name: string;
  usage: 'kernel' | 'write' | 'read' | 'bookkeep';
  state: 'pending' | 'signalled' | 'failed';
  /** The errno's name, of one that failed. */
  error: string | null;
}

export interface BufferHolder {
  holder: 'descriptor' | 'handed-out' | 'attachment' | 'mapping' | 'poll';
  /** 0: nobody in particular. */
  pid: number;
  count: number;
}

/** Device memory under the shared policy, as the allocator has it and as the books of allocations have it. */
export interface DeviceBufferTotals {
  device: number;
  /** The allocator's own total; equal to allocatedBytes. */
  usedBytes: number;
  allocations: number;
  allocatedBytes: number;
  /** Allocations behind at least one dma-buf. */
  exportedBytes: number;
  /** What the allocations count; equal to buffers. */
  exports: number;
  /** Dma-bufs of this device's memory. */
  buffers: number;
}

export interface DaemonSnapshot {
  schema: 'pedrera.daemon/1';
  pid: number;
  socket: string;
  policy: string;
  build: string;
  protocolVersion: number;
  uptimeMs: number;
  residentBytes: number;
  /** Live kernel objects by kind. */
  objects: Record<string, number>;
  /** Objects that files still held when they were closed, since the daemon began, by kind: taken by the release, not cleaned up. */
  left: Record<string, number>;
  /** Calls that only ever fail (level 'refused') and that clients made, by name, with how often. */
  refused: Record<string, number>;
  /** Of identical moves in a row the devices make only the last one: less work than programs asked for. */
  collapsesRepeatedDma: boolean;
  /** Rules of failure that wait for their moment. */
  armedFaults: number;
  devices: DeviceState[];
}

export interface DeviceState {
  index: number;
  /** One of DEVICE_STATUS. */
  status: number;
  contexts: number;
  hbm: { total: number; used: number };
  resets: { hard: number; soft: number };
}

/** The ring of one queue of one context, with the packets of the command buffers in it. */
export interface RingSnapshot {
  schema: 'pedrera.ring/1';
  device: number;
  queue: number;
  name: string;
  kind: 'external' | 'internal';
  asid: number;
  pid: number;
  /** Entries of the ring. */
  length: number;
  /** Producer and consumer index, and the next entry the device fetches; they run to twice the length. */
  pi: number;
  ci: number;
  fetched: number;
  entries: RingEntry[];
  /** The first slot of the range that did not fit; null when all are there. */
  next: number | null;
}

/** A descriptor, and the command buffer it points to. */
export interface RingEntry {
  slot: number;
  /** As the producer index counted when it was written; null for one that is not known any more. */
  index: number | null;
  /** 'empty': nothing was ever written there. */
  state: 'done' | 'running' | 'pending' | 'empty';
  /** The submission it belongs to; null once that is over. */
  seq: number | null;
  bytes: number;
  address: number;
  packets: RingPacket[];
  /** Why packets are missing, in words; null when all are there. */
  unread: string | null;
}

export interface RingPacket {
  /** In bytes from the start of the command buffer. */
  offset: number;
  name: string;
  text: string;
  /** The stream stands at it. */
  current: boolean;
}
