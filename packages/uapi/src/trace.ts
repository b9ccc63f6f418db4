/**
 * What a trace consists of: one record for each thing some layer did.
 *
 * Owns: the decoded form of records, and the kinds a recording can be limited to. Must not know how records are stored, sent or shown.
 * Times are ns of CLOCK_MONOTONIC. A record tells something that began at `timeNs` and took `durationNs`, or happened in a moment.
 */

/** Bits of TRACE_START's `kinds`. Clients that come and go are told whatever the kinds. */
export const TRACE_KIND = {
  /** Calls with arguments, results and times. */
  CALLS: 0x1,
  /** Submissions: handed in, put on a queue, finished; who was woken. */
  SUBMISSIONS: 0x2,
  /** What engines did: jobs, fence waits, moves. */
  ENGINES: 0x4,
  /** Sync objects written, monitors armed and fired. */
  SYNC: 0x8,
  /** Faults, events, resets, clients coming and going. */
  EVENTS: 0x10,
  /** With each submission the memory it may read, so that the recording can be replayed. */
  CONTENTS: 0x20,
} as const;

interface RecordBase {
  /** In the order in which the kernel came to know them; unique in a recording. */
  number: number;
  timeNs: number;
}

/** A connection, when it is first heard of, and again when more is known of it. Later records name it by its number. */
export interface ClientRecord extends RecordBase {
  kind: 'client';
  client: number;
  pid: number;
  program: string;
  /** Empty until a node is open; then device and address space are known too. */
  node: string;
  device: number | null;
  asid: number | null;
  /** Processes that started it: its parent, the parent's parent, as they were when it said hello. */
  parents: number[];
  /** It was connected before the recording began. */
  before: boolean;
}

/** A connection is gone. */
export interface ClientEndRecord extends RecordBase {
  kind: 'client end';
  client: number;
  pid: number;
}

/**
 * One call. Number and time are those of its request. `res` and `errno` are both null of a call that was never answered: the recording or
 * the client ended first.
 */
export interface CallRecord extends RecordBase {
  kind: 'call';
  client: number;
  /** When the answer came, counted like `number`; null of a call that was never answered. */
  answered: number | null;
  pid: number;
  program: string;
  node: string;
  call: string;
  /** As the table decodes it; plain values, u64 as bigint. Null when it cannot be decoded: the call is unknown, or its bytes were too many. */
  req: Record<string, unknown> | null;
  /** Null too when the bytes of a success were too many to be recorded. */
  res: Record<string, unknown> | null;
  errno: string | null;
  detail: string | null;
  durationNs: number;
}

export interface SubmitRecord extends RecordBase {
  kind: 'submit' | 'finish';
  device: number;
  asid: number;
  pid: number;
  seq: number;
  /** Of 'submit': queues of its jobs, in their order. */
  queues: number[];
  /** Ring slots of the jobs, one for each queue of `queues`. */
  slots: number[];
  /** Of 'finish'. */
  error: string | null;
}

/** A call that waited was answered: `client` was woken by the end of `seq`. */
export interface WakeRecord extends RecordBase {
  kind: 'wake';
  client: number;
  pid: number;
  device: number;
  asid: number;
  seq: number;
}

/** A stretch of a stream's time. */
export interface EngineRecord extends RecordBase {
  kind: 'job' | 'fence wait' | 'move' | 'grant wait' | 'barrier wait' | 'computation';
  device: number;
  asid: number;
  /** -1 when no queue did it. */
  queue: number;
  durationNs: number;
  /** Ring slot of a job, the fence's number, the bytes moved. */
  value: number;
  /** Of a move or a computation: the engine, as an index in the list of engines. */
  engine: number | null;
  /** Where a move goes to, or a job's command buffer lies. */
  address: number;
  /** Of a job's command buffer, or moved. */
  bytes: number;
  /** Done by the engine's lower command processor on behalf of the queue. */
  lower: boolean;
  /** 'cut': the context was taken away before it was done; 'open': it went on when the recording ended. */
  end: 'done' | 'cut' | 'open';
  /** The submission the job is of; null when it is not known (a lower command processor, another context's move). */
  seq: number | null;
}

export interface SyncRecord extends RecordBase {
  kind: 'sob' | 'arm' | 'fire';
  device: number;
  asid: number;
  /** Whose packet did it; -1 for the host, another device, a monitor. */
  queue: number;
  dcore: number;
  /** Sync object or monitor, within its dcore. */
  index: number;
  /** The object's new value; what an armed monitor waits for; what a fired one wrote. */
  value: number;
  /** Where the monitor's payload goes; 0 for 'sob'. */
  address: number;
}

export interface EventRecord extends RecordBase {
  kind: 'event';
  device: number | null;
  pid: number | null;
  asid: number | null;
  text: string;
}

/** Bytes of a client's memory as they were when it handed in work. */
export interface ContentsRecord extends RecordBase {
  kind: 'contents';
  client: number;
  /** Handle of the command buffer or host buffer. */
  handle: bigint;
  offset: number;
  bytes: Uint8Array;
}

/** What a client's memory held when the client or the recording ended. */
export interface DigestRecord extends RecordBase {
  kind: 'digest';
  client: number;
  of: 'host buffer' | 'device memory';
  /** Of a host buffer its handle, of device memory its handle or address. */
  handle: bigint;
  bytes: number;
  /** SHA-256, in hex. */
  digest: string;
}

/** Records that were not kept because the reader was too slow. */
export interface LostRecord extends RecordBase {
  kind: 'lost';
  count: number;
}

export type TraceRecord =
  | ClientRecord
  | ClientEndRecord
  | CallRecord
  | SubmitRecord
  | WakeRecord
  | EngineRecord
  | SyncRecord
  | EventRecord
  | ContentsRecord
  | DigestRecord
  | LostRecord;
