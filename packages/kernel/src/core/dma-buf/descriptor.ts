/**
 * A number in an open file's table of descriptors: a dma-buf or a sync file, and what may be done with it.
 *
 * Owns: one hold on its object, the file flags, the tokens made of it.
 * Must not know the table, or how a descriptor came to be.
 */
import { errno } from '@pedrera/base';
import { DMABUF_KIND, FILE_FLAGS } from '@pedrera/uapi';
import { SyncFile } from '../fence/sync-file.js';
import { DmaBuf, type Hold } from './dma-buf.js';
import type { DmaBufRegistry, TokenRights } from './registry.js';

export type SharedObject = DmaBuf | SyncFile;

const KEPT_FLAGS = FILE_FLAGS.O_WRONLY | FILE_FLAGS.O_RDWR | FILE_FLAGS.O_NONBLOCK | FILE_FLAGS.O_CLOEXEC;

/** What of the flags a caller gives is kept (uapi.md 6.2). */
export function fileFlags(flags: number): number {
  return flags & KEPT_FLAGS;
}

export interface DescriptorRights {
  readonly flags: number;
  /** Given through a token that was for reading: the device may not write either, whatever the flags say. */
  readonly readOnly: boolean;
}

export class Descriptor {
  readonly object: SharedObject;
  readonly flags: number;
  readonly readOnly: boolean;
  readonly #hold: Hold | undefined;
  readonly #registry: DmaBufRegistry;
  #token: string | undefined;
  #otherTokens: Set<string> | undefined;

  /** Takes a reference of its own. */
  constructor(registry: DmaBufRegistry, object: SharedObject, pid: number, { flags, readOnly }: DescriptorRights) {
    this.#registry = registry;
    this.object = object;
    this.flags = flags;
    this.readOnly = readOnly;
    this.#hold = object instanceof DmaBuf ? object.hold('descriptor', pid) : undefined;
    if (this.#hold === undefined) {
      object.get();
    }
  }

  get kind(): number {
    return kindOf(this.object);
  }

  /** Errors: whatever `other` is, for a sync file. */
  dmaBuf(other: 'EINVAL' | 'ENOTTY' | 'ESPIPE' | 'ENODEV'): DmaBuf {
    if (!(this.object instanceof DmaBuf)) {
      throw errno(other, `the descriptor is that of sync file ${this.object.name}, not of a dma-buf`);
    }
    return this.object;
  }

  /** Errors: whatever `other` is, for a dma-buf. */
  syncFile(other: 'EINVAL' | 'ENOTTY' | 'ENOENT'): SyncFile {
    if (!(this.object instanceof SyncFile)) {
      throw errno(other, `the descriptor is that of dma-buf ${this.object.id}, not of a sync file`);
    }
    return this.object;
  }

  /** A name to hand to others. Without special rights always the same one. */
  token(rights: TokenRights = { once: false, readOnly: false }): string {
    const readOnly = rights.readOnly || this.readOnly;
    if (rights.once || rights.readOnly) {
      const token = this.#registry.name(this, { once: rights.once, readOnly });
      this.#otherTokens ??= new Set();
      this.#otherTokens.add(token);
      return token;
    }
    this.#token ??= this.#registry.name(this, { once: false, readOnly });
    return this.#token;
  }

  /** A token for one use was used. */
  endToken(token: string): void {
    this.#registry.unname(token);
    this.#otherTokens?.delete(token);
  }

  /** From here on nobody new gets at the object through this descriptor. */
  endTokens(): void {
    if (this.#token !== undefined) {
      this.#registry.unname(this.#token);
      this.#token = undefined;
    }
    for (const token of this.#otherTokens ?? []) {
      this.#registry.unname(token);
    }
    this.#otherTokens = undefined;
  }

  /** Once. */
  close(): void {
    this.endTokens();
    if (this.#hold === undefined) {
      this.object.put();
    } else {
      this.#hold.release();
    }
  }
}

/** One of DMABUF_KIND. */
export function kindOf(object: SharedObject): number {
  if (object instanceof SyncFile) {
    return DMABUF_KIND.SYNC_FILE;
  }
  switch (object.exporter.kind) {
    case 'memory':
      return DMABUF_KIND.MEMORY;
    case 'sync-objects':
      return DMABUF_KIND.SYNC_OBJECTS;
    case 'host':
      return DMABUF_KIND.HOST_MEMORY;
  }
}
