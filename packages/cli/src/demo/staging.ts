/** What the roles that hand in work have in common. */
import type { WaitResult } from '@pedrera/thunk';

/** One for the device, one for us. */
export const STAGING_BUFFERS = 2;

/** Work waits for a file of any size to be read; the default is for work that only waits for a device. */
export const TIMEOUT_SEC = 6 * 3600;

/** Milliseconds of CLOCK_MONOTONIC, as the daemon's completion times are. */
export function nowMs(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** When a submission that asked for a timestamp was complete. */
export function completionMs({ timestampNs }: WaitResult): number {
  return timestampNs === undefined ? nowMs() : Number(timestampNs) / 1e6;
}
