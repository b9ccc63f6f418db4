/** What a daemon tells the process that started it, over the channel between a Node parent and its child. */
import type { Failure } from '../exit.js';

export type DaemonMessage =
  | { readonly type: 'ready'; readonly pid: number; readonly socketPath: string }
  | { readonly type: 'failed'; readonly failure: Failure };

/** Set for a daemon that must not outlive the process that started it. */
export const EXIT_WITH_PARENT = 'PEDRERA_EXIT_WITH_PARENT';
/** Number of a descriptor to write "ready" to. */
export const READY_DESCRIPTOR = 'PEDRERA_READY_FD';

export function isDaemonMessage(message: unknown): message is DaemonMessage {
  return typeof message === 'object' && message !== null && 'type' in message;
}
