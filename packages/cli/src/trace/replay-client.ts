/**
 * One recorded client, made again: its connection, what its calls answer, the memory it had mapped.
 *
 * Owns: requests by id, the side channel, mapped segments. Must not know in which order calls are to be made (replay.ts).
 */
import { closeSync } from 'node:fs';
import { ERRNO, errnoCode } from '@pedrera/base';
import { type CallRecord, ENTRIES, type Entry, entryOf, MAX_FRAME_BYTES, resFromWire, toWire } from '@pedrera/uapi';
import { type Connection, connect, type MappedView, SharedMemory, SideChannel } from '@pedrera/wire';

export interface Answer {
  readonly errno: string | null;
  readonly res: Record<string, unknown> | null;
}

interface Window {
  readonly segment: number;
  readonly offset: number;
  readonly length: number;
}

const BY_NAME = new Map(ENTRIES.map((entry) => [entry.name as string, entry]));
const SIDE_REQUEST_ID = 1;
const PAGE_BYTES = 4096n;
const GONE: Answer = { errno: 'ENODEV', res: null };

export class ReplayClient {
  readonly #connection: Connection;
  readonly #socketPath: string;
  readonly #waiting = new Map<number, { readonly entry: Entry; readonly answer: (answer: Answer) => void }>();
  readonly #closed: Promise<void>;
  #nextId = 1;
  #side: SideChannel | undefined;
  readonly #segments = new Map<number, MappedView>();
  readonly #early = new Map<number, number>();
  /** Mapped objects by their handles. */
  readonly #windows = new Map<bigint, Window>();

  private constructor(connection: Connection, socketPath: string) {
    this.#connection = connection;
    this.#socketPath = socketPath;
    this.#closed = new Promise((resolve) => {
      connection.onClose(() => {
        for (const { answer } of this.#waiting.values()) answer(GONE);
        this.#waiting.clear();
        resolve();
      });
    });
    connection.onProtocolError(() => connection.destroy());
    connection.onMessage((message) => this.#received(message));
  }

  static async connect(socketPath: string): Promise<ReplayClient> {
    return new ReplayClient(await connect(socketPath, { maxFrameBytes: MAX_FRAME_BYTES }), socketPath);
  }

  /** Makes the call; never rejects. Raw calls are made in the typed spelling: handlers see the same. */
  call(record: CallRecord, req: Record<string, unknown>): Promise<Answer> {
    const entry = BY_NAME.get(record.call);
    if (entry === undefined || this.#connection.closed) return Promise.resolve(GONE);
    const id = this.#nextId++;
    return new Promise((resolve) => {
      this.#waiting.set(id, { entry, answer: (answer) => resolve(this.#answered(record, req, answer)) });
      this.#connection.send([id, entry.code, toWire(entry, req)]);
    });
  }

  /** Descriptors of this client's memory arrive on a connection of their own from here on. */
  async attachSide(token: Uint8Array): Promise<Answer> {
    const side = SideChannel.connect(this.#socketPath);
    const entry = entryOf('SIDE_CHANNEL');
    const reply = await side.exchange([SIDE_REQUEST_ID, entry.code, toWire(entry, { token })], MAX_FRAME_BYTES);
    if (reply[1] !== 0) {
      side.close();
      return answerOf(entry, reply);
    }
    this.#side = side;
    return { errno: null, res: {} };
  }

  /**
   * Host memory of this process, empty, in the place of what the recorded program had pinned, with the same offset in its page. Returns
   * how many calls that took.
   */
  async standIn(record: CallRecord, req: Record<string, unknown>): Promise<number> {
    const within = Number(BigInt(req.hostVirtAddr as bigint) % PAGE_BYTES);
    const own = (call: string, fields: Record<string, unknown>) => this.call({ ...record, call }, fields);
    const { res } = await own('HOST_ALLOC', { size: Number(req.size) + within });
    if (res === null) return 1;
    await this.call(record, { ...req, hostVirtAddr: Number(res.address) + within });
    // What is mapped stays good until it is unmapped.
    await own('HOST_FREE', { handle: res.handle });
    return 3;
  }

  /** False when the object is not mapped. */
  restore(handle: bigint, offset: number, bytes: Uint8Array): boolean {
    const window = this.#windows.get(handle);
    const view = window === undefined ? undefined : this.#segments.get(window.segment);
    if (window === undefined || view === undefined || offset + bytes.length > window.length) return false;
    view.bytes.set(bytes, window.offset + offset);
    return true;
  }

  /** Resolves when the daemon has released all of it, if it had a side channel; its end says so. */
  async close(): Promise<void> {
    this.#connection.close();
    for (const view of this.#segments.values()) view.unmap();
    this.#segments.clear();
    for (const fd of this.#early.values()) closeSync(fd);
    this.#early.clear();
    await this.#closed;
    await this.#side?.ended();
    this.#side?.close();
    this.#side = undefined;
  }

  #received(message: readonly unknown[]): void {
    const id = Number(message[0]);
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    waiting.answer(answerOf(waiting.entry, message));
  }

  #answered(record: CallRecord, req: Record<string, unknown>, answer: Answer): Answer {
    if (record.call === 'MMAP' && answer.res !== null && typeof req.offset === 'bigint')
      this.#map(req.offset, answer.res);
    // A C program writes a command buffer, unmaps it, and hands it in: its window is there until it is gone.
    if (record.call === 'CB_DESTROY' || record.call === 'HOST_FREE') this.#windows.delete(BigInt(req.handle as bigint));
    return answer;
  }

  #map(handle: bigint, res: Record<string, unknown>): void {
    const [segment, size] = [Number(res.segment), Number(res.segmentSize)];
    if (!this.#segments.has(segment)) {
      const fd = this.#descriptor(segment);
      if (fd === undefined) return;
      const memory = SharedMemory.fromFd(fd, size);
      this.#segments.set(segment, memory.map(0, size));
      memory.close();
    }
    this.#windows.set(handle, { segment, offset: Number(res.offset), length: Number(res.length) });
  }

  /** It was sent before the reply that names it. */
  #descriptor(tag: number): number | undefined {
    while (this.#side !== undefined) {
      const early = this.#early.get(tag);
      if (early !== undefined) {
        this.#early.delete(tag);
        return early;
      }
      const received = this.#side.receiveDescriptor();
      this.#early.set(received.tag, received.fd);
    }
    return undefined;
  }
}

function answerOf(entry: Entry, message: readonly unknown[]): Answer {
  const error = Number(message[1]);
  if (error !== 0) return { errno: errnoCode(error) ?? Object.keys(ERRNO)[0] ?? 'EIO', res: null };
  return { errno: null, res: resFromWire(entry, message[2]) as Record<string, unknown> };
}
