/**
 * A kernel in this thread, under virtual time: nothing moves while a test looks, and waiting costs nothing.
 *
 * Owns: when the devices run and when time moves: only while somebody waits. Must not know what is called.
 */
import { createLocalKernel, type LocalConnection, type LocalKernel } from '@pedrera/kernel';
import { entryOf } from '@pedrera/uapi';
import { type MappedView, SharedMemory } from '@pedrera/wire';
import type { KernelNeeds, Link, Transport } from './transport.js';

/** Rounds without an answer after which only time can bring one. */
const IDLE_ROUNDS = 4;
/** Deadlines that fire before a wait is given up; a heartbeat of 5 s gives hours. */
const MAX_DEADLINES = 20_000;
const MAX_QUESTIONS = 400;
const NIC_PORTS = 0x3ff;
const USER_ID = 1000;

export class InProcessTransport implements Transport {
  readonly mode = 'in-process';
  readonly needs: KernelNeeds;
  readonly #kernel: LocalKernel;
  readonly #links = new Set<LocalLink>();

  private constructor(needs: KernelNeeds, kernel: LocalKernel) {
    this.needs = needs;
    this.#kernel = kernel;
  }

  static async start(needs: KernelNeeds): Promise<InProcessTransport> {
    const { policy, devices, nics, resetOnLockup } = needs;
    const settings = { nicPortsMask: nics ? NIC_PORTS : 0, resetOnLockup };
    return new InProcessTransport(needs, await createLocalKernel({ policy, devices, settings }));
  }

  async connect(): Promise<Link> {
    const link = new LocalLink(this, this.#kernel);
    this.#links.add(link);
    return link;
  }

  observe(): Promise<Link> {
    return this.connect();
  }

  async finish<T>(promise: Promise<T>): Promise<T> {
    let settled = false;
    const done = promise.finally(() => {
      settled = true;
    });
    // Handled below; a rejection while the loop runs is no unhandled one.
    done.catch(() => {});
    for (let deadlines = 0; deadlines < MAX_DEADLINES; deadlines++) {
      for (let round = 0; round < IDLE_ROUNDS && !settled; round++) {
        await this.#kernel.run();
      }
      if (settled || !this.#kernel.advance()) {
        break;
      }
    }
    if (!settled) {
      throw new Error('nothing in the kernel will ever answer this: no work, no deadline is left');
    }
    return done;
  }

  async until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
    for (let question = 0; question < MAX_QUESTIONS; question++) {
      for (let round = 0; round < IDLE_ROUNDS; round++) {
        await this.#kernel.run();
      }
      const answer = await ask();
      if (answer !== undefined) {
        return answer;
      }
      this.#kernel.advance();
    }
    throw new Error(`never came: ${what}`);
  }

  async pass(ns: number): Promise<void> {
    const { clock } = this.#kernel;
    const end = clock.nowNs() + ns;
    // From deadline to deadline: what one of them starts must get its turn before the next.
    while ((clock.nextNs ?? end) < end) {
      this.#kernel.advance();
      await this.#kernel.run();
      await this.#kernel.run();
    }
    clock.advance(Math.max(0, end - clock.nowNs()));
    await this.#kernel.run();
  }

  /** Lets what is queued run, without letting time pass. */
  async settle(): Promise<void> {
    await this.#kernel.run();
  }

  complaints(): string[] {
    return this.#kernel.complaints.splice(0).map(spell);
  }

  async interrupt(): Promise<void> {
    throw new Error('no signal reaches a connection');
  }

  async rest(): Promise<void> {
    // Each file is a connection of this process.
  }

  async close(): Promise<void> {
    for (const link of this.#links) {
      await link.close();
    }
    await this.#kernel.close();
  }
}

class LocalLink implements Link {
  readonly #transport: InProcessTransport;
  readonly #kernel: LocalKernel;
  readonly #connection: LocalConnection;
  readonly #pending = new Map<unknown, (reply: readonly unknown[] | null) => void>();
  readonly #views = new Map<number, MappedView>();
  #side: LocalConnection | undefined;

  constructor(transport: InProcessTransport, kernel: LocalKernel) {
    this.#transport = transport;
    this.#kernel = kernel;
    const peer = { pid: process.pid, uid: USER_ID, gid: USER_ID };
    this.#connection = kernel.connect((message) => this.#heard(message), peer);
  }

  get closed(): boolean {
    return this.#connection.closed;
  }

  async exchange(message: unknown[]): Promise<readonly unknown[]> {
    const answer = new Promise<readonly unknown[]>((resolve, reject) => {
      this.#pending.set(message[0], (reply) =>
        reply === null ? reject(new Error('the connection was closed')) : resolve(reply),
      );
    });
    this.#connection.send(message);
    if (this.#connection.closed) {
      this.#hungUp();
    }
    // What was submitted runs now and not some time: the same in every run.
    await this.#transport.settle();
    return answer;
  }

  async attachSide(token: Uint8Array): Promise<void> {
    let verdict: readonly unknown[] = [];
    const heard = (message: readonly unknown[]) => {
      verdict = message;
    };
    const side = this.#kernel.connect(heard, { pid: process.pid, uid: USER_ID, gid: USER_ID });
    side.send([1, entryOf('SIDE_CHANNEL').code, [token]]);
    if (verdict[1] !== 0) {
      throw new Error(`SIDE_CHANNEL: ${String(verdict[2])}`);
    }
    this.#side = side;
  }

  segment(id: number, size: number): Uint8Array {
    let view = this.#views.get(id);
    if (view === undefined) {
      const fd = this.#side?.descriptors.get(id);
      if (fd === undefined) {
        throw new Error(`the descriptor of segment ${id} did not come`);
      }
      // The descriptor stays the kernel's: it is mapped at once and never closed here.
      view = SharedMemory.fromFd(fd, size).map(0, size);
      this.#views.set(id, view);
    }
    return view.bytes;
  }

  descriptor(): number {
    throw new Error('in one process no descriptor travels');
  }

  async close(): Promise<void> {
    for (const view of this.#views.values()) {
      view.unmap();
    }
    this.#views.clear();
    this.#connection.close();
    this.#side?.close();
    this.#hungUp();
    await this.#transport.settle();
  }

  #heard(message: readonly unknown[]): void {
    const sink = this.#pending.get(message[0]);
    this.#pending.delete(message[0]);
    sink?.(message);
  }

  #hungUp(): void {
    for (const sink of this.#pending.values()) {
      sink(null);
    }
    this.#pending.clear();
  }
}

/** One line of the log for people. */
function spell(line: string): string {
  const { msg, call, err } = JSON.parse(line) as { msg: string; call?: string; err?: { stack?: string } };
  return [msg, call, err?.stack].filter((part) => part !== undefined).join(': ');
}
