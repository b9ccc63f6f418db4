/**
 * The descriptors of one open file, of whatever node: numbers for dma-bufs and sync files.
 *
 * Owns: which number names which object, how many there may be, what happens to them when the file closes.
 * References: each descriptor holds its object. Must not know the file.
 */
import { errno } from '@pedrera/base';
import type { Birth } from '../caller.js';
import { HandleTable } from '../handle-table.js';
import { Descriptor, type DescriptorRights, type SharedObject } from './descriptor.js';
import { DmaBuf } from './dma-buf.js';
import type { DmaBufRegistry } from './registry.js';

/** As many as a process usually may have. */
const MAX_DESCRIPTORS = 1024;

export interface DescriptorHolder {
  readonly pid: number;
  /** Of what is put into the table first. */
  readonly birth: () => Birth;
}

export class DescriptorTable {
  readonly #holder: DescriptorHolder;
  readonly #descriptors = new HandleTable<Descriptor>();

  constructor(holder: DescriptorHolder) {
    this.#holder = holder;
  }

  get size(): number {
    return this.#descriptors.size;
  }

  values(): IterableIterator<Descriptor> {
    return this.#descriptors.values();
  }

  /** Takes no reference. Errors: EBADF. */
  peek(fd: number): Descriptor {
    const descriptor = this.#descriptors.peek(fd);
    if (descriptor === undefined) {
      throw errno('EBADF', `descriptor ${fd} is not open in this file`);
    }
    return descriptor;
  }

  /** For calls to which a number that names nothing is like one that names something else. */
  peekObject(fd: number): SharedObject | undefined {
    return this.#descriptors.peek(fd)?.object;
  }

  /** Errors: EMFILE. */
  checkRoom(): void {
    if (this.#descriptors.size >= MAX_DESCRIPTORS) {
      throw errno('EMFILE', `this file holds ${MAX_DESCRIPTORS} descriptors already`);
    }
  }

  /** Takes over the caller's reference on the object, also when it fails. Errors: EMFILE. */
  add(registry: DmaBufRegistry, object: SharedObject, rights: DescriptorRights): number {
    try {
      this.checkRoom();
      if (object.birth === undefined) {
        object.birth = this.#holder.birth();
        if (object instanceof DmaBuf) {
          object.fileFlags = rights.flags;
        }
      }
      return this.#descriptors.add(new Descriptor(registry, object, this.#holder.pid, rights));
    } finally {
      object.put();
    }
  }

  /** Who has attached or mapped the object keeps it; nobody new can redeem its tokens. Errors: EBADF. */
  close(fd: number): void {
    const descriptor = this.peek(fd);
    this.#descriptors.remove(fd);
    descriptor.close();
  }

  /** The file closes, and what it does before its descriptors go takes time: from now on nobody new gets at anything through them. */
  endTokens(): void {
    for (const descriptor of this.#descriptors.values()) {
      descriptor.endTokens();
    }
  }

  closeAll(): void {
    for (const fd of [...this.#descriptors.ids()]) {
      this.close(fd);
    }
  }
}
