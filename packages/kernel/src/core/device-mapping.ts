/**
 * The device variant of MEMORY MAP: an allocation of HBM at device addresses of a context (uapi.md 5.2, 5.4).
 *
 * Owns: that mapping's hold on the allocation. Must not know handles or rights: who calls has checked them.
 */
import type { Context } from './context.js';
import type { Allocation } from './device-memory.js';

export interface DeviceMapOptions {
  readonly hint: number;
  readonly forceHint: boolean;
}

/** Returns the device address. Errors: ENOMEM. */
export function mapAllocation(context: Context, allocation: Allocation, options: DeviceMapOptions): number {
  const address = context.addressSpace.map({
    range: 'dram',
    source: { kind: 'device', handle: allocation.handle },
    size: allocation.size,
    pieces: allocation.extents.map((extent) => ({ space: 'hbm', ...extent })),
    pageOffset: 0,
    pageSize: allocation.pageSize,
    alignment: allocation.pageSize,
    ...options,
    writable: true,
    onUnmapped: () => {
      allocation.mappings--;
      allocation.put();
    },
  });
  allocation.get();
  allocation.mappings++;
  return address;
}
