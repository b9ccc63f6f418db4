/** What the roles that touch host memory have in common. */
import type { WaitResult } from '@pedrera/thunk';

/** One for the device, one for us. */
export const STAGING_BUFFERS = 2;

/** Milliseconds of CLOCK_MONOTONIC, as the daemon's completion times are. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** When a submission that asked for a timestamp was complete. */
export function completionMs({ timestampNs }: WaitResult): number {
  return timestampNs === undefined ? nowMs() : Number(timestampNs) / 1e6;
}
