/**
 * A real daemon process and real sockets: the same tests with everything between client and kernel.
 *
 * Owns: the daemon's process, the client's sockets and mappings. Must not know what is called.
 */

import { closeSync } from 'node:fs';
import { TestDaemon } from '@pedrera/testkit';
import { entryOf, MAX_FRAME_BYTES } from '@pedrera/uapi';
import { type Connection, connect, type MappedView, SharedMemory, SideChannel } from '@pedrera/wire';
import type { KernelNeeds, Link, Transport } from './transport.js';

/** Reached only when something is broken. */
const PATIENCE_MS = 20_000;
const PAUSE_MS = 2;

export class SocketTransport implements Transport {
  readonly mode = 'sockets' as const;
  readonly needs: KernelNeeds;
  readonly #daemon: TestDaemon;
  /** How much of the daemon's log has been looked at. */
  #read = 0;

  private constructor(needs: KernelNeeds, daemon: TestDaemon) {
    this.needs = needs;
    this.#daemon = daemon;
  }

  static async start(needs: KernelNeeds): Promise<SocketTransport> {
    const { policy, devices, nics, resetOnLockup } = needs;
    const args = [...(nics ? ['--nic-ports', '0x3ff'] : []), ...(resetOnLockup ? [] : ['--no-reset-on-lockup'])];
    const daemon = await TestDaemon.start({ policy, devices, args });
    return new SocketTransport(needs, daemon);
  }

  get socketPath(): string {
    return this.#daemon.socketPath;
  }

  async connect(): Promise<Link> {
    const connection = await connect(this.#daemon.socketPath, {
      maxFrameBytes: MAX_FRAME_BYTES,
      highWaterBytes: Number.POSITIVE_INFINITY,
    });
    return new SocketLink(connection, this.#daemon.socketPath);
  }

  observe(): Promise<Link> {
    return this.connect();
  }

  async finish<T>(promise: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${PATIENCE_MS} ms`)), PATIENCE_MS);
    });
    try {
      return await Promise.race([promise, patience]);
    } finally {
      clearTimeout(timer);
    }
  }

  async until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
      const answer = await ask();
      if (answer !== undefined) {
        return answer;
      }
      if (Date.now() >= end) {
        throw new Error(`never came: ${what}`);
      }
      // So that the daemon is not kept busy with answering.
      await this.pass(PAUSE_MS * 1e6);
    }
  }

  async pass(ns: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, ns / 1e6));
  }

  complaints(): string[] {
    const lines = this.#daemon.process.output.slice(this.#read).split('\n');
    this.#read = this.#daemon.process.output.length;
    // A time-out is an error of the device; what has a stack is one of the kernel.
    return lines.filter((line) => /"level":(50|60)/.test(line) && line.includes('"err":'));
  }

  async interrupt(): Promise<void> {
    throw new Error('no signal reaches a connection');
  }

  async rest(): Promise<void> {
    // Each file is a connection of this process.
  }

  async close(): Promise<void> {
    await this.#daemon[Symbol.asyncDispose]();
  }
}

class SocketLink implements Link {
  readonly #connection: Connection;
  readonly #socketPath: string;
  readonly #pending = new Map<unknown, (reply: readonly unknown[] | null) => void>();
  readonly #views = new Map<number, MappedView>();
  readonly #closing: Promise<void>;
  #side: SideChannel | undefined;
  #closed = false;

  constructor(connection: Connection, socketPath: string) {
    this.#connection = connection;
    this.#socketPath = socketPath;
    this.#closing = new Promise((resolve) => {
      connection.onClose(() => {
        this.#closed = true;
        for (const sink of this.#pending.values()) {
          sink(null);
        }
        this.#pending.clear();
        resolve();
      });
    });
    connection.onMessage((message) => {
      const sink = this.#pending.get(message[0]);
      this.#pending.delete(message[0]);
      sink?.(message);
    });
  }

  get closed(): boolean {
    return this.#closed;
  }

  exchange(message: unknown[]): Promise<readonly unknown[]> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new Error('the connection was closed'));
        return;
      }
      this.#pending.set(message[0], (reply) =>
        reply === null ? reject(new Error('the connection was closed')) : resolve(reply),
      );
      this.#connection.send(message);
    });
  }

  async attachSide(token: Uint8Array): Promise<void> {
    const side = SideChannel.connect(this.#socketPath);
    const reply = await side.exchange([1, entryOf('SIDE_CHANNEL').code, [token]], MAX_FRAME_BYTES);
    if (reply[1] !== 0) {
      side.close();
      throw new Error(`SIDE_CHANNEL: ${String(reply[2])}`);
    }
    this.#side = side;
  }

  segment(id: number, size: number): Uint8Array {
    let view = this.#views.get(id);
    while (view === undefined) {
      if (this.#side === undefined) {
        throw new Error('no side channel');
      }
      const { tag, fd } = this.#side.receiveDescriptor();
      const memory = SharedMemory.fromFd(fd, size);
      this.#views.set(tag, memory.map(0, size));
      memory.close();
      view = this.#views.get(id);
    }
    return view.bytes;
  }

  descriptor(wanted: number): number {
    for (;;) {
      const received = this.#side?.receiveDescriptor();
      if (received === undefined) {
        throw new Error('no side channel');
      }
      if (received.tag === wanted) {
        return received.fd;
      }
      closeSync(received.fd);
    }
  }

  async close(): Promise<void> {
    for (const view of this.#views.values()) {
      view.unmap();
    }
    this.#views.clear();
    this.#side?.close();
    this.#side = undefined;
    this.#connection.close();
    await this.#closing;
  }
}
