/**
 * What the demo's conductor asks its client processes to do, one interface a role. Everything crosses a process border as JSON.
 * Times are milliseconds of the monotonic clock, which all processes of a machine share.
 */
import type { Plan } from './plan.js';

export type RoleName = 'loader' | 'relay' | 'reader';

/** Each name stands for a call with these parameters and this result. */
export type CallTable = Readonly<Record<string, { readonly params: unknown; readonly result: unknown }>>;

interface DeviceParams {
  readonly socketPath: string;
  readonly device: number;
  readonly plan: Plan;
}

export type LoaderCalls = {
  /** Opens the device, allocates its memory there and exports it. */
  prepare: { params: DeviceParams & { readonly file: string }; result: { readonly memoryToken: string } };
  /** Imports the sync object to count in. */
  connect: { params: { readonly syncToken: string }; result: { readonly signalAddress: number } };
  upload: { params: null; result: UploadReport };
  close: { params: null; result: null };
};

export type RelayCalls = {
  /** Opens the device, allocates memory and leases a sync object and a monitor, and exports memory and sync object. */
  prepare: { params: DeviceParams; result: { readonly memoryToken: string; readonly syncToken: string } };
  /** Imports the source, and hands in all the work. `nextSyncToken`: of whoever comes behind this relay. */
  submit: {
    params: { readonly sourceToken: string; readonly nextSyncToken: string };
    result: HandedIn;
  };
  /** Returns when all of it is done. */
  finish: { params: null; result: RelayReport };
  close: { params: null; result: null };
};

export type ReaderCalls = {
  /** Opens the device, leases a sync object and a monitor, and exports the sync object. */
  prepare: { params: DeviceParams; result: { readonly syncToken: string } };
  /** Imports the source, and hands in as many reads as there are staging buffers. */
  submit: { params: { readonly sourceToken: string }; result: HandedIn };
  /** Hashes what has arrived, hands in the rest of the reads, and returns when all of it is hashed. */
  finish: { params: null; result: ReadReport };
  close: { params: null; result: null };
};

/** Work that waits in a stream until something is counted. */
export interface HandedIn {
  readonly queue: string;
  readonly lease: SyncLease;
}

export interface SyncLease {
  readonly dcore: number;
  readonly syncObject: number;
}

export interface UploadReport {
  readonly startMs: number;
  readonly endMs: number;
  /** When the chunk had arrived, by chunk. */
  readonly doneMs: readonly number[];
}

export interface RelayReport {
  /** When the submission was complete, by submission. */
  readonly doneMs: readonly number[];
}

export interface ReadReport {
  /** When the chunk was in host memory, by chunk. */
  readonly doneMs: readonly number[];
  /** When the last one was hashed. */
  readonly endMs: number;
  readonly sha256: string;
}

/** Over the channel: a call, and what comes back for it. */
export interface CallMessage {
  readonly id: number;
  readonly name: string;
  readonly params: unknown;
}

export interface ReplyMessage {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: { readonly code: string; readonly message: string };
}
