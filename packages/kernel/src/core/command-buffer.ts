/**
 * Objects of the handle table: command buffers and host buffers (uapi.md 3.1, 3.4).
 *
 * Owns: their memory and their lifetime. References: one from creation, one a live mapping, one a temporary user; the
 * handle stays valid until the last one is gone.
 * Must not know submissions: a submission copies a command buffer's bytes and lets go of it (uapi.md 3.5).
 */
import { errno, RefCounted } from '@pedrera/base';
import { hostBufferAddress } from '@pedrera/uapi';
import type { Context } from './context.js';
import type { HostRange } from './host-memory.js';
import type { OpenFile } from './open-file.js';

/** What both kinds have in common: an id in the file's table, host memory, at most one live mapping by the client. */
export abstract class HostObject extends RefCounted {
  readonly file: OpenFile;
  readonly range: HostRange;
  readonly id: number;
  /** The client has this object mapped; the mapping holds a reference. */
  mapped = false;
  /** The creation reference is gone: the owner destroyed the handle. */
  destroyed = false;

  constructor(kind: string, file: OpenFile, range: HostRange) {
    super(kind, file.tracker);
    this.file = file;
    this.range = range;
    this.id = file.handles.add(this);
  }

  /** Takes the mapping reference. Errors: EINVAL when it is mapped already (uapi.md 3.3). */
  map(): void {
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
    this.file.handles.remove(this.id);
    this.file.hostMemory.free(this.range);
  }
}

/** Memory for packets. `size` is what was asked for, at least one page; the parser reads [0, size). */
export class CommandBuffer extends HostObject {
  readonly size: number;
  readonly context: Context;

  constructor(file: OpenFile, context: Context, size: number) {
    super('command buffer', file, file.hostMemory.allocate(size));
    this.size = size;
    // The buffer keeps the context (uapi.md 1.7).
    this.context = context.get();
  }

  protected override release(): void {
    super.release();
    this.context.put();
  }
}

/** Host memory a TypeScript client shares with the daemon and, once mapped, with the device. Our own addition. */
export class HostBuffer extends HostObject {
  readonly size: number;

  constructor(file: OpenFile, size: number) {
    super('host buffer', file, file.hostMemory.allocate(size));
    this.size = size;
  }

  /** What MEMORY MAP takes as its host address: a name of this memory, no pointer of any process. */
  get address(): number {
    return hostBufferAddress(this.id);
  }
}
