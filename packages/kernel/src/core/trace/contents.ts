/**
 * What a recording holds of clients' memory, so that it can be replayed: command buffers and host buffers as they are when work is
 * handed in, and digests of all memory when a client or the recording ends.
 *
 * Owns: which pages were recorded already. Fresh memory is zero, so pages that were never written are not recorded at all.
 * Must not know connections. Costs time in proportion to the memory a client has, which only recordings of this kind pay.
 */
import { createHash } from 'node:crypto';
import { commandBufferHandle, hostBufferHandle, TRACE_KIND } from '@pedrera/uapi';
import { CommandBuffer, HostBuffer, type HostObject } from '../command-buffer.js';
import type { OpenFile } from '../open-file.js';
import type { Recording } from './recording.js';
import type { Trace } from './trace.js';

const PAGE_BYTES = 4096;
const PAGE_WORDS = PAGE_BYTES / 4;
/** Pages of one record. */
const RUN_PAGES = 16;
/** Of a larger object the digest is of so many bytes of its beginning. */
const DIGESTED_BYTES = 64 * 2 ** 20;

/** Two words a page. */
type Seen = Uint32Array;

export class ContentsTrace {
  readonly #trace: Trace;
  readonly #seen = new WeakMap<HostObject, Seen>();
  #generation: object = {};
  readonly #generations = new WeakMap<HostObject, object>();

  constructor(trace: Trace) {
    this.#trace = trace;
    trace.onChange((begun) => {
      // A recording that begins has seen nothing yet.
      if (begun !== undefined) {
        this.#generation = {};
      }
    });
  }

  /** The client is about to hand in work, which may read all of this. */
  before(client: number, pid: number, file: OpenFile): void {
    for (const object of [...file.handles.values(), ...file.hostBuffers.values()]) {
      if (object instanceof CommandBuffer || object instanceof HostBuffer) {
        this.#changed(client, pid, object);
      }
    }
  }

  /** What memory holds now, of one recording or of all. */
  digests(client: number, pid: number, file: OpenFile, only?: Recording): void {
    const trace = this.#trace;
    const timeNs = trace.clock.nowNs();
    const tell = (of: 'host buffer' | 'device memory', handle: bigint, size: number, digest: Uint8Array) =>
      trace.each(TRACE_KIND.CONTENTS, pid, (writer, recording) => {
        if (only === undefined || recording === only) {
          writer.digest(timeNs, client, { of, handle, size, digest });
        }
      });
    for (const object of file.hostBuffers.values()) {
      if (object instanceof HostBuffer) {
        const bytes = object.range.bytes().subarray(0, Math.min(object.size, DIGESTED_BYTES));
        tell('host buffer', handleOf(object), object.size, createHash('sha256').update(bytes).digest());
      }
    }
    for (const { handle, size, extents } of file.context?.allocations ?? []) {
      const hash = createHash('sha256');
      let left = Math.min(size, DIGESTED_BYTES);
      for (const { address, size: extent } of extents) {
        const length = Math.min(extent, left);
        if (length > 0) {
          const view = file.device.memory.hbm.map(address, length);
          hash.update(view.bytes);
          view.unmap();
          left -= length;
        }
      }
      tell('device memory', BigInt(handle), size, hash.digest());
    }
  }

  #changed(client: number, pid: number, object: CommandBuffer | HostBuffer): void {
    const bytes = object.range.bytes();
    const pages = Math.ceil(bytes.length / PAGE_BYTES);
    const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length >>> 2);
    let seen = this.#seen.get(object);
    if (seen === undefined || this.#generations.get(object) !== this.#generation) {
      seen = new Uint32Array(2 * pages);
      this.#seen.set(object, seen);
      this.#generations.set(object, this.#generation);
    }
    let first = -1;
    for (let page = 0; page <= pages; page++) {
      const changed = page < pages && notePage(words, page, seen);
      if (first >= 0 && (!changed || page - first === RUN_PAGES)) {
        this.#tell(client, pid, object, { from: first * PAGE_BYTES, to: page * PAGE_BYTES });
        first = -1;
      }
      if (changed && first < 0) {
        first = page;
      }
    }
  }

  #tell(client: number, pid: number, object: HostObject, { from, to }: { from: number; to: number }): void {
    const timeNs = this.#trace.clock.nowNs();
    const bytes = object.range.bytes().subarray(from, to);
    this.#trace.each(TRACE_KIND.CONTENTS, pid, (writer) =>
      writer.contents(timeNs, client, handleOf(object), from, bytes),
    );
  }
}

function handleOf(object: HostObject): bigint {
  return object instanceof HostBuffer ? hostBufferHandle(object.id) : commandBufferHandle(object.id);
}

/** Remembers the page; whether it differs from what was remembered. A page of zeros is 0, 0. */
function notePage(words: Uint32Array, page: number, seen: Seen): boolean {
  let one = 0;
  let two = 0;
  const end = Math.min((page + 1) * PAGE_WORDS, words.length);
  for (let i = page * PAGE_WORDS; i < end; i++) {
    const word = words[i] as number;
    one = Math.imul(one, 0x0100_0193) ^ word;
    two = Math.imul(two ^ word, 0x85eb_ca6b);
    two ^= two >>> 13;
  }
  const changed = seen[2 * page] !== one >>> 0 || seen[2 * page + 1] !== two >>> 0;
  seen[2 * page] = one;
  seen[2 * page + 1] = two;
  return changed;
}
