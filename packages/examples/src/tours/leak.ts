/**
 * A program that leaks, for docs/debugging.md: a camera shares a buffer for each frame, and a viewer on another device imports it.
 *
 * The bug is in the viewer: a frame that comes too late is skipped, and its import is never closed.
 */
import { openDevice, Queue } from '@pedrera/thunk';
import { ending, endWithParent, nextMessage, roleOfThisProcess, startProcess, tellParent } from './support.js';

const FRAMES = 4;
const FRAME_BYTES = 4 * 1024 * 1024;
const LATE = 2;

interface Frame {
  readonly number: number;
  readonly token: string;
}

if (roleOfThisProcess() === 'camera') await camera();
else if (roleOfThisProcess() === 'viewer') await viewer();
else await conductor();

async function conductor(): Promise<void> {
  endWithParent();
  const from = startProcess(import.meta.url, 'camera');
  const to = startProcess(import.meta.url, 'viewer');
  for (let number = 0; number < FRAMES; number++) {
    to.send(await nextMessage<Frame>(from));
    from.send(await nextMessage<{ seen: number }>(to));
  }
  console.log(`camera   pid ${from.pid}  device 0  sent ${FRAMES} frames and ended (${await ending(from)})`);
  console.log(`viewer   pid ${to.pid}  device 1  has seen them all, and stays`);
}

async function camera(): Promise<void> {
  const device = await openDevice(0, { program: 'camera' });
  const cb = await device.createCommandBuffer();
  for (let number = 0; number < FRAMES; number++) {
    const frame = await device.allocHbm(FRAME_BYTES);
    const submission = await device.submit({
      queue: Queue.DMA_0_0,
      cb: cb.reset().memset({ to: frame, pattern: number }),
    });
    await submission.wait();
    const shared = await device.exportDmaBuf(frame);
    tellParent({ number, token: shared.token } satisfies Frame);
    await nextMessage(process);
    await shared.close();
  }
  await device.close();
  process.disconnect();
}

async function viewer(): Promise<void> {
  endWithParent();
  const device = await openDevice(1, { program: 'viewer' });
  const screen = await device.allocHost(FRAME_BYTES);
  const cb = await device.createCommandBuffer();
  for (;;) {
    const { number, token } = await nextMessage<Frame>(process);
    const frame = await device.importDmaBuf(token);
    if (number !== LATE) {
      await (await device.submit({ queue: Queue.DMA_1_0, cb: cb.reset().linDma({ from: frame, to: screen }) })).wait();
      await frame.close();
    }
    tellParent({ seen: number });
  }
}
