/**
 * One ioctl for the C program: what it is to have in its memory, and what it found there afterwards.
 *
 * Owns: the bytes behind an IOCTL frame (struct pointer of relay/calls.c) and its answer. Must not know sockets or processes.
 */
import assert from 'node:assert/strict';
import type { Entry } from '@pedrera/uapi';
import { type Pointer, writtenBytes } from './pointers.js';

const KIND = { given: 1, empty: 2, nowhere: 3 } as const;
const HEAD_BYTES = 16;
/** What room is filled with before the call. */
const UNTOUCHED = 0xa5;

export interface IoctlOutcome {
  /** errno; 0 for success. */
  readonly error: number;
  readonly block: Uint8Array;
  /** What the call has written behind the block's pointer. */
  readonly buffers: readonly Uint8Array[];
}

export function spellIoctl(block: Uint8Array, pointers: readonly Pointer[]): Uint8Array {
  return Buffer.concat([block, ...pointers.map(spellPointer)]);
}

function spellPointer({ holder, at, behind }: Pointer): Uint8Array {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUInt32LE(holder, 0);
  head.writeUInt32LE(at, 4);
  head.writeUInt32LE(KIND[behind.kind], 8);
  head.writeUInt32LE(sizeOf(behind), 12);
  return behind.kind === 'given' ? Buffer.concat([head, behind.bytes]) : head;
}

function sizeOf(behind: Pointer['behind']): number {
  if (behind.kind === 'nowhere') {
    return 0;
  }
  return behind.kind === 'given' ? behind.bytes.length : behind.size;
}

/** `bytes`: the block, then every buffer in its order. Fails if what the call must leave alone has changed. */
export function readOutcome(
  { entry, block: given, pointers }: { entry: Entry | null; block: Uint8Array; pointers: readonly Pointer[] },
  { error, bytes }: { readonly error: number; readonly bytes: Uint8Array },
): IoctlOutcome {
  const block = bytes.slice(0, given.length);
  const buffers: Uint8Array[] = [];
  let at = given.length;
  for (const pointer of pointers) {
    const size = sizeOf(pointer.behind);
    const now = bytes.subarray(at, at + size);
    at += size;
    if (pointer.behind.kind !== 'empty' || entry?.abi === undefined) {
      continue;
    }
    const written = error === 0 ? Math.min(writtenBytes(entry.abi, block), size) : 0;
    const beyond = now.subarray(written);
    assert(
      beyond.every((byte) => byte === UNTOUCHED),
      `${entry.name} wrote behind the ${written} bytes it was to write`,
    );
    if (error === 0) {
      buffers.push(now.slice(0, written));
    }
  }
  return { error, block, buffers };
}
