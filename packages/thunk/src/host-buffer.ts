/**
 * Host memory that program and device both reach.
 *
 * Owns: the life of one host allocation: made by the daemon, mapped into this process, mapped for the device.
 * Must not know: how the bytes got here (segments.ts) or what is done with them.
 */
import { HlError } from '@pedrera/base';
import { HOST_ALLOC_FLAGS, MEM_FLAGS, type Res } from '@pedrera/uapi';
import { MAX_VIEW_BYTES } from '@pedrera/wire';
import { checkCount, DeviceRegion } from './region.js';
import type { MappedWindow } from './segments.js';
import type { Session } from './session.js';
import { allSettled } from './settled.js';

export interface HostBufferOptions {
  /** Map it into the device's addresses, so that it can be an end of a DMA; true unless told otherwise. */
  readonly mapForDevice?: boolean;
  /** Device address to place it at, if that is free. */
  readonly hintAddress?: number;
  /** Give it memory of its own, so that it can be exported as a dma-buf. */
  readonly shareable?: boolean;
  /** Get its memory now instead of at the first touch of each page, which is many times slower than a copy. */
  readonly populate?: boolean;
}

export class HostBuffer extends DeviceRegion {
  /** Its name towards the daemon. */
  readonly handle: Res<'HOST_ALLOC'>['handle'];
  /** A name of the memory for MEMORY_MAP_HOST; no pointer of any process. */
  readonly address: number;
  readonly #window: MappedWindow;
  readonly #deviceAddress: number | undefined;

  constructor(session: Session, size: number, parts: HostBufferParts) {
    super(session, size);
    this.handle = parts.handle;
    this.address = parts.address;
    this.#window = parts.window;
    this.#deviceAddress = parts.deviceAddress;
  }

  /**
   * The memory itself, `size` bytes, shared with the device. Throws HlError: EFAULT after `free()`, EBADF after the device was closed.
   * Take it afresh rather than keeping it: an array kept beyond that sees memory that nobody else does.
   */
  get bytes(): Uint8Array {
    return this.#window.bytes;
  }

  override get deviceAddress(): number {
    if (this.#deviceAddress === undefined)
      throw new HlError('EINVAL', `${this.describe()} was allocated without a mapping for the device`);
    return this.#deviceAddress;
  }

  override describe(): string {
    return describe(this.size);
  }

  /**
   * Unmaps it from the device and from the process and gives it back; the second call does nothing. Work in flight is not looked for:
   * what touches it afterwards faults (uapi.md 5.6).
   */
  async free(): Promise<void> {
    if (!this.markFreed()) return;
    // Pipelined: the daemon takes the three in order, and HOST_FREE does not mind mappings.
    const unmapped =
      this.#deviceAddress === undefined
        ? undefined
        : this.session.ioctl('MEMORY_UNMAP', { deviceVirtAddr: this.#deviceAddress });
    await allSettled([unmapped, this.#window.release(), this.session.ioctl('HOST_FREE', { handle: this.handle })]);
  }

  /** Does nothing once the device is closed or the daemon gone: it is freed then. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.session.client.alive) await this.free();
  }
}

interface HostBufferParts {
  readonly handle: Res<'HOST_ALLOC'>['handle'];
  readonly address: number;
  readonly window: MappedWindow;
  readonly deviceAddress: number | undefined;
}

/**
 * Allocates zeroed host memory, at most 4 GiB, where typed arrays end (MAX_VIEW_BYTES): HOST_ALLOC, then MMAP and MEMORY_MAP_HOST side by side.
 * Errors: EINVAL for the size, ENOMEM, and those of the three calls. Nothing is left behind on failure.
 */
export async function allocHostBuffer(
  session: Session,
  size: number,
  options: HostBufferOptions = {},
): Promise<HostBuffer> {
  checkCount(size, 'allocHost: size');
  if (size === 0 || size > MAX_VIEW_BYTES) {
    throw new HlError('EINVAL', `allocHost: ${size} bytes; one host buffer has 1 to ${MAX_VIEW_BYTES}`);
  }
  const { handle, address } = await session.ioctl('HOST_ALLOC', {
    size,
    ...(options.shareable === true ? { flags: HOST_ALLOC_FLAGS.SHAREABLE } : {}),
  });
  const request = { hostVirtAddr: address, hintAddr: options.hintAddress ?? 0, size, flags: MEM_FLAGS.USERPTR };
  const [window, mapped] = await Promise.allSettled([
    session.segments.map(handle, describe(size), size),
    options.mapForDevice === false ? undefined : session.ioctl('MEMORY_MAP_HOST', request),
  ]);
  try {
    if (window.status === 'rejected') throw window.reason;
    if (mapped.status === 'rejected') throw mapped.reason;
    if (options.populate === true) populate(window.value);
    return new HostBuffer(session, size, {
      handle,
      address,
      window: window.value,
      deviceAddress: mapped.value?.deviceVirtAddr,
    });
  } catch (error) {
    const undo: Promise<unknown>[] = [session.ioctl('HOST_FREE', { handle })];
    if (window.status === 'fulfilled') undo.push(window.value.release());
    if (mapped.status === 'fulfilled' && mapped.value !== undefined)
      undo.push(session.ioctl('MEMORY_UNMAP', mapped.value));
    await Promise.allSettled(undo);
    throw error;
  }
}

/** A matter of speed only, so a kernel that cannot do it (Linux before 5.14) is no reason to fail. */
function populate(window: MappedWindow): void {
  try {
    window.populate();
  } catch (error) {
    if (!(error instanceof HlError) || error.code !== 'EINVAL') throw error;
  }
}

function describe(size: number): string {
  return `the host buffer of ${size} bytes`;
}
