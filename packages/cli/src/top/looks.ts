/** The looks of `pedrera top`: each snapshot compared with the one before. Must not know how they are shown. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Snapshot } from '@pedrera/uapi';
import type { Context } from '../command.js';
import { lookOrGone } from '../inspect/run.js';
import type { DaemonSession } from '../session.js';
import { ratesBetween, TOP_SECTIONS, type TopDocument } from './rates.js';

/** The first look has nothing before it: a short period shows something soon. */
const FIRST_MS = 200;

export class Looks {
  readonly #context: Context;
  readonly #session: DaemonSession;
  #last: Snapshot | undefined;

  constructor(context: Context, session: DaemonSession) {
    this.#context = context;
    this.#session = session;
  }

  /** Takes the look that the first document counts from. */
  async begin(intervalMs: number, signal: AbortSignal): Promise<void> {
    this.#last = await this.#look();
    await delay(Math.min(intervalMs, FIRST_MS), undefined, { signal }).catch(() => {});
  }

  async next(): Promise<TopDocument> {
    const now = await this.#look();
    const document = ratesBetween(this.#last ?? now, now);
    this.#last = now;
    return document;
  }

  #look(): Promise<Snapshot> {
    return lookOrGone(this.#context, () => this.#session.inspect({ sections: TOP_SECTIONS }));
  }
}
