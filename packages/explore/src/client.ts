/**
 * A program of a scenario: calls of the contract, one open file, no library between.
 *
 * Owns: request numbers, what was sent and not heard of yet, memory of the file. Each request and each reply is a move.
 * Must not know who moves, or what other clients do.
 */
import { ERRNO, type ErrnoCode, errnoCode } from '@pedrera/base';
import type { LocalConnection } from '@pedrera/kernel';
import {
  entryOf,
  type Handle,
  type IoctlName,
  PROTOCOL_VERSION,
  type Req,
  type Res,
  resFromWire,
  toWire,
  WAIT_STATUS,
} from '@pedrera/uapi';
import { type Move, RANK } from './move.js';
import type { Program } from './packets.js';
import { Violation } from './violation.js';

export const FOREVER_US = 2n ** 63n - 1n;

/** Any call may answer one of these while a reset runs, and after it took all the file had (uapi.md 7.3). */
export const IN_RESET: readonly ErrnoCode[] = ['EBUSY', 'ENODEV', 'EIO'];

/** How a client reaches the kernel; the world's business. */
export interface Network {
  connect(heard: (message: readonly unknown[]) => void, pid: number): LocalConnection;
  /** A reply has been heard, for who keeps count. */
  heard(call: string, errno: ErrnoCode | ''): void;
  /** The memory behind a segment of a connection that was sent. */
  segment(fd: number): Uint8Array;
}

export interface Answer<N extends IoctlName> {
  /** '' for success. */
  readonly errno: ErrnoCode | '';
  readonly res: Res<N> | undefined;
}

/** Host memory that client and device share. */
export interface HostBuffer {
  readonly handle: Handle<'host'>;
  readonly hostAddress: number;
  /** As the device sees it. */
  readonly address: number;
  readonly words: Uint32Array;
}

export interface Job {
  readonly handle: bigint;
  readonly size: number;
  readonly queue: number;
}

interface Pending {
  readonly name: string;
  readonly settle: (reply: readonly unknown[] | null) => void;
}

/** On its way to the kernel: a request, or the end of the connection. */
interface Outgoing {
  readonly what: string;
  readonly run: () => void;
}

export class Client {
  readonly name: string;
  readonly index: number;
  asid = 0;
  readonly #network: Network;
  readonly #pid: number;
  #connection: LocalConnection | undefined;
  #side: LocalConnection | undefined;
  #nextId = 1;
  readonly #outgoing: Outgoing[] = [];
  readonly #incoming: (readonly unknown[])[] = [];
  readonly #pending = new Map<number, Pending>();
  #ending = false;

  constructor(name: string, index: number, network: Network) {
    this.name = name;
    this.index = index;
    this.#network = network;
    this.#pid = 1001 + index;
  }

  /** Calls under way, for people. */
  get waitingFor(): readonly string[] {
    return [...this.#pending.values()].map(({ name }) => name);
  }

  /** Nothing of it is on its way, in either direction. */
  get isQuiet(): boolean {
    return this.#outgoing.length === 0 && this.#incoming.length === 0;
  }

  moves(into: Move[]): void {
    const reply = this.#incoming[0];
    if (reply !== undefined) {
      into.push({
        key: `${this.name}<`,
        rank: RANK.reply,
        client: this.index,
        settles: true,
        describe: () => `${this.name} hears ${this.#spellReply(reply)}`,
        run: () => this.#hear(this.#incoming.shift() as readonly unknown[]),
      });
    }
    const request = this.#outgoing[0];
    if (request !== undefined) {
      into.push({
        key: `${this.name}>`,
        rank: RANK.request,
        client: this.index,
        settles: true,
        describe: () => `the kernel takes ${request.what} of ${this.name}`,
        run: () => (this.#outgoing.shift() as Outgoing).run(),
      });
    }
  }

  // --- calls ----------------------------------------------------------------------------------------------------------

  /** HELLO and OPEN. Throws, as a violation, what OPEN must not answer: anything but success. */
  async open(node: string): Promise<void> {
    const { errno } = await this.tryOpen(node);
    if (errno !== '') {
      throw new Violation('answer', `${this.name}: OPEN of ${node} answered ${errno}`);
    }
  }

  /** A connection without a file, as of a tool that only looks or injects. */
  async hello(): Promise<void> {
    if (this.#connection === undefined) {
      this.#connection = this.#network.connect((message) => this.#incoming.push(message), this.#pid);
      await this.call('HELLO', { version: PROTOCOL_VERSION, program: this.name });
    }
  }

  async tryOpen(
    node: string,
    allowed: readonly ErrnoCode[] = Object.keys(ERRNO) as ErrnoCode[],
  ): Promise<Answer<'OPEN'>> {
    await this.hello();
    const answer = await this.attempt('OPEN', { node }, allowed);
    if (answer.res !== undefined) {
      this.asid = answer.res.asid;
      if (!node.includes('control')) {
        this.#attachSide(answer.res.sideToken);
      }
    }
    return answer;
  }

  /** Has to succeed. */
  async call<N extends IoctlName>(name: N, req: Req<N>): Promise<Res<N>> {
    const { res } = await this.attempt(name, req, []);
    return res as Res<N>;
  }

  /** May also fail, in one of the ways named. A connection that has ended meanwhile answers ENODEV. */
  async attempt<N extends IoctlName>(name: N, req: Req<N>, allowed: readonly ErrnoCode[]): Promise<Answer<N>> {
    const entry = entryOf(name);
    const reply = await this.#exchange(name, [this.#nextId++, entry.code, toWire(entry, req)]);
    if (reply === null) {
      return { errno: 'ENODEV', res: undefined };
    }
    if (reply[1] === 0) {
      return { errno: '', res: resFromWire(entry, reply[2]) as Res<N> };
    }
    const code = errnoCode(Number(reply[1]));
    if (code === undefined || !allowed.includes(code)) {
      const fine = allowed.length === 0 ? 'success' : `success, ${allowed.join(', ')}`;
      throw new Violation('answer', `${this.name}: ${this.#spellReply(reply, name)}; right would be ${fine}`);
    }
    return { errno: code, res: undefined };
  }

  /** Hangs up, as the end of the process does: behind the requests that were sent, without waiting for replies. */
  close(): void {
    if (this.#ending || this.#connection === undefined) {
      return;
    }
    this.#ending = true;
    this.#outgoing.push({ what: 'the end', run: () => this.#hangUp() });
  }

  // --- memory ---------------------------------------------------------------------------------------------------------

  async mmap(offset: bigint): Promise<Uint8Array> {
    const place = await this.call('MMAP', { offset });
    const fd = this.#side?.descriptors.get(place.segment);
    if (fd === undefined) {
      throw new Violation('answer', `${this.name}: the descriptor of segment ${place.segment} did not come`);
    }
    return this.#network.segment(fd).subarray(place.offset, place.offset + place.length);
  }

  async hostBuffer(size: number, fill = 0): Promise<HostBuffer> {
    const { handle, address: hostAddress } = await this.call('HOST_ALLOC', { size });
    const bytes = await this.mmap(handle);
    const { deviceVirtAddr } = await this.call('MEMORY_MAP_HOST', {
      hostVirtAddr: hostAddress,
      hintAddr: 0,
      size,
      flags: 4,
    });
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, size >>> 2);
    words.fill(fill);
    return { handle, hostAddress, address: deviceVirtAddr, words };
  }

  /** Device memory and where it is mapped (`shared` policy). */
  async deviceMemory(size: number): Promise<{ handle: Handle<'memory'>; address: number }> {
    const { handle } = await this.call('MEMORY_ALLOC', { size, pageSize: 0, flags: 1 });
    const { deviceVirtAddr } = await this.call('MEMORY_MAP_DEVICE', { handle, hintAddr: 0, flags: 0 });
    return { handle, address: deviceVirtAddr };
  }

  /** A command buffer with these packets, for a queue; it is not mapped any more. */
  async job(program: Program, queue = 0): Promise<Job> {
    const { handle } = await this.call('CB_CREATE', { size: 4096, flags: 0 });
    const bytes = await this.mmap(handle);
    new Uint32Array(bytes.buffer, bytes.byteOffset, program.length).set(program);
    await this.call('MUNMAP', { offset: handle });
    return { handle, size: program.length * 4, queue };
  }

  // --- work -----------------------------------------------------------------------------------------------------------

  async submit(jobs: readonly Job[], flags = 0, more: Partial<Req<'CS'>> = {}): Promise<number> {
    return (await this.call('CS', submission(jobs, flags, more))).seq;
  }

  /** The sequence number, or what it was refused with. */
  async trySubmit(
    jobs: readonly Job[],
    allowed: readonly ErrnoCode[],
    flags = 0,
    more: Partial<Req<'CS'>> = {},
  ): Promise<number | ErrnoCode> {
    const { errno, res } = await this.attempt('CS', submission(jobs, flags, more), allowed);
    return errno === '' ? (res as Res<'CS'>).seq : errno;
  }

  /** Waits for success, for ever. */
  async wait(seq: number): Promise<void> {
    const { status } = await this.call('WAIT_CS', { seq, timeoutUs: FOREVER_US, flags: 0 });
    if (status !== WAIT_STATUS.COMPLETED) {
      throw new Violation('answer', `${this.name}: a wait for ever for ${seq} ended with status ${status}`);
    }
  }

  /** The outcome: '' for success, 'BUSY' when it did not finish in time, or one of the errors named. */
  async outcome(seq: number, allowed: readonly ErrnoCode[], timeoutUs = FOREVER_US): Promise<ErrnoCode | 'BUSY' | ''> {
    const { errno, res } = await this.attempt('WAIT_CS', { seq, timeoutUs, flags: 0 }, allowed);
    return errno === '' && res?.status !== WAIT_STATUS.COMPLETED ? 'BUSY' : errno;
  }

  /** Counts as an outcome beside those of the calls, for what a call says in its results. */
  note(what: string): void {
    this.#network.heard(what, '');
  }

  /** For scenarios: what must hold. */
  expect(holds: boolean, what: string): void {
    if (!holds) {
      throw new Violation('answer', `${this.name}: ${what}`);
    }
  }

  /** All words of a buffer must be one of these. */
  expectWords(words: Uint32Array, allowed: readonly number[], what: string): void {
    const stranger = words.find((word) => !allowed.includes(word));
    if (stranger !== undefined) {
      const at = words.indexOf(stranger);
      throw new Violation(
        'wrong-mapping',
        `${this.name}: ${what} holds 0x${stranger.toString(16)} at word ${at}; right would be ${allowed.map((word) => `0x${word.toString(16)}`).join(', ')}`,
      );
    }
  }

  // ---------------------------------------------------------------------------------------------------------------------

  #exchange(name: string, frame: readonly unknown[]): Promise<readonly unknown[] | null> {
    if (this.#ending) {
      return Promise.resolve(null);
    }
    const id = frame[0] as number;
    return new Promise((settle) => {
      this.#pending.set(id, { name, settle });
      this.#outgoing.push({
        what: name,
        run: () => {
          this.#connection?.send([...frame]);
          if (this.#connection?.closed === true) {
            this.#hangUp();
          }
        },
      });
    });
  }

  #hear(message: readonly unknown[]): void {
    const pending = this.#pending.get(message[0] as number);
    if (pending === undefined) {
      throw new Violation(
        'answer',
        `${this.name} hears a reply to request ${String(message[0])}, which it does not wait for`,
      );
    }
    this.#pending.delete(message[0] as number);
    this.#network.heard(pending.name, message[1] === 0 ? '' : (errnoCode(Number(message[1])) ?? 'EPROTO'));
    pending.settle(message);
  }

  #hangUp(): void {
    this.#ending = true;
    this.#connection?.close();
    this.#side?.close();
    this.#outgoing.length = 0;
    this.#incoming.length = 0;
    for (const { settle } of this.#pending.values()) {
      settle(null);
    }
    this.#pending.clear();
  }

  #attachSide(token: Uint8Array): void {
    let verdict: readonly unknown[] = [];
    const side = this.#network.connect((message) => {
      verdict = message;
    }, this.#pid);
    side.send([1, entryOf('SIDE_CHANNEL').code, [token]]);
    if (verdict[1] !== 0) {
      throw new Violation('answer', `${this.name}: SIDE_CHANNEL answered ${String(verdict[2])}`);
    }
    this.#side = side;
  }

  #spellReply(reply: readonly unknown[], name = this.#pending.get(reply[0] as number)?.name ?? '?'): string {
    const number = Number(reply[1]);
    return number === 0 ? `${name}: done` : `${name}: ${errnoCode(number) ?? number} (${String(reply[2] ?? '')})`;
  }
}

/** What CS is given, and CS_SYNCED. */
export function submission(jobs: readonly Job[], flags: number, more: Partial<Req<'CS'>>): Req<'CS'> {
  return {
    chunksRestore: [],
    chunksExecute: jobs.map(({ handle, size, queue }) => ({ handle, size, queueIndex: queue, flags: 0 })),
    seq: 0,
    timeoutSec: 0,
    flags,
    ...more,
  };
}
