/**
 * Descriptors of dma-bufs and sync files in a replay: the daemon gives out the lowest free number, and where some calls cannot be made
 * again that is not the recorded one.
 *
 * Owns: which number stands for which, client by client. Must not know how calls are made.
 */
import type { CallRecord } from '@pedrera/uapi';

const FIELDS = ['fd', 'syncFile'] as const;

/** The number of a descriptor that does not exist here, because the call that made it was not made. */
const MISSING = -1;

export class Descriptors {
  /** Client -> recorded number -> number here. */
  readonly #clients = new Map<number, Map<number, number>>();

  /** The arguments with this run's numbers; undefined when a descriptor is meant that does not exist here. */
  translated(
    { client }: Pick<CallRecord, 'client'>,
    req: Record<string, unknown>,
  ): Record<string, unknown> | undefined {
    const known = this.#clients.get(client);
    const out = { ...req };
    for (const field of FIELDS) {
      const recorded = req[field];
      if (typeof recorded !== 'number') continue;
      const here = known?.get(recorded);
      if (here === MISSING) return undefined;
      // One that never was is no other here: that may be the point of the call.
      out[field] = here ?? recorded;
    }
    return out;
  }

  /** `res` is what the call answered here; undefined or null when it was not made, or failed. */
  answered({ client, call, req, res }: CallRecord, here: Record<string, unknown> | null | undefined): void {
    const known = this.#clients.get(client) ?? new Map<number, number>();
    this.#clients.set(client, known);
    if (call.endsWith('_CLOSE') && typeof req?.fd === 'number') known.delete(req.fd);
    if (typeof res?.fd === 'number') known.set(res.fd, typeof here?.fd === 'number' ? here.fd : MISSING);
  }
}
