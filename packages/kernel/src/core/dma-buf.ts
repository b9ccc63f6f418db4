/**
 * Memory and sync objects shared between contexts and devices (uapi.md 6).
 *
 * Owns: the exported objects, the tokens that name them, who imported them.
 * References of an object: each descriptor of an exporter, each attachment of an importer. It holds its memory and the
 * exporting context. Must not know how an importer maps it.
 */
import { randomBytes } from 'node:crypto';
import { errno, type LeakTracker, RefCounted } from '@pedrera/base';
import type { Context } from './context.js';
import type { Allocation } from './device-memory.js';
import type { Piece } from './mapping.js';

export type DmaBufKind = 'memory' | 'sync-objects';

export interface Importer {
  readonly pid: number;
  readonly device: number;
  readonly asid: number;
  readonly address: number;
}

export interface DmaBufFields {
  readonly kind: DmaBufKind;
  readonly size: number;
  /** As the exporting device sees it; importers elsewhere reach it over the bus. */
  readonly pieces: readonly Piece[];
  readonly exporter: Context;
  readonly allocation: Allocation | undefined;
  readonly bornNs: number;
}

export class DmaBuf extends RefCounted {
  readonly id: number;
  readonly fields: DmaBufFields;
  readonly importers = new Set<Importer>();
  #token: string | undefined;
  readonly #registry: DmaBufRegistry;

  constructor(registry: DmaBufRegistry, id: number, fields: DmaBufFields, tracker: LeakTracker) {
    super('dma-buf', tracker);
    this.#registry = registry;
    this.id = id;
    this.fields = fields;
    fields.exporter.get();
    if (fields.allocation !== undefined) {
      fields.allocation.get();
      fields.allocation.exports++;
    }
  }

  /** Unguessable; whoever holds it may import, for as long as the object lives. */
  get token(): string {
    if (this.#token === undefined) {
      this.#token = randomBytes(32).toString('hex');
      this.#registry.name(this.#token, this);
    }
    return this.#token;
  }

  /** The last descriptor is closed: the token names nothing any more. */
  endToken(): void {
    if (this.#token !== undefined) {
      this.#registry.unname(this.#token);
      this.#token = undefined;
    }
  }

  /** True while the file that exported it is open. */
  get exporterAlive(): boolean {
    return this.fields.exporter.lost === undefined;
  }

  protected override release(): void {
    this.endToken();
    this.#registry.forget(this);
    const { allocation, exporter } = this.fields;
    if (allocation !== undefined) {
      allocation.exports--;
      allocation.put();
    }
    exporter.put();
  }
}

export class DmaBufRegistry {
  readonly #tracker: LeakTracker;
  readonly #objects = new Set<DmaBuf>();
  readonly #tokens = new Map<string, DmaBuf>();
  #nextId = 1;

  constructor(tracker: LeakTracker) {
    this.#tracker = tracker;
  }

  [Symbol.iterator](): IterableIterator<DmaBuf> {
    return this.#objects.values();
  }

  /** Born with one reference, the exporter's descriptor. */
  create(fields: DmaBufFields): DmaBuf {
    const object = new DmaBuf(this, this.#nextId++, fields, this.#tracker);
    this.#objects.add(object);
    return object;
  }

  /** Takes a reference. Errors: ENOENT for a token that names nothing, or nothing any more. */
  lookup(token: string): DmaBuf {
    const object = this.#tokens.get(token);
    if (object === undefined) {
      throw errno('ENOENT', 'no dma-buf has this token; it was never given out, or its last holder is gone');
    }
    return object.get();
  }

  name(token: string, object: DmaBuf): void {
    this.#tokens.set(token, object);
  }

  unname(token: string): void {
    this.#tokens.delete(token);
  }

  forget(object: DmaBuf): void {
    this.#objects.delete(object);
  }
}
