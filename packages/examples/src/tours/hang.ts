/**
 * A program that hangs, for docs/debugging.md: three processes hand a frame round, and each waits for the one before it.
 *
 * The bug is that the camera waits for a free slot before its first frame, too, and the encoder frees one only when it has had a frame.
 */
import { Dcore, openDevice, Queue } from '@pedrera/thunk';
import { endWithParent, nextMessage, roleOfThisProcess, startProcess, tellParent } from './support.js';

const STAGES = [
  { name: 'camera', device: 0 },
  { name: 'filter', device: 1 },
  { name: 'encoder', device: 0 },
];
const FRAME_BYTES = 64 * 1024;
const queue = Queue.DMA_0_0;

const stage = STAGES.find(({ name }) => name === roleOfThisProcess());
if (stage === undefined) await conductor();
else await run(stage);

async function conductor(): Promise<void> {
  endWithParent();
  const children = [];
  const turns: { token: string }[] = [];
  for (const { name, device } of STAGES) {
    const child = startProcess(import.meta.url, name);
    turns.push(await nextMessage(child));
    children.push(child);
    console.log(`${name.padEnd(8)} pid ${child.pid}  device ${device}`);
  }
  for (const [i, child] of children.entries()) child.send(turns[(i + 1) % turns.length] as { token: string });
}

async function run({ name, device: index }: (typeof STAGES)[number]): Promise<void> {
  endWithParent();
  const device = await openDevice(index, { program: name });
  const myTurn = await device.leaseSync({ dcore: Dcore.E_N, syncObjects: 1, monitors: 1 });
  tellParent({ token: (await device.exportSync(myTurn)).token });
  const nextTurn = await device.importDmaBuf((await nextMessage<{ token: string }>(process)).token);

  const frame = await device.allocHbm(FRAME_BYTES);
  const cb = await device.createCommandBuffer();
  cb.waitFor({ syncObject: myTurn.object(0), monitor: myTurn.monitor(0), value: 1, queue });
  cb.memset({ to: frame, pattern: 0x7f7f7f7f });
  cb.signal(nextTurn.object(0));
  const submission = await device.submit({ queue, cb });
  await submission.wait();
}
