/**
 * Following a recording until it is over: record by record.
 *
 * Owns: whose records are wanted. Must not know what becomes of records.
 */
import type { Recording, TraceBatch } from '@pedrera/thunk';
import type { CallRecord, ClientRecord, TraceRecord } from '@pedrera/uapi';
import { Ending } from './ending.js';

/** Records come as soon as there are some; a look at what takes long, this often. */
const LOOK_MS = 250;

export interface Follower {
  record(record: TraceRecord): void;
  /** Nothing came for a while. */
  quiet?(unanswered: readonly CallRecord[]): void;
  /** It is over: what was not answered. */
  end(unanswered: readonly CallRecord[], batch: TraceBatch | undefined): void;
}

export interface Following {
  /** Looked at is this process and what it starts; undefined: every process. */
  root: () => number | undefined;
  /** Settles when the program has ended; undefined: there is none. */
  ended: Promise<unknown> | undefined;
  /** Ends as soon as the last client of `root` is gone. */
  untilGone: boolean;
}

export async function follow(recording: Recording, following: Following, follower: Follower): Promise<void> {
  const clients = new Clients(following.root);
  const ending = new Ending(recording, following.ended);
  let last: TraceBatch | undefined;
  try {
    for (;;) {
      last = await recording.read({ least: 1, waitMs: LOOK_MS });
      const records = recording.decode(last);
      for (const record of records) if (clients.wants(record)) follower.record(record);
      if (last.ended) break;
      if (following.untilGone && clients.allGone) ending.stop();
      ending.look(clients.live);
      if (records.length === 0) follower.quiet?.(recording.unanswered().filter((call) => clients.wants(call)));
    }
  } finally {
    ending.release();
    const left = recording.unanswered().filter((call) => clients.wants(call));
    follower.end(left, last);
  }
}

/** Whose records are wanted, and who of them is still there. */
class Clients {
  readonly #root: () => number | undefined;
  readonly #pids = new Set<number>();
  readonly #live = new Set<number>();
  #seen = 0;

  constructor(root: () => number | undefined) {
    this.#root = root;
  }

  get live(): number {
    return this.#live.size;
  }

  get allGone(): boolean {
    return this.#seen > 0 && this.#live.size === 0;
  }

  wants(record: TraceRecord): boolean {
    if (record.kind === 'client') return this.#client(record);
    if (record.kind === 'client end') {
      const wanted = this.#live.delete(record.client);
      return wanted;
    }
    if (!('pid' in record) || record.pid === null) return true;
    return this.#root() === undefined || this.#pids.has(record.pid);
  }

  #client({ client, pid, parents }: ClientRecord): boolean {
    const root = this.#root();
    const wanted = root === undefined || pid === root || parents.includes(root) || this.#pids.has(pid);
    if (!wanted) return false;
    this.#pids.add(pid);
    this.#live.add(client);
    this.#seen++;
    return true;
  }
}
