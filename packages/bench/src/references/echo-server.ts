/**
 * The bare socket echo, seen from the side that measures: what a round trip between two Node processes costs at the least.
 *
 * Owns: the server's process, and connections that know how many bytes must come back.
 * Must not know: what the bytes mean.
 */
import { connect, type Socket } from 'node:net';
import type { TestProcess } from '@pedrera/testkit';
import type { BenchContext } from '../benchmark.js';

export class EchoServer {
  readonly socketPath: string;
  readonly #context: BenchContext;
  readonly #process: TestProcess;

  private constructor(context: BenchContext, socketPath: string, process: TestProcess) {
    this.#context = context;
    this.socketPath = socketPath;
    this.#process = process;
  }

  static async start(context: BenchContext, socketPath: string): Promise<EchoServer> {
    const worker = new URL('./socket-echo-worker.js', import.meta.url);
    const process = await context.process(worker, [socketPath]);
    await process.next();
    return new EchoServer(context, socketPath, process);
  }

  /** A connection that sends and expects back copies of `message`. */
  connect(message: Uint8Array): Promise<Echo> {
    return this.#context.use(Echo.connect(this.socketPath, message));
  }

  async residentBytes(): Promise<number> {
    this.#process.tell({ question: 'residentBytes' });
    return (await this.#process.next<{ residentBytes: number }>()).residentBytes;
  }
}

export class Echo implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #message: Uint8Array;
  #received: (bytes: number) => void = () => {};
  #lost: (error: Error) => void = () => {};

  private constructor(socket: Socket, message: Uint8Array) {
    this.#socket = socket;
    this.#message = message;
    socket.on('data', (chunk) => this.#received(chunk.length));
    socket.on('error', (error) => this.#lost(error));
    socket.on('close', () => this.#lost(new Error('the echo server is gone')));
  }

  static connect(path: string, message: Uint8Array): Promise<Echo> {
    return new Promise((resolve, reject) => {
      const socket = connect(path, () => resolve(new Echo(socket, message)));
      socket.once('error', reject);
    });
  }

  /** The message there and back. One at a time. */
  roundTrip(): Promise<void> {
    return new Promise((resolve, reject) => {
      let left = this.#message.length;
      this.#lost = reject;
      this.#received = (bytes) => {
        left -= bytes;
        if (left === 0) resolve();
      };
      this.#socket.write(this.#message);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
  }
}
