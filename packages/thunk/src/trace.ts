/**
 * A recording of what goes on in the daemon, as it comes.
 *
 * Owns: one recording of this connection: its batches of records, how many were lost, its end.
 * Must not know: what becomes of records; files and lines of text are the command's business.
 */
import { type CallRecord, TRACE_KIND, TraceReader, type TraceRecord } from '@pedrera/uapi';
import { decodeMessage } from '@pedrera/wire';
import type { IoctlClient } from './ioctl-client.js';

export interface TraceOptions {
  /** Bits of TRACE_KIND; calls, submissions and events when left out. */
  readonly kinds?: number;
  /** One process only; all when left out. */
  readonly pid?: number;
  /** Memory in the daemon for records that were not read yet. */
  readonly bytes?: number;
}

export interface ReadOptions {
  /** Answer once there are so many bytes of records. */
  readonly least?: number;
  /** Answer after this time with what there is. */
  readonly waitMs?: number;
}

export interface TraceBatch {
  /** Whole records, as the daemon spelled them. */
  readonly bytes: Uint8Array;
  /** Records lost since the recording began. */
  readonly lost: number;
  /** The recording has ended, and this was all. */
  readonly ended: boolean;
}

const DEFAULT_KINDS = TRACE_KIND.CALLS | TRACE_KIND.SUBMISSIONS | TRACE_KIND.EVENTS;
const DEFAULT_BYTES = 32 * 1024 * 1024;
const DEFAULT_WAIT_MS = 1000;

export class Recording {
  readonly id: number;
  /** CLOCK_MONOTONIC, ns, when it began. */
  readonly startedNs: number;
  readonly #client: IoctlClient;
  readonly #reader = newTraceReader();

  constructor(client: IoctlClient, id: number, startedNs: number) {
    this.#client = client;
    this.id = id;
    this.startedNs = startedNs;
  }

  /** The next bytes, to be kept as they are. */
  async read({ least = 1, waitMs = DEFAULT_WAIT_MS }: ReadOptions = {}): Promise<TraceBatch> {
    return this.#client.call('TRACE_READ', { id: this.id, least, waitMs });
  }

  /** What a batch tells. Batches in their order, each once. */
  decode({ bytes }: TraceBatch): TraceRecord[] {
    return this.#reader.read(bytes);
  }

  /** Calls that have not been answered yet. */
  unanswered(): CallRecord[] {
    return this.#reader.unanswered();
  }

  /** Nothing more is recorded; what there is can still be read. Harmless when it has ended. */
  async stop(): Promise<void> {
    await this.#client.call('TRACE_STOP', { id: this.id }).catch(() => {});
  }
}

/** Errors: ENOSPC when too many recordings are under way. */
export async function startRecording(client: IoctlClient, options: TraceOptions): Promise<Recording> {
  const { kinds = DEFAULT_KINDS, pid = 0, bytes = DEFAULT_BYTES } = options;
  const { id, timeNs } = await client.call('TRACE_START', { kinds, pid, bytes });
  return new Recording(client, id, timeNs);
}

/** Reads records of a file. */
export function newTraceReader(): TraceReader {
  return new TraceReader((body) => decodeMessage(Buffer.from(body.buffer, body.byteOffset, body.byteLength)));
}
