/**
 * A daemon for this package's tests: it speaks the protocol over a real socket and does nothing but what a test says.
 *
 * Owns: answers to every call, which a test replaces one by one, and one segment of shared memory.
 * Must not know: the contract's rules; that a real daemon keeps them is tested elsewhere.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HlError } from '@pedrera/base';
import {
  byCode,
  COMPLETION_RING_OFFSET,
  commandBufferHandle,
  type Entry,
  HOST_BUFFER_ADDRESS_BASE,
  hostBufferHandle,
  type IoctlName,
  MAX_FRAME_BYTES,
  MAX_PENDING,
  memoryHandle,
  PROTOCOL_VERSION,
  type Req,
  type Res,
  reqFromWire,
  resToWire,
} from '@pedrera/uapi';
import { type Connection, type Listener, listen, type MappedView, SharedMemory } from '@pedrera/wire';

/** An answer; a promise of one; `silence` for none at all. */
export const silence: unique symbol = Symbol('silence');
type Answer<N extends IoctlName> = Res<N> | typeof silence;
type Answers = { [N in IoctlName]?: (req: Req<N>) => Answer<N> | Promise<Answer<N>> };

export interface SeenCall {
  readonly name: IoctlName;
  readonly req: Readonly<Record<string, unknown>>;
}

const SEGMENT = 7;
const SEGMENT_BYTES = 4 * 1024 * 1024;
const PAGE = 4096;
const DEVICE_ADDRESS = 0x1_0000_0020_0000;

export class FakeDaemon {
  readonly socketPath: string;
  /** Every call but those of a connection's beginning, in order of arrival. */
  readonly calls: SeenCall[] = [];
  /** What a test wants answered otherwise. */
  answers: Answers = {};
  /** Request id of the last call. */
  lastId = 0;
  #listener: Listener | undefined;
  #side: Connection | undefined;
  readonly #directory: string;
  readonly #memory = SharedMemory.create('fake-daemon', SEGMENT_BYTES);
  readonly #view: MappedView = this.#memory.map(0, SEGMENT_BYTES);
  readonly #places = new Map<bigint, number>();
  #nextPlace = 0;
  #nextId = 1;
  #nextSeq = 1;

  private constructor() {
    this.#directory = mkdtempSync(join(tmpdir(), 'pedrera-thunk-'));
    this.socketPath = join(this.#directory, 'd.sock');
  }

  static async start(answers: Answers = {}): Promise<FakeDaemon> {
    const daemon = new FakeDaemon();
    daemon.answers = answers;
    const onConnection = (connection: Connection): void => daemon.#serve(connection);
    daemon.#listener = await listen(daemon.socketPath, { maxFrameBytes: MAX_FRAME_BYTES, onConnection });
    return daemon;
  }

  /** Names of the calls seen, for order. */
  get names(): IoctlName[] {
    return this.calls.map(({ name }) => name);
  }

  /** The completion ring as the daemon writes it. */
  publish(seq: number): void {
    const at = this.#places.get(COMPLETION_RING_OFFSET);
    if (at === undefined) throw new Error('nobody has mapped the completion ring');
    Atomics.store(new Uint32Array(this.#view.bytes.buffer, at, MAX_PENDING), seq % MAX_PENDING, seq >>> 0);
  }

  /** The bytes of an object somebody has mapped. */
  bytesOf(offset: bigint, length: number): Uint8Array {
    const at = this.#places.get(offset) ?? Number.NaN;
    return this.#view.bytes.slice(at, at + length);
  }

  /** Says something that no handler would, to every client. */
  say(message: readonly unknown[]): void {
    for (const connection of this.#listener?.connections ?? []) if (connection !== this.#side) connection.send(message);
  }

  /** Dies: all connections break at once. */
  kill(): Promise<void> {
    return this.#listener?.close() ?? Promise.resolve();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    this.#view.unmap();
    this.#memory.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #serve(connection: Connection): void {
    connection.onMessage((message) => {
      const [id, code, args] = message as [number, number, unknown];
      const entry = byCode(code);
      this.lastId = id;
      if (entry === undefined) throw new Error(`no call has the code ${code}`);
      void this.#answer(connection, id, entry, reqFromWire(entry, args));
    });
  }

  async #answer(connection: Connection, id: number, entry: Entry, req: object): Promise<void> {
    if (!['HELLO', 'OPEN', 'SIDE_CHANNEL'].includes(entry.name))
      this.calls.push({ name: entry.name, req: req as Record<string, unknown> });
    try {
      const given = this.answers[entry.name] as ((req: object) => unknown) | undefined;
      const result = given === undefined ? this.#default(connection, entry.name, req) : await given(req);
      if (result !== silence) connection.send([id, 0, resToWire(entry, result as object)]);
    } catch (error) {
      if (!(error instanceof HlError)) throw error;
      connection.send([id, error.errno, error.detail ?? '']);
    }
  }

  #default(connection: Connection, name: IoctlName, req: object): object {
    switch (name) {
      case 'HELLO':
        return {
          version: PROTOCOL_VERSION,
          daemonPid: process.pid,
          policy: 'shared',
          devices: 2,
          maxFrameBytes: MAX_FRAME_BYTES,
          maxInFlight: 8,
          build: 'fake',
        };
      case 'OPEN':
        return {
          device: Number.parseInt((req as Req<'OPEN'>).node.replace(/^\D+/, ''), 10),
          asid: 1,
          sideToken: new Uint8Array(16).fill(3),
        };
      case 'SIDE_CHANNEL':
        this.#side = connection;
        return {};
      case 'MMAP':
        return this.#mmap(req as Req<'MMAP'>);
      case 'CB_CREATE':
        return { handle: commandBufferHandle(this.#nextId++) };
      case 'HOST_ALLOC':
        return { handle: hostBufferHandle(this.#nextId++), address: HOST_BUFFER_ADDRESS_BASE };
      case 'MEMORY_ALLOC':
        return { handle: memoryHandle(this.#nextId++) };
      case 'MEMORY_MAP_HOST':
      case 'MEMORY_MAP_DEVICE':
        return { deviceVirtAddr: DEVICE_ADDRESS };
      case 'CS':
        return { seq: this.#nextSeq++, status: 0, sobBaseAddrOffset: 0, sobCountBeforeSubmission: 0 };
      case 'WAIT_CS':
        return { status: 0, flags: 0, timestampNs: 0n };
      case 'INFO_DEVICE_STATUS':
        return { status: 0 };
      case 'SYNC_LEASE':
        return {
          dcore: (req as Req<'SYNC_LEASE'>).dcore,
          firstSyncObject: 16,
          syncObjects: 16,
          firstMonitor: 4,
          monitors: 4,
        };
      default:
        return {};
    }
  }

  #mmap({ offset }: Req<'MMAP'>): Res<'MMAP'> {
    const length = offset === COMPLETION_RING_OFFSET ? MAX_PENDING * 4 : 4 * PAGE;
    if (this.#places.size === 0) this.#side?.sendDescriptor(SEGMENT, this.#memory.fd);
    const at = this.#places.get(offset) ?? this.#nextPlace;
    if (!this.#places.has(offset)) this.#nextPlace += length;
    this.#places.set(offset, at);
    return { segment: SEGMENT, segmentSize: SEGMENT_BYTES, offset: at, length };
  }
}
