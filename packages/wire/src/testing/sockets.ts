/** For tests: temporary socket paths, and a Connection with a raw socket or another Connection at its far end. */
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectSocket, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Connection, type ConnectionOptions } from '../connection.js';

export const OPTIONS: ConnectionOptions = { maxFrameBytes: 4 * 1024 * 1024 };

/** A directory of its own, removed with everything in it by `[Symbol.dispose]`. */
export class TemporaryDirectory {
  readonly path: string = mkdtempSync(join(tmpdir(), 'wire-'));

  join(name: string): string {
    return join(this.path, name);
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true });
  }
}

/** Two connected sockets. */
export async function socketPair(): Promise<[Socket, Socket]> {
  using directory = new TemporaryDirectory();
  const path = directory.join('s');
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const near = connectSocket(path);
  await new Promise((resolve) => near.once('connect', resolve));
  const far = await accepted;
  server.close();
  return [near, far];
}

/** A connection, its own socket (to spy on), and a raw socket as its peer. */
export async function connectionAndPeer(
  options: Partial<ConnectionOptions> = {},
): Promise<{ connection: Connection; socket: Socket; peer: Socket }> {
  const [peer, socket] = await socketPair();
  peer.on('error', () => {});
  return { connection: new Connection(socket, { ...OPTIONS, ...options }), socket, peer };
}

export async function connectionPair(options: Partial<ConnectionOptions> = {}): Promise<[Connection, Connection]> {
  const [near, far] = await socketPair();
  const all = { ...OPTIONS, ...options };
  return [new Connection(near, all), new Connection(far, all)];
}

/** Messages as they arrive, and a way to wait for them. */
export class Inbox {
  readonly messages: unknown[][] = [];
  #count = 0;
  #arrived: (() => void) | null = null;

  constructor(connection: Connection) {
    connection.onMessage((message) => {
      this.messages.push(message);
      if (this.messages.length >= this.#count) this.#arrived?.();
    });
  }

  /** Resolves when `count` messages are there, counted from the beginning. */
  async until(count: number): Promise<unknown[][]> {
    if (this.messages.length < count) {
      this.#count = count;
      await new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
    }
    return this.messages;
  }
}

/** Resolves with the reason when the connection has closed. */
export function closing(connection: Connection): Promise<Error | undefined> {
  return new Promise((resolve) => connection.onClose(resolve));
}

/** Lets the event loop go round: whatever is ready has been handled after it. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}
