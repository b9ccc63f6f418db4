/**
 * Transfers of one open file between its regions and those of others, in order, a slice at a time.
 *
 * Owns: what is under way, how each ended, who waits for that. A region that goes away in the middle of a transfer ends it
 * with an error; what was moved until then stays. Must not know calls.
 */
import { errno } from '@pedrera/base';
import { MAX_RDMA_IN_FLIGHT, MR_ACCESS, RDMA_OP, RDMA_STATUS } from '@pedrera/uapi';
import type { MemoryRegion } from './memory-region.js';
import type { RdmaFabric } from './nic.js';

/** Moved before others get a turn. */
const SLICE_BYTES = 4 * 2 ** 20;
/** Completions nobody took; more transfers are refused until some are. */
const MAX_COMPLETIONS = 64 * 1024;

export interface TransferRequest {
  /** One of RDMA_OP. */
  readonly op: number;
  readonly local: MemoryRegion;
  readonly offset: number;
  /** Of the other region. */
  readonly key: string;
  readonly remoteOffset: number;
  readonly size: number;
}

export interface Completion {
  readonly id: number;
  /** One of RDMA_STATUS. */
  readonly status: number;
  /** Moved; with an error, what was moved before it. */
  readonly bytes: number;
}

interface Waiter {
  readonly max: number;
  resolve(completions: Completion[]): void;
  reject(error: Error): void;
}

export class TransferQueue {
  readonly #fabric: RdmaFabric;
  readonly #waiting: { readonly id: number; readonly request: TransferRequest }[] = [];
  #completions: Completion[] = [];
  #waiters: Waiter[] = [];
  /** Since the file was opened. */
  posted = 0;
  #nextId = 1;
  /** Of the first one in the queue. */
  #moved = 0;
  #scheduled = false;
  #closed = false;

  constructor(fabric: RdmaFabric) {
    this.#fabric = fabric;
  }

  get inFlight(): number {
    return this.#waiting.length;
  }

  /** Returns the transfer's number. Errors: EINVAL, EPERM, EAGAIN. Whatever is wrong with the other side shows when it is carried out. */
  post(request: TransferRequest): number {
    const { op, local, offset, size } = request;
    if (op !== RDMA_OP.WRITE && op !== RDMA_OP.READ) {
      throw errno('EINVAL', `${op} is no transfer; 0 writes, 1 reads`);
    }
    if (!local.has(offset, size)) {
      throw errno('EINVAL', `[${offset}, +${size}) is no range of the own region, which has ${local.size} bytes`);
    }
    if (op === RDMA_OP.READ && !local.writable) {
      throw errno('EPERM', 'the own region was given for reading: nothing can be read into it');
    }
    if (this.#waiting.length >= MAX_RDMA_IN_FLIGHT || this.#completions.length >= MAX_COMPLETIONS) {
      throw errno(
        'EAGAIN',
        `${this.#waiting.length} transfers are under way, ${this.#completions.length} completions not taken`,
      );
    }
    const id = this.#nextId;
    this.#nextId = id === 0xffff_ffff ? 1 : id + 1;
    this.posted++;
    this.#waiting.push({ id, request });
    this.#schedule();
    return id;
  }

  /** Oldest first. */
  poll(max: number): Completion[] {
    return this.#completions.splice(0, max);
  }

  /** At least one, or none when nothing is under way that could bring one. Errors: EINTR when the file closes. */
  wait(max: number): Completion[] | Promise<Completion[]> {
    if (this.#completions.length > 0 || this.#waiting.length === 0) {
      return this.poll(max);
    }
    return new Promise((resolve, reject) => this.#waiters.push({ max, resolve, reject }));
  }

  /** The file goes: what is under way is dropped, who waits hears of it. */
  close(): void {
    this.#closed = true;
    this.#waiting.length = 0;
    this.#completions = [];
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const { reject } of waiters) {
      reject(errno('EINTR', 'the file was closed'));
    }
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting.length === 0) {
      return;
    }
    this.#scheduled = true;
    this.#fabric.later(() => {
      this.#scheduled = false;
      if (!this.#closed) {
        this.#turn();
        this.#schedule();
      }
    });
  }

  /** One slice of bytes, of as many transfers as that is. */
  #turn(): void {
    for (let left = SLICE_BYTES; left > 0; ) {
      const first = this.#waiting[0];
      if (first === undefined) {
        break;
      }
      const { request } = first;
      const status = this.#obstacle(request);
      const count = status === undefined ? Math.min(left, request.size - this.#moved) : 0;
      if (count > 0) {
        this.#move(request, this.#moved, count);
        this.#moved += count;
      }
      // A transfer of no bytes costs a look.
      left -= Math.max(count, 1);
      if (status !== undefined || this.#moved === request.size) {
        this.#waiting.shift();
        this.#completions.push({ id: first.id, status: status ?? RDMA_STATUS.SUCCESS, bytes: this.#moved });
        this.#moved = 0;
      }
    }
    this.#wake();
  }

  /** What stands in the way of the next slice, as the status it ends with. */
  #obstacle({ op, local, key, remoteOffset, size }: TransferRequest): number | undefined {
    const remote = this.#fabric.region(key);
    if (local.dead !== undefined) {
      return RDMA_STATUS.LOCAL_PROTECTION;
    }
    if (remote !== undefined && !this.#fabric.connected(local.nic, remote.nic)) {
      return RDMA_STATUS.RETRY_EXCEEDED;
    }
    const needed = op === RDMA_OP.WRITE ? MR_ACCESS.REMOTE_WRITE : MR_ACCESS.REMOTE_READ;
    if (remote === undefined || (remote.range.access & needed) === 0 || !remote.has(remoteOffset, size)) {
      return RDMA_STATUS.REMOTE_ACCESS;
    }
    return remote.dead === undefined ? undefined : RDMA_STATUS.REMOTE_OPERATION;
  }

  #move({ op, local, offset, key, remoteOffset }: TransferRequest, done: number, count: number): void {
    const here = local.memory;
    const there = (this.#fabric.region(key) as MemoryRegion).memory;
    if (op === RDMA_OP.WRITE) {
      here.copyTo(offset + done, there, remoteOffset + done, count);
    } else {
      there.copyTo(remoteOffset + done, here, offset + done, count);
    }
  }

  #wake(): void {
    while (this.#waiters.length > 0 && (this.#completions.length > 0 || this.#waiting.length === 0)) {
      const { max, resolve } = this.#waiters.shift() as Waiter;
      resolve(this.poll(max));
    }
  }
}
