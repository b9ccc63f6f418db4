/**
 * A fence that programs can hold (uapi.md 6.5).
 *
 * Owns: its name, the callback that polling needs, the reference on its fence.
 * References: each descriptor. Must not know descriptors or calls.
 */
import { errno, RefCounted } from '@pedrera/base';
import type { Birth } from '../caller.js';
import type { DmaFence, FenceRegistration } from './dma-fence.js';
import { mergeFences, unwrapFence } from './unwrap.js';
import { POLL_IN, WaitQueue } from './wait-queue.js';

/** Bytes of a name field, with the terminating zero. */
const NAME_BYTES = 32;

export interface SyncMergeRequest {
  readonly name: string;
  readonly flags: number;
  readonly pad: number;
}

export interface SyncFenceInfo {
  readonly objName: string;
  readonly driverName: string;
  /** 1 signalled, 0 pending, negative: error. */
  readonly status: number;
  readonly flags: 0;
  /** 0 while pending. */
  readonly timestampNs: number;
}

export interface SyncFileInfo {
  readonly name: string;
  readonly status: number;
  readonly flags: 0;
  readonly numFences: number;
  readonly fences: readonly SyncFenceInfo[];
}

export class SyncFile extends RefCounted {
  readonly fence: DmaFence;
  /** The call that gave out its first descriptor. */
  birth: Birth | undefined;
  /** Told when it has signalled. */
  readonly queue = new WaitQueue();
  readonly #userName: string;
  #registration: FenceRegistration | undefined;
  #pollEnabled = false;

  /** Takes a reference of its own on the fence. Without a name it is called after its fence. */
  constructor(fence: DmaFence, userName = '') {
    super('sync-file', fence.domain.tracker);
    this.fence = fence.get();
    this.#userName = clip(userName);
  }

  get name(): string {
    return this.#userName === '' ? clip(this.fence.name) : this.#userName;
  }

  /** POLL_IN once it has signalled, with or without an error; otherwise 0, and the queue is told when it has. */
  poll(): number {
    if (!this.#pollEnabled) {
      this.#pollEnabled = true;
      this.#registration = this.fence.watch(() => this.queue.wake(POLL_IN));
    }
    return this.fence.signalled ? POLL_IN : 0;
  }

  /**
   * SYNC_IOC_MERGE: a file of its own for both; `other` undefined when the second descriptor is none of a sync file.
   * Errors: EINVAL, then ENOENT.
   */
  merge({ name, flags, pad }: SyncMergeRequest, other: SyncFile | undefined): SyncFile {
    requireZero(flags, pad);
    if (other === undefined) {
      throw errno('ENOENT', 'the second descriptor is not a sync file');
    }
    using fence = mergeFences(this.fence.domain, [this.fence, other.fence]);
    return new SyncFile(fence, name);
  }

  /** SYNC_IOC_FILE_INFO: `numFences` is the room the caller has; 0 asks for name, status and count only. Errors: EINVAL. */
  info({ flags, pad, numFences }: { flags: number; pad: number; numFences: number }): SyncFileInfo {
    requireZero(flags, pad);
    const fences = unwrapFence(this.fence);
    if (numFences === 0) {
      return { name: this.name, status: this.fence.status, flags: 0, numFences: fences.length, fences: [] };
    }
    if (numFences < fences.length) {
      throw errno('EINVAL', `room for ${numFences} fences, sync file ${this.name} has ${fences.length}`);
    }
    const infos = fences.map(describe);
    const status = infos.find((info) => info.status <= 0)?.status ?? 1;
    return { name: this.name, status, flags: 0, numFences: infos.length, fences: infos };
  }

  protected override release(): void {
    this.#registration?.remove();
    this.fence.put();
  }
}

function describe(fence: DmaFence): SyncFenceInfo {
  const { driverName, timelineName } = fence.timeline;
  const { status } = fence;
  return {
    objName: clip(timelineName),
    driverName: clip(driverName),
    status,
    flags: 0,
    timestampNs: fence.timestampNs,
  };
}

function requireZero(flags: number, pad: number): void {
  if (flags !== 0 || pad !== 0) {
    throw errno('EINVAL', `flags ${flags} and pad ${pad}: both must be 0`);
  }
}

/** What fits into a name field, in whole characters. */
function clip(name: string): string {
  const bytes = new Uint8Array(NAME_BYTES - 1);
  const { read } = new TextEncoder().encodeInto(name, bytes);
  return name.slice(0, read);
}
