/**
 * What may be submitted to a queue that is fed with device addresses (uapi.md 4.3, 4.4).
 *
 * Owns: the ranges such an address may lie in, and which NIC queues there are. The bytes themselves are not looked at:
 * they are read when they are executed. Must not know contexts or what they were given.
 */
import { errno } from '@pedrera/base';
import {
  DRAM_USER_BASE,
  DRAM_USER_END,
  DRAM_VA_BASE,
  DRAM_VA_END,
  HOST_VA_BASE,
  HOST_VA_END,
  type QueueInfo,
  SRAM_END,
  SRAM_USER_BASE,
} from '@pedrera/hw';

const RANGES: readonly { readonly from: number; readonly to: number }[] = [
  { from: SRAM_USER_BASE, to: SRAM_END },
  { from: DRAM_USER_BASE, to: DRAM_USER_END },
  { from: HOST_VA_BASE, to: HOST_VA_END },
];
/** Where device memory has addresses of its own. */
const DRAM_VA = { from: DRAM_VA_BASE, to: DRAM_VA_END };

/** The port behind a NIC queue; undefined for other queues. */
function nicPort({ engine }: QueueInfo): number | undefined {
  return engine.startsWith('NIC') ? Number(engine.slice(3)) : undefined;
}

/** Errors: EINVAL for a port that is not enabled, EFAULT for an address range no command buffer may lie in. */
export function checkInternalJob(
  queue: QueueInfo,
  { address, size }: { readonly address: number; readonly size: number },
  { nicPortsMask, virtualDram }: { readonly nicPortsMask: number; readonly virtualDram: boolean },
): void {
  const port = nicPort(queue);
  if (port !== undefined && ((nicPortsMask >>> port) & 1) === 0) {
    throw errno('EINVAL', `${queue.name}: NIC port ${port} is not enabled`);
  }
  const end = address + size;
  const inside = ({ from, to }: { from: number; to: number }) => size > 0 && address >= from && end <= to;
  if (!RANGES.some(inside) && !(virtualDram && inside(DRAM_VA))) {
    const what = `${size} bytes at 0x${address.toString(16)}`;
    throw errno('EFAULT', `${queue.name}: ${what} lie in no range a command buffer may be executed from`);
  }
}
