/**
 * What the page and its server say to each other over the WebSocket, as JSON.
 *
 * Owns: the messages. Must not know: where the numbers come from, how they are shown.
 */
import type { BufferFence, DaemonSection, EventState } from '@pedrera/uapi';

/** One look at the daemon, as far as this browser shows it. */
export interface LiveMessage {
  type: 'live';
  schema: 'pedrera.web/1';
  /** Whatever was shown before is of another daemon, or of none: timelines and events begin anew. */
  fresh: boolean;
  /** Until the next look. Grows with what a look costs. */
  intervalMs: number;
  daemon: DaemonSection;
  devices: LiveDevice[];
  engines: LiveEngine[];
  /** Oldest first; what the browser does not have yet. */
  samples: EngineSample[];
  queues: Rows<LiveQueue> & { blocked: number };
  clients: Rows<LiveClient>;
  memory: LiveMemory[];
  buffers: Rows<LiveBuffer>;
  /** Oldest first; what the browser does not have yet. */
  events: EventState[];
}

/** A part of a longer list. */
export interface Rows<Row> {
  rows: Row[];
  from: number;
  total: number;
}

export interface LiveDevice {
  index: number;
  name: string;
  status: string;
  lastReset: { reason: string; ageMs: number } | null;
  contexts: number;
  hbm: { total: number; used: number };
  temperatureC: number;
  powerMw: number;
  maxPowerMw: number;
  utilizationPercent: number;
  resets: number;
  submissionsPerS: number;
  packetsPerS: number;
  dmaBytesPerS: number;
  faults: number;
  failed: number;
  blockedStreams: number;
}

/** One that has been used. */
export interface LiveEngine {
  device: number;
  name: string;
  hung: boolean;
}

/** What engines did for a while, in percent of it: [busy, waiting on sync, waiting on memory]. Those that did nothing are left out. */
export interface EngineSample {
  /** Of the daemon's clock, at its end. */
  timeNs: number;
  periodMs: number;
  shares: Record<EngineKey, [number, number, number]>;
}

export type EngineKey = `${number} ${string}`;

/** A stream of a context, or a submission that is held back before its queues. */
export interface LiveQueue {
  device: number;
  name: string;
  pid: number | null;
  program: string;
  asid: number | null;
  seq: number | null;
  state: string;
  /** What it waits for, if it does. */
  blocked: string | null;
  /** The packet it stands at. */
  head: string | null;
  waiting: number;
  completed: number;
  oldestMs: number | null;
}

export interface LiveClient {
  pid: number;
  program: string;
  node: string;
  asid: number | null;
  hbmBytes: number;
  /** Of all device memory of its device. */
  hbmPercent: number;
  hostBytes: number;
  busy: number;
  waitSync: number;
  waitMemory: number;
  submissionsPerS: number;
  inFlight: number;
  blockedStreams: number;
  faults: number;
}

/** Device memory of one device by owner. */
export interface LiveMemory {
  device: number;
  total: number;
  used: number;
  owners: { pid: number; program: string; alive: boolean; bytes: number }[];
  /** Of owners that are not listed. */
  otherBytes: number;
  others: number;
}

export interface LiveBuffer {
  id: number;
  name: string;
  kind: string;
  size: number;
  exporter: { pid: number; program: string; device: number; alive: boolean };
  /** Everybody else who has to do with it; the first few. */
  users: { pid: number; program: string; device: number | null; how: 'mapped' | 'attached' | 'holds' }[];
  moreUsers: number;
  fences: { state: BufferFence['state']; count: number }[];
}

/** There is no daemon at the moment. */
export interface GoneMessage {
  type: 'gone';
  reason: string;
}

export interface WhyMessage {
  type: 'why';
  /** Of the request. */
  id: number;
  /** As the command prints it on a terminal, with its escapes for colours. */
  text: string;
}

export type ServerMessage = LiveMessage | GoneMessage | WhyMessage;

export const CLIENT_SORTS = ['engine', 'memory', 'submissions', 'pid'] as const;
export type ClientSort = (typeof CLIENT_SORTS)[number];

/** What of everything a browser shows. */
export interface ViewRequest {
  type: 'view';
  device: number | null;
  /** Part of a pid, program or queue. */
  filter: string;
  queuesFrom: number;
  clientsFrom: number;
  clientSort: ClientSort;
  buffersFrom: number;
}

/** Before somebody chooses. */
export const FIRST_VIEW: ViewRequest = {
  type: 'view',
  device: null,
  filter: '',
  queuesFrom: 0,
  clientsFrom: 0,
  clientSort: 'engine',
  buffersFrom: 0,
};

/** Why the stream does not move. */
export interface WhyRequest {
  type: 'why';
  id: number;
  pid: number;
  /** Its submission, if it is known. */
  submission: { device: number; asid: number; seq: number } | null;
  /** The width of the place where the answer is shown. */
  columns: number;
}

export type PageRequest = ViewRequest | WhyRequest;
