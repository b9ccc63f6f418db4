/**
 * All connections of the daemon. Owns: who is connected, side-channel tokens, client limits.
 * Must not know ioctls.
 */
import { randomBytes } from 'node:crypto';
import type { Connection } from '@pedrera/wire';
import type { Logger } from 'pino';
import type { Machine } from '../core/machine.js';
import { HandedObjects } from './handed-objects.js';
import { Session } from './session.js';

export class SessionTable {
  readonly machine: Machine;
  readonly log: Logger;
  readonly socketPath: string;
  readonly handed = new HandedObjects();
  readonly #sessions = new Set<Session>();
  readonly #byToken = new Map<string, Session>();
  /** Files still being released after their connection closed. */
  readonly #releases = new Set<Promise<void>>();
  #nextId = 1;

  constructor(machine: Machine, log: Logger, socketPath: string) {
    this.machine = machine;
    this.log = log;
    this.socketPath = socketPath;
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
    return session;
  }

  remove(session: Session): void {
    if (!this.#sessions.delete(session)) {
      return;
    }
    if (session.sideToken !== undefined) {
      this.#byToken.delete(session.sideToken);
    }
    const release = session.end().finally(() => this.#releases.delete(release));
    this.#releases.add(release);
  }

  /** Calls the contract has and this build does not: counted, so that nobody has to guess what a program missed. */
  readonly refused = new Map<string, number>();

  countRefused(name: string): void {
    this.refused.set(name, (this.refused.get(name) ?? 0) + 1);
  }

  /** The right to bind a side channel to this file. */
  newSideToken(session: Session): Uint8Array {
    const token = randomBytes(16);
    session.sideToken = token.toString('hex');
    this.#byToken.set(session.sideToken, session);
    return token;
  }

  bySideToken(token: Uint8Array): Session | undefined {
    return this.#byToken.get(Buffer.from(token).toString('hex'));
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
