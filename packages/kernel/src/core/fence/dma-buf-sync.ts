/**
 * What the flags of the dma-buf synchronization calls mean (uapi.md 6.2).
 *
 * Owns: the flag rules of SYNC, EXPORT_SYNC_FILE and IMPORT_SYNC_FILE and the usages they stand for.
 * Must not know buffers or descriptors.
 */
import { errno } from '@pedrera/base';
import { USAGE, type Usage, usageOfAccess } from './reservation.js';

export const DMA_BUF_SYNC = { READ: 1, WRITE: 2, END: 4 } as const;

const ACCESS = DMA_BUF_SYNC.READ | DMA_BUF_SYNC.WRITE;

/** SYNC: the usage to wait for at the start of an access; undefined at its end, where nothing is waited for. Errors: EINVAL. */
export function cpuAccessUsage(flags: number): Usage | undefined {
  const access = accessOf(flags, ACCESS | DMA_BUF_SYNC.END);
  return (flags & DMA_BUF_SYNC.END) === 0 ? usageOfAccess((access & DMA_BUF_SYNC.WRITE) !== 0) : undefined;
}

/** EXPORT_SYNC_FILE: the usage whose fences such an access would wait for. Errors: EINVAL. */
export function exportUsage(flags: number): Usage {
  return usageOfAccess((accessOf(flags, ACCESS) & DMA_BUF_SYNC.WRITE) !== 0);
}

/** IMPORT_SYNC_FILE: the usage the fences are added with. Errors: EINVAL. */
export function importUsage(flags: number): Usage {
  return (accessOf(flags, ACCESS) & DMA_BUF_SYNC.WRITE) !== 0 ? USAGE.WRITE : USAGE.READ;
}

function accessOf(flags: number, allowed: number): number {
  // Flags of SYNC have 64 bits; what does not fit 32 is unknown, and bit operations would not see it.
  if (
    !Number.isInteger(flags) ||
    flags < 0 ||
    flags > 0xffff_ffff ||
    (flags & ~allowed) !== 0 ||
    (flags & ACCESS) === 0
  ) {
    throw errno('EINVAL', `flags ${flags}: read (1) and/or write (2) expected, and nothing beyond ${allowed}`);
  }
  return flags & ACCESS;
}
