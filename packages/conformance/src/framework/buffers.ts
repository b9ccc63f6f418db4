/**
 * Dma-bufs and sync files to test with.
 *
 * Owns: how one comes by them. Must not know what is tested.
 */
import { ATTACH_FLAGS, FILE_FLAGS, HOST_ALLOC_FLAGS, type HostBufferHandle } from '@pedrera/uapi';
import type { Client } from './client.js';
import { packets } from './packets.js';

export const PAGE = 4096;
export const HUGE = 0x20_0000;
const DRAM = 0x2000_0000;
export const RDWR = FILE_FLAGS.O_RDWR | FILE_FLAGS.O_CLOEXEC;
export const PEER = ATTACH_FLAGS.DYNAMIC | ATTACH_FLAGS.PEER2PEER;
/** No test opens as many descriptors. */
export const NO_FD = 7777;

/** A descriptor of device memory: any window of it under `exclusive`. */
export async function exportWindow(client: Client, size = HUGE): Promise<number> {
  return (await client.call('MEMORY_EXPORT_DMABUF_FD', { handle: BigInt(DRAM), size, flags: RDWR })).fd;
}

/** Host memory that can be exported. */
export async function hostBuffer(client: Client, size = 4 * PAGE): Promise<HostBufferHandle> {
  return (await client.call('HOST_ALLOC', { size, flags: HOST_ALLOC_FLAGS.SHAREABLE })).handle;
}

export async function hostExport(
  client: Client,
  { size = 4 * PAGE, flags = RDWR } = {},
): Promise<{ handle: HostBufferHandle; fd: number }> {
  const handle = await hostBuffer(client, size);
  const { fd } = await client.call('DMABUF_EXPORT', { handle, offset: 0, size, flags });
  return { handle, fd };
}

/** A sync file that has signalled. */
export async function signalledFile(client: Client): Promise<number> {
  const seq = await client.run(packets().nop());
  return (await client.call('SYNC_FILE_CREATE', { seq })).fd;
}
