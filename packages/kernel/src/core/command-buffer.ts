/**
 * Objects of a file's handle tables: command buffers, timestamp buffers, host buffers (uapi.md 3.1, 3.4, 5.9).
 *
 * Owns: their memory and their lifetime. References: one from creation, one a live mapping, one a temporary user; the
 * handle stays valid until the last one is gone. Command and timestamp buffers share one numbering, as in the driver;
 * host buffers, our own addition, have another, so that no program sees gaps it would not see there.
 * Must not know submissions: a submission copies a command buffer's bytes and lets go of it (uapi.md 3.5).
 */
import { errno, RefCounted } from '@pedrera/base';
import { hostBufferAddress } from '@pedrera/uapi';
import type { Birth } from './caller.js';
import type { Context } from './context.js';
import type { HandleTable } from './handle-table.js';
import type { HostRange } from './host-memory.js';
import type { OpenFile } from './open-file.js';

/** Bytes of one record of a timestamp buffer. */
const TIMESTAMP_BYTES = 8;
/** Beyond it, the address of a host buffer would be no exact number any more. */
const MAX_HOST_BUFFER_ID =
  (Number.MAX_SAFE_INTEGER - hostBufferAddress(0)) / (hostBufferAddress(1) - hostBufferAddress(0)) - 1;

/** What all kinds have in common: an id in a table of the file, host memory, at most one live mapping by the client. */
export abstract class HostObject extends RefCounted {
  readonly file: OpenFile;
  readonly range: HostRange;
  readonly id: number;
  readonly birth: Birth;
  /** The client has this object mapped; the mapping holds a reference. */
  mapped = false;
  /** The creation reference is gone: the owner destroyed the handle. */
  destroyed = false;
  readonly #table: HandleTable<HostObject>;

  constructor(kind: string, file: OpenFile, table: HandleTable<HostObject>, range: HostRange) {
    super(kind, file.tracker);
    this.file = file;
    this.range = range;
    this.#table = table;
    this.birth = file.caller.birth();
    this.id = table.add(this);
  }

  /** Takes the mapping reference. Errors: EINVAL for another length, or when it is mapped already (uapi.md 3.3). */
  map(length: number = this.range.length): void {
    if (length !== this.range.length) {
      throw errno('EINVAL', `${this.kind} ${this.id} is mapped whole, ${this.range.length} bytes, not ${length}`);
    }
    if (this.mapped) {
      throw errno('EINVAL', `${this.kind} ${this.id} is mapped already; unmap it first`);
    }
    this.mapped = true;
    this.get();
  }

  unmap(): void {
    if (!this.mapped) {
      throw errno('EINVAL', `${this.kind} ${this.id} is not mapped`);
    }
    this.mapped = false;
    this.put();
  }

  /**
   * Drops the creation reference. A second call while the mapping keeps the object alive answers EINVAL; the driver of
   * 6.1 would free the memory under the mapping there (uapi.md 3.4, docs/decisions).
   */
  destroy(): void {
    if (this.destroyed) {
      throw errno('EINVAL', `${this.kind} ${this.id} was destroyed already and only lives on in its mapping`);
    }
    this.destroyed = true;
    this.put();
  }

  protected override release(): void {
    this.#table.remove(this.id);
    this.file.hostMemory.free(this.range);
  }
}

/** Memory for packets. `size` is what was asked for, at least one page; the parser reads [0, size). */
export class CommandBuffer extends HostObject {
  readonly size: number;
  readonly context: Context;
  /** Jobs that run the buffer in place; on Gaudi none does, they run a copy (uapi.md 3.5). */
  readonly csCount = 0;

  constructor(file: OpenFile, context: Context, size: number) {
    super('command buffer', file, file.handles, file.hostMemory.allocate(size));
    this.size = size;
    // The buffer keeps the context (uapi.md 1.7).
    this.context = context.get();
  }

  protected override release(): void {
    super.release();
    this.context.put();
  }
}

/** Records of user interrupts, which Gaudi has none of: it can be made, mapped and destroyed (uapi.md 5.9). */
export class TimestampBuffer extends HostObject {
  readonly elements: number;

  /** Errors: ENOMEM, also for no elements. */
  constructor(file: OpenFile, elements: number) {
    if (elements === 0) {
      throw errno('ENOMEM', 'a timestamp buffer of no elements');
    }
    super('timestamp buffer', file, file.handles, file.hostMemory.allocate(elements * TIMESTAMP_BYTES));
    this.elements = elements;
  }
}

/** Host memory a TypeScript client shares with the daemon and, once mapped, with the device. Our own addition. */
export class HostBuffer extends HostObject {
  readonly size: number;

  /** `shareable`: in memory of its own, so that it can be exported. */
  constructor(file: OpenFile, size: number, shareable = false) {
    if (file.hostBuffers.nextId > MAX_HOST_BUFFER_ID) {
      throw errno('ENOMEM', `this file holds ${MAX_HOST_BUFFER_ID} host buffers, as many as have an address`);
    }
    super('host buffer', file, file.hostBuffers, file.hostMemory.allocate(size, shareable));
    this.size = size;
  }

  /** What MEMORY MAP takes as its host address: a name of this memory, no pointer of any process. */
  get address(): number {
    return hostBufferAddress(this.id);
  }
}
