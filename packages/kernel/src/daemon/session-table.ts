/**
 * All connections of the daemon. Owns: who is connected, side-channel tokens, client limits.
 * Must not know ioctls.
 */
import { randomBytes } from 'node:crypto';
import { SIDE_TOKEN_BYTES } from '@pedrera/uapi';
import type { Connection } from '@pedrera/wire';
import type { Logger } from 'pino';
import type { Machine } from '../core/machine.js';
import { CallTrace } from './call-trace.js';
import { HandedObjects } from './handed-objects.js';
import { Session } from './session.js';

/** More than clients there can be: every living one has its name. */
const REMEMBERED_PROGRAMS = 4096;

/** What a token for a side channel stands for. */
interface SideRight {
  readonly session: Session;
  readonly process: number;
}

export class SessionTable {
  readonly machine: Machine;
  readonly log: Logger;
  readonly socketPath: string;
  readonly handed = new HandedObjects();
  readonly calls: CallTrace;
  readonly #sessions = new Set<Session>();
  readonly #byToken = new Map<string, SideRight>();
  /** Files still being released after their connection closed. */
  readonly #releases = new Set<Promise<void>>();
  readonly #programs = new Map<number, string>();
  #nextId = 1;

  constructor(machine: Machine, log: Logger, socketPath: string) {
    this.machine = machine;
    this.log = log;
    this.socketPath = socketPath;
    this.calls = new CallTrace(machine.trace, this.#sessions);
  }

  [Symbol.iterator](): IterableIterator<Session> {
    return this.#sessions.values();
  }

  get size(): number {
    return this.#sessions.size;
  }

  add(connection: Connection): Session {
    const session = new Session(this.#nextId++, connection, this);
    this.#sessions.add(session);
    this.calls.connected(session);
    return session;
  }

  remove(session: Session): void {
    if (!this.#sessions.delete(session)) {
      return;
    }
    const released = this.calls.disconnected(session);
    for (const token of session.sideTokens) {
      this.#byToken.delete(token);
    }
    const release = session.end().finally(() => {
      released();
      this.#releases.delete(release);
    });
    this.#releases.add(release);
  }

  /** What a process called itself; '' for one that nobody remembers. */
  programOf(pid: number): string {
    return this.#programs.get(pid) ?? '';
  }

  /** It is connected, or was not long ago. */
  knows(pid: number): boolean {
    return this.#programs.has(pid);
  }

  /** HELLO: the names of the processes that came last are kept after they are gone. */
  remember(pid: number, program: string): void {
    this.#programs.delete(pid);
    this.#programs.set(pid, program);
    if (this.#programs.size > REMEMBERED_PROGRAMS) {
      for (const oldest of this.#programs.keys()) {
        this.#programs.delete(oldest);
        break;
      }
    }
  }

  /** Calls the contract has and this build does not: counted, so that nobody has to guess what a program missed. */
  readonly refused = new Map<string, number>();

  countRefused(name: string): void {
    this.refused.set(name, (this.refused.get(name) ?? 0) + 1);
  }

  /** What closed files left to their release. */
  readonly left = new Map<string, number>();

  countLeft(counts: Readonly<Record<string, number>>): void {
    for (const [kind, count] of Object.entries(counts)) {
      this.left.set(kind, (this.left.get(kind) ?? 0) + count);
    }
  }

  /** The right to bind a side channel to this file, for the process that opened it (0) or one that joins. */
  newSideToken(session: Session, process = 0): Uint8Array {
    const token = randomBytes(SIDE_TOKEN_BYTES);
    const key = token.toString('hex');
    session.sideTokens.push(key);
    this.#byToken.set(key, { session, process });
    return token;
  }

  bySideToken(token: Uint8Array): SideRight | undefined {
    return this.#byToken.get(Buffer.from(token).toString('hex'));
  }

  /** The token of who opened the file stays good; that of a process which had joined does not. */
  forgetJoined(session: Session, process: number): void {
    if (process === 0) {
      return;
    }
    const at = session.sideTokens.findIndex((token) => this.#byToken.get(token)?.process === process);
    const [token] = at < 0 ? [] : session.sideTokens.splice(at, 1);
    if (token !== undefined) {
      this.#byToken.delete(token);
    }
  }

  /** Ends every connection and waits until all they held is released. */
  async drain(): Promise<void> {
    for (const session of [...this.#sessions]) {
      session.connection.close();
      this.remove(session);
    }
    await this.handed.close();
    while (this.#releases.size > 0) {
      await Promise.all(this.#releases);
    }
  }
}
