/** What the exporter tells the daemon process that started it. */
import type { Failure } from '../exit.js';

export type ExporterMessage =
  | { readonly type: 'serving'; readonly url: string }
  | { readonly type: 'failed'; readonly failure: Failure };

export function isExporterMessage(message: unknown): message is ExporterMessage {
  return typeof message === 'object' && message !== null && 'type' in message;
}

/** Nothing when nobody started it that way. */
export function tellParent(message: ExporterMessage): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}
