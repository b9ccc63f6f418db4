/**
 * Memory on the device: HBM, and leases of SRAM.
 *
 * Owns: the life of one allocation and its mapping into the device's addresses.
 * Must not know: how contents get there; the CPU does not reach this memory, only packets do.
 */
import { HlError } from '@pedrera/base';
import { MEM_FLAGS, type MemoryHandle } from '@pedrera/uapi';
import { checkCount, DeviceRegion } from './region.js';
import type { Session } from './session.js';

export interface DeviceMemoryOptions {
  /** Physically in one piece. */
  readonly contiguous?: boolean;
  /** Bytes; the device's own page size unless given. */
  readonly pageSize?: number;
  /** Device address to place it at, if that is free. */
  readonly hintAddress?: number;
}

/** HBM of this open file, mapped at `address`. */
export class DeviceMemory extends DeviceRegion {
  readonly handle: MemoryHandle;
  /** Device address, for packets. */
  readonly address: number;

  constructor(session: Session, size: number, handle: MemoryHandle, address: number) {
    super(session, size);
    this.handle = handle;
    this.address = address;
  }

  override get deviceAddress(): number {
    return this.address;
  }

  override describe(): string {
    return `the device memory of ${this.size} bytes at 0x${this.address.toString(16)}`;
  }

  /** Unmaps and frees it; the second call does nothing. What was exported of it lives on until nobody holds it. */
  async free(): Promise<void> {
    if (!this.markFreed()) return;
    // One after the other: memory that is still mapped cannot be freed (uapi.md 5.2).
    await this.session.ioctl('MEMORY_UNMAP', { deviceVirtAddr: this.address });
    await this.session.ioctl('MEMORY_FREE', { handle: this.handle });
  }

  /** Does nothing once the device is closed or the daemon gone: it is freed then. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.session.client.alive) await this.free();
  }
}

/** Errors: EOPNOTSUPP under the exclusive policy, where HBM is not given out in pieces (uapi.md 5.1); EINVAL for size 0; ENOMEM. */
export async function allocDeviceMemory(
  session: Session,
  size: number,
  options: DeviceMemoryOptions = {},
): Promise<DeviceMemory> {
  checkCount(size, 'allocHbm: size');
  if (session.greeting.policy === 'exclusive') {
    const advice =
      'under the exclusive policy the context owns all of HBM: use addresses from info.hwIp().dramBaseAddress on';
    throw new HlError('EOPNOTSUPP', `allocHbm: ${advice}`, 'MEMORY_ALLOC');
  }
  const flags = options.contiguous === true ? MEM_FLAGS.CONTIGUOUS : 0;
  const { handle } = await session.ioctl('MEMORY_ALLOC', { size, pageSize: options.pageSize ?? 0, flags });
  try {
    const { deviceVirtAddr } = await session.ioctl('MEMORY_MAP_DEVICE', {
      handle,
      hintAddr: options.hintAddress ?? 0,
      flags: 0,
    });
    return new DeviceMemory(session, size, handle, deviceVirtAddr);
  } catch (error) {
    await session.ioctl('MEMORY_FREE', { handle }).catch(() => {});
    throw error;
  }
}

/** A range of the on-chip memory, ours until the device is closed. */
export class SramLease extends DeviceRegion {
  readonly address: number;

  constructor(session: Session, size: number, address: number) {
    super(session, size);
    this.address = address;
  }

  override get deviceAddress(): number {
    return this.address;
  }

  override describe(): string {
    return `the SRAM lease of ${this.size} bytes at 0x${this.address.toString(16)}`;
  }
}

/** Errors: EINVAL for size 0 or more than there is, ENOSPC when no such range is left, EBUSY for a second lease. */
export async function leaseSram(session: Session, size: number): Promise<SramLease> {
  const lease = await session.ioctl('SRAM_LEASE', { size });
  return new SramLease(session, lease.size, lease.address);
}
