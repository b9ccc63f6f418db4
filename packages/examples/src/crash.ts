/**
 * A producer that crashes, and consumers that notice.
 *
 * The producer shares a buffer and a sync file of work it has queued but that will never be done. Two consumers, on devices of their own, wait for
 * that work when the producer is killed. Its fence signals with an error: nobody waits for ever, and nobody takes what is in the buffer for the
 * result. The buffer itself lives on as long as they use it.
 */
import { connectDaemon, Dcore, HlError, openDevice, Queue } from '@pedrera/thunk';
import { nextMessage, roleOfThisProcess, startProcess, tellParent, verify } from './support.js';

const SIZE = 1024 * 1024;
const FIRST = 0x11111111;

interface Shared {
  readonly buffer: string;
  readonly fence: string;
}
interface Noticed {
  readonly error: string;
  /** The words found in the buffer after that. */
  readonly words: number[];
}

if (roleOfThisProcess() === 'producer') await producer();
else if (roleOfThisProcess() === 'consumer') await consumer(Number(process.argv[3]));
else await conductor();

async function conductor(): Promise<void> {
  const making = startProcess(import.meta.url, 'producer');
  const waiting = ['1', '2'].map((device) => startProcess(import.meta.url, 'consumer', device));
  const shared = await nextMessage<Shared>(making);
  for (const other of waiting) other.send(shared);
  await Promise.all(waiting.map(nextMessage));
  making.kill('SIGKILL');
  const noticed = await Promise.all(waiting.map(nextMessage<Noticed>));
  await using daemon = await connectDaemon();
  const { buffers } = await daemon.inspectBuffers();
  for (const [i, { error, words }] of noticed.entries()) {
    const isOld = words.length === 1 && words[0] === FIRST;
    verify(error === 'EIO', `consumer ${i + 1} was woken with ${error} and not left waiting`);
    verify(isOld, `it found the buffer as the last complete work had left it`);
  }
  const [orphan] = buffers;
  verify(orphan?.exporter.alive === false, `the buffer of dead process ${orphan?.exporter.pid} lives while it is used`);
  for (const other of waiting) other.send({ done: true });
}

async function producer(): Promise<void> {
  const device = await openDevice(0);
  const memory = await device.allocHbm(SIZE);
  const lease = await device.leaseSync({ dcore: Dcore.E_N, syncObjects: 1, monitors: 1 });
  const [queue, cb] = [Queue.DMA_0_0, await device.createCommandBuffer()];
  await (await device.submit({ queue, cb: cb.memset({ to: memory, pattern: FIRST }) })).wait();
  // Nobody will ever signal this object.
  cb.reset().waitFor({ syncObject: lease.object(0), monitor: lease.monitor(0), value: 1, queue });
  const never = await device.submit({ queue, cb: cb.memset({ to: memory, pattern: 0x22222222 }) });
  const fence = await device.exportSyncFile(never);
  tellParent({ buffer: (await device.exportDmaBuf(memory)).token, fence: await fence.newToken() } satisfies Shared);
}

async function consumer(index: number): Promise<void> {
  const shared = await nextMessage<Shared>(process);
  await using device = await openDevice(index);
  const [memory, fence] = [await device.importDmaBuf(shared.buffer), await device.openSyncFile(shared.fence)];
  const waiting = fence.wait().then(
    () => 'no error',
    (error: unknown) => (error instanceof HlError ? error.code : String(error)),
  );
  tellParent({ waiting: true });
  const error = await waiting;
  const target = await device.allocHost(SIZE);
  const cb = await device.createCommandBuffer();
  await (await device.submit({ queue: Queue.DMA_1_0, cb: cb.linDma({ from: memory, to: target }) })).wait();
  const words = [...new Set(new Uint32Array(target.bytes.buffer, target.bytes.byteOffset, SIZE / 4))];
  tellParent({ error, words } satisfies Noticed);
  await nextMessage(process);
  process.disconnect();
}
