/**
 * A program without a library: one open file, the calls of the table as values or as a C program's bytes.
 *
 * Owns: request numbers, mapped memory of one file, what the tests say often (a job, a wait, a call that fails and changes
 * nothing). Must not know any implementation: what is right comes from the contract.
 */
import assert from 'node:assert/strict';
import { type ErrnoCode, errnoCode, HlError } from '@pedrera/base';
import {
  type Chunk,
  commandNumber,
  entryOf,
  type IoctlName,
  PROTOCOL_VERSION,
  type Req,
  type Res,
  resFromWire,
  toWire,
  WAIT_STATUS,
} from '@pedrera/uapi';
import type { Env } from './env.js';
import { type Packets, packets } from './packets.js';
import { differences, type Effect, snapshot } from './snapshot.js';
import type { Link } from './transport.js';

export const FOREVER_US = 2n ** 63n - 1n;
/** Far more than a device needs to begin. */
const MOST_TRIES = 100_000;

export interface Answer<N extends IoctlName> {
  /** '' for success. */
  readonly errno: ErrnoCode | '';
  readonly sentence: string;
  readonly res: Res<N> | undefined;
}

export interface RawAnswer {
  readonly errno: ErrnoCode | '';
  readonly block: Uint8Array;
  readonly view: DataView;
  readonly buffers: readonly Uint8Array[];
}

export interface Job {
  readonly queue?: number;
  readonly flags?: number;
  readonly timeoutSec?: number;
  readonly seq?: number;
}

/** An address of host memory that device and test share. */
export interface SharedBuffer {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly hostAddress: number;
  readonly deviceAddress: number;
  free(): Promise<void>;
}

export class Client {
  readonly env: Env;
  readonly link: Link;
  readonly node: string;
  asid = 0;
  #nextId = 1;

  private constructor(env: Env, link: Link, node: string) {
    this.env = env;
    this.link = link;
    this.node = node;
  }

  /** A connection that has said HELLO, and OPEN when a node is named. Throws the HlError of OPEN. */
  static async connect(env: Env, node = ''): Promise<Client> {
    return Client.#greet(new Client(env, await env.transport.connect(), node));
  }

  /** One that opens nothing, for looking at the kernel from outside. */
  static async observer(env: Env): Promise<Client> {
    return Client.#greet(new Client(env, await env.transport.observe(), ''));
  }

  static async #greet(client: Client): Promise<Client> {
    const { node } = client;
    try {
      await client.call('HELLO', { version: PROTOCOL_VERSION, program: 'conformance' });
      if (node !== '') {
        const { asid, sideToken } = await client.call('OPEN', { node });
        client.asid = asid;
        if (!node.includes('control')) {
          await client.link.attachSide(sideToken);
        }
      }
    } catch (error) {
      await client.link.close();
      throw error;
    }
    return client;
  }

  get isPrimary(): boolean {
    return /^hl\d/.test(this.node);
  }

  // --- calls -----------------------------------------------------------------------------------------------------------

  /** Under way: does not make time pass. For calls that wait while the test does something else. */
  start<N extends IoctlName>(name: N, req: Req<N>): Promise<Answer<N>> {
    const answer = this.#ask(name, req);
    // A test that fails before it comes to the answer closes the file: that is no second failure.
    answer.catch(() => {});
    return answer;
  }

  async #ask<N extends IoctlName>(name: N, req: Req<N>): Promise<Answer<N>> {
    const entry = entryOf(name);
    const reply = await this.link.exchange([this.#nextId++, entry.code, toWire(entry, req)]);
    if (reply[1] === 0) {
      return { errno: '', sentence: '', res: resFromWire(entry, reply[2]) as Res<N> };
    }
    const code = errnoCode(Number(reply[1]));
    assert(code !== undefined, `${name}: ${String(reply[1])} is no errno of the contract`);
    return { errno: code, sentence: String(reply[2] ?? ''), res: undefined };
  }

  /** Whatever comes of it; time passes until it is answered. */
  attempt<N extends IoctlName>(name: N, req: Req<N>): Promise<Answer<N>> {
    return this.env.finish(this.start(name, req));
  }

  /** Has to succeed. */
  async call<N extends IoctlName>(name: N, req: Req<N>): Promise<Res<N>> {
    const { errno, sentence, res } = await this.attempt(name, req);
    if (errno !== '' || res === undefined) {
      throw new HlError(errno === '' ? 'EIO' : errno, sentence, name);
    }
    return res;
  }

  /** Has to fail with `errno`; nothing else may happen than `effect` says. */
  async fails<N extends IoctlName>(errno: ErrnoCode, name: N, req: Req<N>, effect: Effect = {}): Promise<void> {
    const probe = name === 'CS' && effect.seq !== 'unchecked';
    const before = probe ? await this.probeSeq() : 0;
    const was = await snapshot(this);
    const answer = await this.attempt(name, req);
    assert.equal(answer.errno, errno, `${name} answered ${answer.errno || 'success'} (${answer.sentence})`);
    assert.deepEqual(
      differences(was, await snapshot(this), this.#inThisMode(name, effect)),
      [],
      `${name} failed with ${errno} and changed something`,
    );
    if (probe) {
      const consumed = (await this.probeSeq()) - before - 1;
      assert.equal(consumed, effect.seq === 'consumed' ? 1 : 0, 'sequence numbers the failed submission took');
    }
  }

  /** The preload library maps the ring of completed sequences with the first wait, which then counts as the file's memory. */
  #inThisMode(name: IoctlName, effect: Effect): Effect {
    if (this.env.mode !== 'shim' || name !== 'WAIT_CS') {
      return effect;
    }
    return { ...effect, except: [...(effect.except ?? []), `client ${this.node} ${this.asid}.memory.hostBytes`] };
  }

  /** ioctl(2) as a C program makes it: number, size it was compiled with, bytes. */
  async raw(nr: number, block: Uint8Array, buffers: readonly (Uint8Array | null)[] = []): Promise<RawAnswer> {
    return this.ioctl(commandNumber(nr, block.length), block, buffers);
  }

  async ioctl(command: number, block: Uint8Array, buffers: readonly (Uint8Array | null)[] = []): Promise<RawAnswer> {
    const reply = await this.env.finish(this.link.exchange([this.#nextId++, command, block, [...buffers]], 'raw'));
    const [, number, out, answers] = reply as [number, number, Uint8Array, Uint8Array[]];
    const errno = number === 0 ? '' : errnoCode(number);
    assert(errno !== undefined, `${number} is no errno of the contract`);
    const view = new DataView(out.buffer, out.byteOffset, out.byteLength);
    return { errno, block: out, view, buffers: answers ?? [] };
  }

  async close(): Promise<void> {
    await this.link.close();
  }

  // --- memory ----------------------------------------------------------------------------------------------------------

  async map(offset: bigint): Promise<Uint8Array> {
    const place = await this.call('MMAP', { offset });
    return this.link.segment(place.segment, place.segmentSize).subarray(place.offset, place.offset + place.length);
  }

  /** A command buffer that holds these packets and is no longer mapped. */
  async commandBuffer(content: Packets): Promise<{ handle: bigint; size: number }> {
    const { words } = content;
    const size = words.length * 4;
    const { handle } = await this.call('CB_CREATE', { size: Math.max(4096, size), flags: 0 });
    const bytes = await this.map(handle);
    new Uint32Array(bytes.buffer, bytes.byteOffset, words.length).set(words);
    await this.call('MUNMAP', { offset: handle });
    return { handle, size };
  }

  /** Host memory the device reaches. */
  async hostMemory(size: number): Promise<SharedBuffer> {
    const { handle, address } = await this.call('HOST_ALLOC', { size });
    const bytes = (await this.map(handle)).subarray(0, size);
    const { deviceVirtAddr } = await this.call('MEMORY_MAP_HOST', {
      hostVirtAddr: address,
      hintAddr: 0,
      size,
      flags: 4,
    });
    return {
      bytes,
      words: new Uint32Array(bytes.buffer, bytes.byteOffset, size >>> 2),
      hostAddress: address,
      deviceAddress: deviceVirtAddr,
      free: async () => {
        await this.call('MEMORY_UNMAP', { deviceVirtAddr });
        await this.call('MUNMAP', { offset: handle });
        await this.call('HOST_FREE', { handle });
      },
    };
  }

  /** `size` bytes the device sees at `address`, fetched by DMA. */
  async peek(address: number, size: number): Promise<Uint8Array> {
    const buffer = await this.hostMemory(Math.max(size, 4096));
    await this.run(packets().copy(address, buffer.deviceAddress, size), { queue: 4 });
    const copy = buffer.bytes.slice(0, size);
    await buffer.free();
    return copy;
  }

  // --- work ------------------------------------------------------------------------------------------------------------

  /** A chunk with these packets; its command buffer is destroyed as soon as the submission has copied it. */
  async chunk(content: Packets, queue = 0): Promise<Chunk> {
    const { handle, size } = await this.commandBuffer(content);
    return { handle, queueIndex: queue, size, flags: 0 };
  }

  /** Submits one job and returns its sequence number. */
  async submit(content: Packets, { queue = 0, flags = 0, timeoutSec = 0, seq = 0 }: Job = {}): Promise<number> {
    const chunk = await this.chunk(content, queue);
    try {
      return (await this.call('CS', cs([chunk], { flags, timeoutSec, seq }))).seq;
    } finally {
      await this.attempt('CB_DESTROY', { handle: chunk.handle as Req<'CB_DESTROY'>['handle'] });
    }
  }

  async wait(seq: number, timeoutUs: bigint = FOREVER_US): Promise<Res<'WAIT_CS'>> {
    return this.call('WAIT_CS', { seq, timeoutUs, flags: 0 });
  }

  /** Has to be complete, at the latest when nothing moves any more. */
  async completed(seq: number): Promise<void> {
    const { status } = await this.wait(seq, 10_000_000n);
    assert.equal(status, WAIT_STATUS.COMPLETED, `submission ${seq} is not complete`);
  }

  async busy(seq: number): Promise<void> {
    const { status } = await this.wait(seq, 0n);
    assert.equal(status, WAIT_STATUS.BUSY, `submission ${seq} is complete`);
  }

  /** Submits, waits, and has to succeed. */
  async run(content: Packets, job: Job = {}): Promise<number> {
    const seq = await this.submit(content, job);
    await this.completed(seq);
    return seq;
  }

  /** The number the next submission gets is one more than this one's. */
  probeSeq(): Promise<number> {
    return this.run(packets().nop(), { queue: 7 });
  }

  /** Work on a queue that goes on only when released: with a packet on `from`. */
  async blocked({
    queue = 0,
    from = 6,
    ...job
  }: Job & { from?: number } = {}): Promise<{ seq: number; release: () => Promise<void> }> {
    const seq = await this.submit(packets().fence(1), { queue, ...job });
    await this.#busy(queue >> 2);
    return {
      seq,
      release: async () => {
        await this.run(packets().release(queue, 1), { queue: from });
      },
    };
  }

  /** The device has begun: from here on nothing changes until somebody does something. Or it is in no state to be asked. */
  async #busy(engine: number): Promise<void> {
    for (let tries = 0; tries < MOST_TRIES; tries++) {
      const { res } = await this.attempt('INFO_HW_IDLE', {});
      if (res === undefined || (res.busyEnginesMask & (1 << engine)) !== 0) {
        return;
      }
    }
    throw new Error(`engine ${engine} did not begin`);
  }

  async counters(): Promise<Res<'INFO_CS_COUNTERS'>> {
    return this.call('INFO_CS_COUNTERS', {});
  }
}

/** The request of a submission; what is not given is 0 or empty. */
export function cs(chunksExecute: readonly Chunk[], more: Partial<Omit<Req<'CS'>, 'chunksExecute'>> = {}): Req<'CS'> {
  return { chunksRestore: [], seq: 0, timeoutSec: 0, flags: 0, ...more, chunksExecute: [...chunksExecute] };
}
