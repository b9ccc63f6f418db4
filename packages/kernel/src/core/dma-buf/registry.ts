/**
 * All dma-bufs of a machine, and the names they and sync files can be had by (uapi.md 6).
 *
 * Owns: the ids, the tokens, and which two devices reach each other.
 * A token names a descriptor: it gives what that gives, or less, and ends with it. Must not know whose descriptor it is.
 */
import { randomBytes } from 'node:crypto';
import { type Clock, errno, type LeakTracker } from '@pedrera/base';
import { TOKEN_FLAGS } from '@pedrera/uapi';
import type { FenceDomain } from '../fence/fence-domain.js';
import type { Descriptor } from './descriptor.js';
import { DmaBuf } from './dma-buf.js';
import type { DmaBufExporter, ImporterDevice } from './exporter.js';

export interface TokenRights {
  readonly once: boolean;
  readonly readOnly: boolean;
}

interface Token extends TokenRights {
  readonly descriptor: Descriptor;
}

/** Errors: EINVAL. */
export function tokenRights(flags: number): TokenRights {
  if ((flags & ~(TOKEN_FLAGS.ONCE | TOKEN_FLAGS.READ_ONLY)) !== 0) {
    throw errno('EINVAL', `flags 0x${flags.toString(16)} of a token; ONCE (1) and READ_ONLY (2) are known`);
  }
  return { once: (flags & TOKEN_FLAGS.ONCE) !== 0, readOnly: (flags & TOKEN_FLAGS.READ_ONLY) !== 0 };
}

export interface DmaBufRegistryOptions {
  readonly clock: Clock;
  readonly tracker: LeakTracker;
  readonly fences: FenceDomain;
  /**
   * How far it is from an importer to the memory of a device; below 0 there is no way (pci_p2pdma_distance). Everything reaches
   * everything unless a machine description says otherwise.
   */
  readonly distance?: (importer: ImporterDevice, device: number) => number;
}

export class DmaBufRegistry {
  readonly fences: FenceDomain;
  readonly #clock: Clock;
  readonly #tracker: LeakTracker;
  readonly #distance: (importer: ImporterDevice, device: number) => number;
  readonly #objects = new Set<DmaBuf>();
  readonly #tokens = new Map<string, Token>();
  #nextId = 1;

  constructor({ clock, tracker, fences, distance = () => 0 }: DmaBufRegistryOptions) {
    this.#clock = clock;
    this.#tracker = tracker;
    this.fences = fences;
    this.#distance = distance;
  }

  [Symbol.iterator](): IterableIterator<DmaBuf> {
    return this.#objects.values();
  }

  get size(): number {
    return this.#objects.size;
  }

  /** How many names there are; each ends with its descriptor. */
  get tokenCount(): number {
    return this.#tokens.size;
  }

  /** Born with one reference, the caller's. When it throws, the exporter is released. */
  create(exporter: DmaBufExporter): DmaBuf {
    let object: DmaBuf;
    try {
      object = new DmaBuf({
        id: this.#nextId,
        exporter,
        fences: this.fences,
        tracker: this.#tracker,
        bornNs: this.#clock.nowNs(),
        owner: this,
      });
    } catch (error) {
      exporter.release();
      throw error;
    }
    this.#nextId++;
    this.#objects.add(object);
    return object;
  }

  reaches(importer: ImporterDevice, device: number): boolean {
    return this.#distance(importer, device) >= 0;
  }

  /** Unguessable. */
  name(descriptor: Descriptor, rights: TokenRights): string {
    const token = randomBytes(32).toString('hex');
    this.#tokens.set(token, { descriptor, ...rights });
    return token;
  }

  unname(token: string): void {
    this.#tokens.delete(token);
  }

  /**
   * Calls `use` with what the token names; one for a single use is spent if that succeeds. Errors: ENOENT for a token that names
   * nothing, or nothing any more; those of `use`.
   */
  redeem<T>(token: string, use: (descriptor: Descriptor, readOnly: boolean) => T): T {
    const found = this.#tokens.get(token);
    if (found === undefined) {
      throw errno('ENOENT', 'no dma-buf has this token; it was never given out, or its last holder is gone');
    }
    const { descriptor, once, readOnly } = found;
    const result = use(descriptor, readOnly);
    if (once) {
      descriptor.endToken(token);
    }
    return result;
  }

  /** Of DmaBuf only. */
  forget(object: DmaBuf): void {
    this.#objects.delete(object);
  }
}
