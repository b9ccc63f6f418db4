/**
 * Memory that several processes and threads map: sealed memfds and views of them.
 *
 * Owns: creation, sealing, mapping, unmapping. Must not know: what lies in it.
 *
 * Sealed against shrinking and growing, because a mapping beyond the end of its file kills whoever touches it (SIGBUS).
 */

import { fstatSync } from 'node:fs';
import { errno } from '@pedrera/base';
import { failure, MAP_FAILED, native, O, type Pointer } from './native.unsafe.js';

/** Sparse, so far more than any machine has; a larger size is a mistake, not a wish. */
export const MAX_SHARED_MEMORY_BYTES = 2 ** 40;
/** Typed arrays end here on the oldest Node that is supported. */
export const MAX_VIEW_BYTES = 2 ** 32;

const SEALS = O.F_SEAL_SHRINK | O.F_SEAL_GROW | O.F_SEAL_SEAL;
const NEEDED_SEALS = O.F_SEAL_SHRINK | O.F_SEAL_GROW;
const MAX_NAME_BYTES = 249;

export class SharedMemory {
  readonly size: number;
  #fd: number;

  private constructor(fd: number, size: number) {
    this.#fd = fd;
    this.size = size;
  }

  /** New memory, all zero, that costs nothing until it is touched. The name shows in /proc/<pid>/maps. Throws HlError EINVAL for an impossible size. */
  static create(name: string, size: number): SharedMemory {
    checkSize(size);
    if (Buffer.byteLength(name) > MAX_NAME_BYTES || name.includes('\0'))
      throw errno('EINVAL', `the memory name ${JSON.stringify(name)} is too long or has a zero byte`);
    const { libc } = native();
    const fd = libc.memfd_create(name, O.MFD_CLOEXEC | O.MFD_ALLOW_SEALING);
    if (fd < 0) throw failure('memfd_create', `"${name}"`);
    if (libc.ftruncate(fd, size) !== 0 || libc.fcntl(fd, O.F_ADD_SEALS, SEALS) !== 0) {
      const error = failure('ftruncate or fcntl(F_ADD_SEALS)', `"${name}" of ${size} bytes`);
      libc.close(fd);
      throw error;
    }
    return new SharedMemory(fd, size);
  }

  /**
   * Memory received from elsewhere; `fd` is taken over. Throws HlError EINVAL, and leaves `fd` open, unless it is at
   * least `size` bytes long and sealed against shrinking: nobody else may be able to make a mapping of ours fatal.
   */
  static fromFd(fd: number, size: number): SharedMemory {
    checkSize(size);
    const seals = native().libc.fcntl(fd, O.F_GET_SEALS, 0);
    if (seals < 0) throw errno('EINVAL', `descriptor ${fd} is not shareable memory`);
    if ((seals & NEEDED_SEALS) !== NEEDED_SEALS)
      throw errno('EINVAL', `the memory behind descriptor ${fd} can still change its size`);
    const actual = fstatSync(fd).size;
    if (actual < size)
      throw errno('EINVAL', `the memory behind descriptor ${fd} has ${actual} bytes, ${size} were announced`);
    return new SharedMemory(fd, size);
  }

  /** For passing to another process or thread. Throws HlError EBADF after close. */
  get fd(): number {
    if (this.#fd < 0) throw errno('EBADF', 'the shared memory is closed');
    return this.#fd;
  }

  /** Bytes of real memory behind it at this moment. */
  get allocatedBytes(): number {
    return fstatSync(this.fd).blocks * 512;
  }

  /** Maps `[offset, offset + length)`; `offset` at a page border. Outlives `close()`. */
  map(offset: number, length: number): MappedView {
    this.#checkRange(offset, length);
    if (length > MAX_VIEW_BYTES) throw errno('EINVAL', `a view of ${length} bytes; the most is ${MAX_VIEW_BYTES}`);
    const { libc } = native();
    if (offset % libc.getpagesize() !== 0)
      throw errno('EINVAL', `offset ${offset} is not at a border of pages of ${libc.getpagesize()} bytes`);
    const address = libc.mmap(null, length, O.PROT_READ | O.PROT_WRITE, O.MAP_SHARED, this.fd, offset);
    if (address === MAP_FAILED) throw failure('mmap', `${length} bytes of shared memory at offset ${offset}`);
    return new MappedView(address, length);
  }

  /** Gives the memory of a range back to the machine; it reads as zero from then on, in every mapping. */
  punchHole(offset: number, length: number): void {
    this.#checkRange(offset, length);
    if (native().libc.fallocate(this.fd, O.FALLOC_FL_PUNCH_HOLE | O.FALLOC_FL_KEEP_SIZE, offset, length) !== 0) {
      throw failure('fallocate(PUNCH_HOLE)', `${length} bytes at offset ${offset}`);
    }
  }

  /** Closes the descriptor; mappings stay. */
  close(): void {
    if (this.#fd < 0) return;
    native().libc.close(this.#fd);
    this.#fd = -1;
  }

  #checkRange(offset: number, length: number): void {
    const sound = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length > 0;
    if (!sound || offset + length > this.size)
      throw errno('EINVAL', `bytes [${offset}, +${length}) of shared memory with ${this.size} bytes`);
  }
}

function checkSize(size: number): void {
  if (!Number.isSafeInteger(size) || size <= 0 || size > MAX_SHARED_MEMORY_BYTES) {
    throw errno('EINVAL', `shared memory of ${size} bytes; allowed are 1 to ${MAX_SHARED_MEMORY_BYTES}`);
  }
}

interface AddressRange {
  readonly address: Pointer;
  readonly length: number;
}

// The addresses of a view are given back when the engine can prove that no buffer refers to them any more, and not before.
// So an address never carries two buffers, which the engine does not allow, and a stale buffer never shows somebody else's memory.
const addresses = new FinalizationRegistry<AddressRange>(({ address, length }) => {
  native().libc.munmap(address, length);
});

/** A mapping. `unmap()` it when the last user has let go; `using` works too. */
export class MappedView {
  readonly length: number;
  readonly #address: Pointer;
  #bytes: Uint8Array | null;

  /** Preconditions: `address` is the start of a fresh mapping of `length` bytes that is this object's from now on. */
  constructor(address: Pointer, length: number) {
    const buffer = native().view(address, length);
    addresses.register(buffer, { address, length });
    this.#address = address;
    this.length = length;
    this.#bytes = new Uint8Array(buffer);
  }

  /** The memory, over a plain ArrayBuffer. Throws HlError EFAULT after `unmap()`. */
  get bytes(): Uint8Array {
    if (this.#bytes === null) throw errno('EFAULT', `a view of ${this.length} bytes was used after it was unmapped`);
    return this.#bytes;
  }

  get mapped(): boolean {
    return this.#bytes !== null;
  }

  /**
   * Gets real memory for a range now. Later first writes then run at the speed of memcpy; the zeroing costs the same, only earlier.
   */
  populate(offset: number = 0, length: number = this.length - offset): void {
    const { libc } = native();
    const page = libc.getpagesize();
    const sound = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length > 0;
    if (!sound || offset + length > this.bytes.length)
      throw errno('EINVAL', `bytes [${offset}, +${length}) of a view of ${this.length} bytes`);
    const from = offset - (offset % page);
    if (libc.madvise(this.#address + BigInt(from), offset + length - from, O.MADV_POPULATE_WRITE) !== 0) {
      throw failure('madvise(POPULATE_WRITE)', `${length} bytes`);
    }
  }

  /**
   * Lets go of the shared memory. A sub-array that somebody kept neither crashes the process nor reaches the memory: it
   * sees private zero pages. Calling it twice is harmless.
   */
  unmap(): void {
    if (this.#bytes === null) return;
    this.#bytes = null;
    const flags = O.MAP_PRIVATE | O.MAP_ANONYMOUS | O.MAP_FIXED | O.MAP_NORESERVE;
    // Should this ever fail (a machine out of mappings), the memory is let go when the buffer is collected.
    native().libc.mmap(this.#address, this.length, O.PROT_READ | O.PROT_WRITE, flags, -1, 0);
  }

  [Symbol.dispose](): void {
    this.unmap();
  }
}
