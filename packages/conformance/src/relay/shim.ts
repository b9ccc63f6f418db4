/**
 * A real daemon, and a C program with the preload library in it that makes the calls: what the conformance suite says of the
 * contract, said of the library too.
 *
 * Owns: which program serves a test. Must not know what is called.
 */
import {
  byCode,
  entryOf,
  PROTOCOL_VERSION,
  type Res,
  reqFromWire,
  resFromWire,
  resToWire,
  toWire,
} from '@pedrera/uapi';
import { SocketTransport } from '../framework/sockets.js';
import type { KernelNeeds, Link, Transport } from '../framework/transport.js';
import { callOnFile } from './program-files.js';
import { ProgramLink } from './program-link.js';
import { RelayProcess } from './relay-process.js';

export class ShimTransport implements Transport {
  readonly mode = 'shim';
  readonly #daemon: SocketTransport;
  #process: RelayProcess | undefined;
  #inspector: Link | undefined;

  private constructor(daemon: SocketTransport) {
    this.#daemon = daemon;
  }

  static async start(needs: KernelNeeds): Promise<ShimTransport> {
    return new ShimTransport(await SocketTransport.start(needs));
  }

  get needs(): KernelNeeds {
    return this.#daemon.needs;
  }

  async connect(): Promise<Link> {
    const asidOf = (node: string, pid: number) => this.#asidOf(node, pid);
    return new ProgramLink({ process: this.#program(), asidOf });
  }

  /** It sees the daemon as any other does; but sysfs and debugfs through the C program. */
  async observe(): Promise<Link> {
    const link = await this.#daemon.connect();
    const ask = link.exchange.bind(link);
    link.exchange = async (message, spelling) => {
      const [id, code, args] = message;
      const entry = byCode(Number(code));
      if (entry !== undefined && /^FILE_/.test(entry.name)) {
        const done = await callOnFile(this.#program(), entry.name, reqFromWire(entry, args));
        return done.error === 0 ? [id, 0, resToWire(entry, done.res)] : [id, done.error, 'as the C program saw it'];
      }
      // What the program was asked for before is to happen before.
      await this.#process?.begun();
      return ask(message, spelling);
    };
    return link;
  }

  async interrupt(): Promise<void> {
    await this.#process?.interrupt();
  }

  finish<T>(promise: Promise<T>): Promise<T> {
    return this.#daemon.finish(promise);
  }

  until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
    return this.#daemon.until(what, ask);
  }

  pass(ns: number): Promise<void> {
    return this.#daemon.pass(ns);
  }

  complaints(): string[] {
    return this.#daemon.complaints();
  }

  /** The next test gets a program that has never done anything. */
  async rest(): Promise<void> {
    const process = this.#process;
    this.#process = undefined;
    await process?.end();
  }

  async close(): Promise<void> {
    await this.rest();
    await this.#inspector?.close();
    this.#inspector = undefined;
    await this.#daemon.close();
  }

  #program(): RelayProcess {
    this.#process ??= new RelayProcess(this.#daemon.socketPath);
    return this.#process;
  }

  /** The daemon knows what a C program is not told: the context of the file it opened last. */
  async #asidOf(node: string, pid: number): Promise<number> {
    const { snapshot } = await this.#inspect();
    return snapshot.clients.filter((client) => client.node === node && client.pid === pid).at(-1)?.asid ?? 0;
  }

  async #inspect(): Promise<Res<'INSPECT_CLIENTS'>> {
    const inspect = entryOf('INSPECT_CLIENTS');
    if (this.#inspector === undefined) {
      this.#inspector = await this.#daemon.connect();
      const hello = entryOf('HELLO');
      await this.#inspector.exchange([
        1,
        hello.code,
        toWire(hello, { version: PROTOCOL_VERSION, program: 'conformance' }),
      ]);
    }
    const [, , res] = await this.#inspector.exchange([2, inspect.code, toWire(inspect, {})]);
    return resFromWire(inspect, res) as Res<'INSPECT_CLIENTS'>;
  }
}
