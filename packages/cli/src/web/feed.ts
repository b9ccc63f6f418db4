/**
 * The looks at the daemon that all browsers share.
 *
 * Owns: when a look is taken: only while somebody watches, and seldom enough that looking costs the daemon little. A daemon that goes away
 * is asked for again. Must not know: what is made of a look.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Snapshot } from '@pedrera/uapi';
import type { DaemonSession } from '../session.js';
import { type Look, Looks, WEB_SECTIONS } from './looks.js';

export interface Watcher {
  onLook(look: Look, intervalMs: number): void;
  onGone(reason: string): void;
}

const SHORTEST_MS = 500;
const LONGEST_MS = 5_000;
const AGAIN_MS = 1_000;
/** A look may take this part of the time. */
const SHARE = 1 / 5;

export class Feed {
  readonly #connect: () => Promise<DaemonSession>;
  readonly #watchers = new Set<Watcher>();
  readonly #looks = new Looks();
  readonly #ending = new AbortController();
  #session: DaemonSession | undefined;
  #last: { look: Look; intervalMs: number } | undefined;
  #gone: string | undefined;
  #running: Promise<void> | undefined;
  /** Settled when nobody is asking. */
  #asked: Promise<unknown> = Promise.resolve();

  /** `session` is the first; `connect` makes another when it is lost, or throws. */
  constructor(session: DaemonSession, connect: () => Promise<DaemonSession>) {
    this.#session = session;
    this.#connect = connect;
  }

  /** Tells what was seen last at once. */
  add(watcher: Watcher): void {
    this.#watchers.add(watcher);
    if (this.#gone !== undefined) watcher.onGone(this.#gone);
    // With nobody watching time went by unseen: what is known is old.
    else if (this.#last !== undefined && this.#running !== undefined)
      watcher.onLook(this.#last.look, this.#last.intervalMs);
    this.#running ??= this.#run();
  }

  remove(watcher: Watcher): void {
    this.#watchers.delete(watcher);
  }

  /** Asks something else of the daemon, at this moment. */
  ask(sections: number): Promise<Snapshot> {
    const answer = this.#asked.then(() => {
      if (this.#session === undefined) throw new Error(this.#gone ?? 'there is no daemon');
      return this.#session.inspect({ sections });
    });
    // A connection has one snapshot at a time, which is fetched page by page.
    this.#asked = answer.catch(() => {});
    return answer;
  }

  async close(): Promise<void> {
    this.#ending.abort();
    await this.#session?.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (this.#watchers.size > 0 && !this.#ending.signal.aborted) {
      const wait = await this.#look();
      await delay(wait, undefined, { signal: this.#ending.signal }).catch(() => {});
    }
    this.#running = undefined;
  }

  /** Returns how long to wait before the next one. */
  async #look(): Promise<number> {
    try {
      this.#session ??= await this.#connect();
      const began = performance.now();
      const look = this.#looks.add(await this.ask(WEB_SECTIONS));
      const took = performance.now() - began;
      const intervalMs = Math.round(Math.min(LONGEST_MS, Math.max(SHORTEST_MS, took / SHARE)));
      this.#last = { look, intervalMs };
      this.#gone = undefined;
      for (const watcher of this.#watchers) watcher.onLook(look, intervalMs);
      return intervalMs;
    } catch (error) {
      const session = this.#session;
      this.#session = undefined;
      this.#gone = error instanceof Error ? error.message : String(error);
      for (const watcher of this.#watchers) watcher.onGone(this.#gone);
      // Whatever is left of that connection is nothing to wait for.
      void session?.close();
      return AGAIN_MS;
    }
  }
}
