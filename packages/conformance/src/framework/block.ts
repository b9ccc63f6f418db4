/**
 * Arg blocks as a C program fills them: bytes at offsets, by hand from uapi.md 2.6, not from the table under test.
 */
export class Block {
  readonly bytes: Uint8Array;
  readonly #view: DataView;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.#view = new DataView(this.bytes.buffer);
  }

  u64(at: number, value: number | bigint): this {
    this.#view.setBigUint64(at, BigInt(value), true);
    return this;
  }

  u32(at: number, value: number): this {
    this.#view.setUint32(at, value, true);
    return this;
  }

  u8(at: number, value: number): this {
    this.#view.setUint8(at, value);
    return this;
  }

  /** What a handler must not have touched shows. */
  fill(value: number): this {
    this.bytes.fill(value);
    return this;
  }
}

/** Sizes of the arg blocks by ioctl number (uapi.md 2.1). */
export const BLOCK_SIZE = { INFO: 24, CB: 24, CS: 48, WAIT_CS: 56, WAIT_CS_2021: 24, MEMORY: 40, DEBUG: 40 } as const;

/** Behind it lies whatever buffer travels with the call. */
export const SOME_POINTER = 0x7f00_0000_1000n;

/** No program has memory there. */
export const NO_MEMORY = 16n;

export function block(size: number): Block {
  return new Block(size);
}

/** An INFO question of a C program. */
export function infoBlock(op: number, returnSize: number, argument = 0, pointer: bigint = SOME_POINTER): Uint8Array {
  return block(BLOCK_SIZE.INFO).u64(0, pointer).u32(8, returnSize).u32(12, op).u32(16, argument).bytes;
}

/** struct hl_cs_chunk, 64 bytes. */
export function rawChunk({ handle = 0n, queue = 0, size = 0, flags = 0, engine = 0 }): Uint8Array {
  return block(64).u64(0, handle).u32(8, queue).u32(12, size).u32(16, flags).u32(20, engine).bytes;
}

/** hl_cs_in with execute chunks. */
export function csBlock({ execute = 1, flags = 0, seq = 0n, timeout = 0, pointer = SOME_POINTER }): Uint8Array {
  return block(BLOCK_SIZE.CS).u64(8, pointer).u64(16, seq).u32(28, execute).u32(32, timeout).u32(36, flags).bytes;
}
