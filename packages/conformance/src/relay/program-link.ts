/**
 * One open file of a C program: the calls of the table as open(2), ioctl(2), mmap(2) and close(2) of a process that the preload
 * library is in.
 *
 * Owns: how each call is spelled there, and the memory that program and test share. Must not know what a call does.
 */
import { ERRNO } from '@pedrera/base';
import {
  byCode,
  decodeArgs,
  decodeReply,
  type Entry,
  encodeCall,
  type IoctlName,
  PROTOCOL_VERSION,
  type Req,
  type Res,
  reqFromWire,
  resToWire,
  SIDE_TOKEN_BYTES,
} from '@pedrera/uapi';
import type { MappedView } from '@pedrera/wire';
import { DoesNotApply, ownCall } from '../framework/does-not-apply.js';
import type { Link, Spelling } from '../framework/transport.js';
import { type IoctlOutcome, readOutcome, spellIoctl } from './ioctl-bytes.js';
import { pointersOf } from './pointers.js';
import { viewOf } from './program-memory.js';
import { OPERATION, type Operation, type RelayAnswer, type RelayProcess } from './relay-process.js';

const O_RDWR = 2;
const PROT_READ_WRITE = 3;
const PAGE = 4096;
/** Standard input and its like. */
const FIRST_OWN_DESCRIPTOR = 3;
/** Unlike any of the driver's (uapi.md 2.9). */
const MEMORY_HANDLES = 0x7000_0000_0000_0000n;

/** What a test shares with every file of its program. */
export interface Program {
  readonly process: RelayProcess;
  /** Which context an open file of the program got. */
  asidOf(node: string, pid: number): Promise<number>;
}

interface Mapping {
  readonly address: bigint;
  readonly length: number;
}

interface Result {
  /** errno; 0 for success. */
  readonly error: number;
  readonly res: object;
}

export class ProgramLink implements Link {
  readonly #program: Program;
  readonly #views = new Map<number, MappedView>();
  /** By offset: what mmap made. */
  readonly #mapped = new Map<bigint, Mapping>();
  /** Its own memory, by handles that only this file knows. */
  readonly #memory = new Map<bigint, Mapping>();
  /** Sizes that mmap needs to be told, by handle. */
  readonly #sizes = new Map<bigint, number>();
  #greeted = false;
  #node = '';
  #fd = -1;
  #running = 0;
  #closed = false;

  constructor(program: Program) {
    this.#program = program;
  }

  get closed(): boolean {
    return this.#closed;
  }

  async exchange(message: unknown[], spelling: Spelling = 'typed'): Promise<readonly unknown[]> {
    const [id] = message;
    if (this.#closed) {
      throw new Error('the connection was closed');
    }
    this.#running++;
    try {
      if (spelling === 'raw') {
        const [, command, block, buffers] = message as [unknown, number, Uint8Array, (Uint8Array | null)[]];
        const outcome = await this.#ioctl(command, block, buffers);
        return [id, outcome.error, outcome.block, outcome.buffers, ''];
      }
      const entry = byCode(Number(message[1]));
      if (entry === undefined) {
        throw new DoesNotApply('asks for a code that is no call, which a C program cannot');
      }
      const { error, res } = await this.#call(entry, reqFromWire(entry, message[2]));
      return error === 0 ? [id, 0, resToWire(entry, res)] : [id, error, 'as the C program saw it'];
    } finally {
      this.#running--;
    }
  }

  async attachSide(): Promise<void> {
    // The library has one of its own.
  }

  segment(id: number): Uint8Array {
    const view = this.#views.get(id);
    if (view === undefined) {
      throw new Error(`nothing is mapped as ${id}`);
    }
    return view.bytes;
  }

  descriptor(): number {
    throw new DoesNotApply('receives descriptors by itself, which the library does for a C program');
  }

  async close(): Promise<void> {
    if (this.#closed) {
      return;
    }
    this.#closed = true;
    for (const view of this.#views.values()) {
      view.unmap();
    }
    this.#views.clear();
    const done: Promise<unknown>[] = [];
    for (const { address, length } of [...this.#mapped.values(), ...this.#memory.values()]) {
      done.push(this.#ask(OPERATION.MUNMAP, [address, length]));
    }
    if (this.#fd >= 0) {
      done.push(this.#ask(OPERATION.CLOSE, [this.#fd]));
    }
    // A call that waits holds the file, as it does in Linux; the end of the program ends it.
    const all = Promise.all(done);
    all.catch(() => {});
    if (this.#running === 0) {
      await all;
    }
  }

  #ask(operation: Operation, numbers: readonly (number | bigint)[], bytes?: Uint8Array): Promise<RelayAnswer> {
    return this.#program.process.ask(operation, numbers, bytes);
  }

  // --- ioctl -----------------------------------------------------------------------------------------------------------

  async #ioctl(command: number, block: Uint8Array, buffers: readonly (Uint8Array | null)[]): Promise<IoctlOutcome> {
    if (this.#fd < 0) {
      throw new DoesNotApply('calls on a connection that has opened nothing: a C program has no such thing');
    }
    const magic = this.#node.startsWith('hli') ? 'I' : 'H';
    const { entry } = decodeArgs(command, block, [], magic);
    const pointers = entry === null ? [] : pointersOf(entry, block, buffers);
    const bytes = spellIoctl(block, pointers);
    const answer = await this.#ask(OPERATION.IOCTL, [this.#fd, command, block.length, pointers.length], bytes);
    return readOutcome({ entry, block, pointers }, answer);
  }

  async #call(entry: Entry, req: object): Promise<Result> {
    const own = OWN[entry.name];
    if (own !== undefined) {
      return own(this, req as never);
    }
    if (entry.abi === undefined) {
      throw new DoesNotApply(ownCall(entry.name));
    }
    const meant =
      entry.name === 'INFO_REGISTER_EVENTFD' ? await this.#withEventFd(req as Req<'INFO_REGISTER_EVENTFD'>) : req;
    const { cmd, block, buffers } = encodeCall(entry, meant);
    const outcome = await this.#ioctl(cmd, block, buffers);
    const res = outcome.error === 0 ? decodeReply(entry, outcome) : {};
    if (outcome.error === 0) {
      this.#note(entry.name, meant, res);
    }
    return { error: outcome.error, res };
  }

  /** The test's eventfd as one of the program's. */
  async #withEventFd(req: Req<'INFO_REGISTER_EVENTFD'>): Promise<Req<'INFO_REGISTER_EVENTFD'>> {
    const taken = await this.#ask(OPERATION.TAKE, [process.pid, req.eventfd]);
    if (taken.error === ERRNO.EBADF) {
      return req;
    }
    if (taken.error !== 0) {
      throw new DoesNotApply('shares an eventfd with the C program, which the rules of this machine forbid');
    }
    return { eventfd: Number(taken.value) };
  }

  #note(name: IoctlName, req: object, res: object): void {
    if (name === 'CB_CREATE') {
      this.#sizes.set((res as Res<'CB_CREATE'>).handle, (req as Req<'CB_CREATE'>).size);
    } else if (name === 'MEMORY_TS_ALLOC') {
      this.#sizes.set((res as Res<'MEMORY_TS_ALLOC'>).handle, 8 * (req as Req<'MEMORY_TS_ALLOC'>).numOfElements);
    }
  }

  // --- what stands for the own calls ------------------------------------------------------------------------------------

  async hello({ version }: Req<'HELLO'>): Promise<Result> {
    if (this.#greeted || version !== PROTOCOL_VERSION) {
      throw new DoesNotApply('is about HELLO, which the library says for a C program');
    }
    this.#greeted = true;
    const nothing = { daemonPid: 0, policy: '', devices: 0, maxFrameBytes: 0, maxInFlight: 0, build: '' };
    return { error: 0, res: { version, ...nothing } };
  }

  async open({ node }: Req<'OPEN'>): Promise<Result> {
    if (this.#fd >= 0) {
      throw new DoesNotApply('opens twice on one connection: each open(2) of a C program has its own');
    }
    const { error, value } = await this.#ask(OPERATION.OPEN, [O_RDWR], Buffer.from(`/dev/${node}`));
    if (error !== 0) {
      return { error, res: {} };
    }
    this.#fd = Number(value);
    this.#node = node;
    const asid = await this.#program.asidOf(node, this.#program.process.pid);
    const device = Number(/\d+$/.exec(node)?.[0] ?? 0);
    return { error, res: { device, asid, sideToken: new Uint8Array(SIDE_TOKEN_BYTES) } };
  }

  async mmap({ offset, length }: Req<'MMAP'>): Promise<Result> {
    const known = Math.max(1, this.#sizes.get(offset) ?? PAGE);
    const size = length ?? Math.ceil(known / PAGE) * PAGE;
    const own = this.#memory.get(offset);
    if (own !== undefined) {
      return this.#place(own);
    }
    const { error, value } = await this.#ask(OPERATION.MMAP, [this.#fd, size, offset, PROT_READ_WRITE]);
    if (error !== 0) {
      return { error, res: {} };
    }
    const mapping = { address: value, length: size };
    this.#mapped.set(offset, mapping);
    return this.#place(mapping);
  }

  async munmap({ offset }: Req<'MUNMAP'>): Promise<Result> {
    if (this.#memory.has(offset)) {
      return { error: 0, res: {} };
    }
    const mapping = this.#mapped.get(offset);
    if (mapping === undefined) {
      throw new DoesNotApply('unmaps what is not mapped: munmap(2) has nothing against that');
    }
    this.#mapped.delete(offset);
    await this.#ask(OPERATION.MUNMAP, [mapping.address, mapping.length]);
    return { error: 0, res: {} };
  }

  async hostAlloc({ size, flags = 0 }: Req<'HOST_ALLOC'>): Promise<Result> {
    if (flags !== 0) {
      throw new DoesNotApply(ownCall('HOST_ALLOC'));
    }
    const length = Math.ceil(size / PAGE) * PAGE;
    const { error, value } = await this.#ask(OPERATION.MEMORY, [length]);
    if (error !== 0) {
      throw new Error(`the C program has no ${size} bytes of memory: errno ${error}`);
    }
    const handle = MEMORY_HANDLES | value;
    this.#memory.set(handle, { address: value, length });
    return { error, res: { handle, address: Number(value) } };
  }

  async hostFree({ handle }: Req<'HOST_FREE'>): Promise<Result> {
    const mapping = this.#memory.get(handle);
    if (mapping === undefined) {
      throw new DoesNotApply(ownCall('HOST_FREE'));
    }
    this.#memory.delete(handle);
    await this.#ask(OPERATION.MUNMAP, [mapping.address, mapping.length]);
    return { error: 0, res: {} };
  }

  async closeDescriptor({ fd }: Req<'DMABUF_CLOSE'>): Promise<Result> {
    if (fd >= 0 && fd < FIRST_OWN_DESCRIPTOR) {
      throw new DoesNotApply('closes a descriptor that a C program has for something else');
    }
    const { error } = await this.#ask(OPERATION.CLOSE, [fd]);
    return { error, res: {} };
  }

  async seek({ fd, offset, whence }: Req<'DMABUF_SEEK'>): Promise<Result> {
    const { error, value } = await this.#ask(OPERATION.SEEK, [fd, offset, whence]);
    return { error, res: { position: Number(value) } };
  }

  #place({ address, length }: Mapping): Result {
    const segment = this.#views.size + 1;
    this.#views.set(segment, viewOf(this.#program.process.pid, address, length));
    return { error: 0, res: { segment, segmentSize: length, offset: 0, length } };
  }
}

type OwnCall = (link: ProgramLink, req: never) => Promise<Result>;

/** What a C program does in place of the calls that it has no ioctl for. */
const OWN: Readonly<Partial<Record<IoctlName, OwnCall>>> = {
  HELLO: (link, req: Req<'HELLO'>) => link.hello(req),
  OPEN: (link, req: Req<'OPEN'>) => link.open(req),
  MMAP: (link, req: Req<'MMAP'>) => link.mmap(req),
  MUNMAP: (link, req: Req<'MUNMAP'>) => link.munmap(req),
  HOST_ALLOC: (link, req: Req<'HOST_ALLOC'>) => link.hostAlloc(req),
  HOST_FREE: (link, req: Req<'HOST_FREE'>) => link.hostFree(req),
  DMABUF_CLOSE: (link, req: Req<'DMABUF_CLOSE'>) => link.closeDescriptor(req),
  DMABUF_SEEK: (link, req: Req<'DMABUF_SEEK'>) => link.seek(req),
};
