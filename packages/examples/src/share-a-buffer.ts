/**
 * Two processes share a buffer: one fills memory of its device, another one, on another device, reads it where it lies.
 *
 * Shows: exporting device memory, handing the token over, importing it, peer-to-peer DMA, and that what is shared lives until the last who
 * uses it lets go: the exporter closes its device before the importer reads.
 */
import { createHash } from 'node:crypto';
import { openDevice, Queue } from '@pedrera/thunk';
import { ending, nextMessage, roleOfThisProcess, startProcess, tellParent, verify } from './support.js';

const SIZE = 1024 * 1024;

interface Shared {
  readonly token: string;
}
interface Read {
  readonly sha256: string;
  readonly from: number;
}

if (roleOfThisProcess() === 'reader') await reader();
else await writer();

async function writer(): Promise<void> {
  const other = startProcess(import.meta.url, 'reader');
  const device = await openDevice(0);
  const memory = await device.allocHbm(SIZE);
  const source = await device.allocHost(SIZE);
  source.bytes.forEach((_, i) => {
    source.bytes[i] = (i * 31) ^ (i >> 8);
  });
  const sha256 = createHash('sha256').update(source.bytes).digest('hex');
  const cb = await device.createCommandBuffer();
  cb.linDma({ from: source, to: memory });
  await (await device.submit({ queue: Queue.DMA_0_0, cb })).wait();

  // Whoever has the token may import; it may travel by any way.
  const { token } = await device.exportDmaBuf(memory);
  other.send({ token } satisfies Shared);
  await nextMessage(other);
  await device.close();
  other.send({ closed: true });

  const read = await nextMessage<Read>(other);
  verify(read.from === 0, `process ${other.pid} imported memory of device ${read.from} on device 1`);
  verify(read.sha256 === sha256, `it read what process ${process.pid} had written: ${SIZE} bytes, sha256 ${sha256}`);
  verify((await ending(other)) === 0, 'the memory outlived the device that exported it, which was closed before');
}

async function reader(): Promise<void> {
  const { token } = await nextMessage<Shared>(process);
  await using device = await openDevice(1);
  const memory = await device.importDmaBuf(token);
  tellParent({ imported: true });
  await nextMessage(process);

  const target = await device.allocHost(SIZE);
  const cb = await device.createCommandBuffer();
  cb.linDma({ from: memory, to: target });
  await (await device.submit({ queue: Queue.DMA_1_0, cb })).wait();
  const sha256 = createHash('sha256').update(target.bytes).digest('hex');
  tellParent({ sha256, from: memory.exporterDevice } satisfies Read);
  process.disconnect();
}
