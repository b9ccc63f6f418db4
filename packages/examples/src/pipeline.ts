/**
 * A three-stage pipeline over three devices, synchronised only in the command streams.
 *
 * Frames go from device 0 to device 1 to device 2. A stage copies a frame out of its neighbour's memory when a sync object of its own says that
 * it is there, and then counts up a sync object of the next device. All of that is queued before anything moves; the host says one thing to
 * device 0 and waits for device 2. The daemon's count of requests shows that nobody told anybody anything in between.
 */
import { connectDaemon, Dcore, openDevice, Queue } from '@pedrera/thunk';
import { verify } from './support.js';

const STAGES = [0, 1, 2] as const;
const FRAMES = 32;
const FRAME_BYTES = 64 * 1024;
const BYTES = FRAMES * FRAME_BYTES;
const QUEUE = Queue.DMA_0_0;

await using daemon = await connectDaemon();
const stages = await Promise.all(
  STAGES.map(async (index) => {
    const device = await openDevice(index);
    const memory = await device.allocHbm(BYTES);
    const lease = await device.leaseSync({ dcore: Dcore.E_N, syncObjects: 1, monitors: 1 });
    const frames = await device.exportDmaBuf(memory);
    return { device, memory, lease, frames, count: await device.exportSync(lease, 0, 1) };
  }),
);
const [first, , third] = stages;
if (first === undefined || third === undefined) throw new Error('three devices are needed');
const input = await first.device.allocHost(BYTES);
new Uint32Array(input.bytes.buffer, input.bytes.byteOffset, BYTES / 4).forEach((_, i, words) => {
  words[i] = Math.imul(i, 0x9e3779b1);
});
const output = await third.device.allocHost(BYTES);

const queued = await Promise.all(
  stages.map(async ({ device, memory, lease }, k) => {
    const before = stages[k - 1];
    const source = before === undefined ? input : await device.importDmaBuf(before.frames);
    const next = stages[k + 1];
    const nextCount = next === undefined ? undefined : (await device.importDmaBuf(next.count)).object(0);
    const cb = await device.createCommandBuffer(FRAMES * 128);
    for (let frame = 0; frame < FRAMES; frame++) {
      const place = { fromOffset: frame * FRAME_BYTES, toOffset: frame * FRAME_BYTES, size: FRAME_BYTES };
      // Frame f is there when the count is f + 1; those of the first stage are there when the host says so, once.
      const value = before === undefined ? 1 : frame + 1;
      cb.waitFor({ syncObject: lease.object(0), monitor: lease.monitor(0), value, queue: QUEUE });
      cb.linDma({ from: source, to: memory, ...place });
      if (nextCount !== undefined) cb.signal(nextCount);
      else cb.linDma({ from: memory, to: output, ...place });
    }
    return device.submit({ queue: QUEUE, cb });
  }),
);
const go = (await first.device.createCommandBuffer()).signal(first.lease.object(0));

/** Calls made by each of the devices' users so far, as the daemon counts them. */
async function requests(): Promise<number[]> {
  const { clients } = await daemon.inspectClients();
  return STAGES.map(
    (index) => clients.find(({ pid, device }) => pid === process.pid && device === index)?.requests ?? 0,
  );
}

const early = await Promise.all(queued.map((submission) => submission.poll()));
verify(!early.includes(true), `${FRAMES} frames for each of ${queued.length} stages are queued, and none has moved`);
const before = await requests();
await first.device.submit({ queue: Queue.DMA_0_1, cb: go });
await queued[2]?.wait();
const [a = -1, b = -1, c = -1] = (await requests()).map((count, i) => count - (before[i] ?? 0));
verify(Buffer.compare(input.bytes, output.bytes) === 0, `${BYTES} bytes came through unchanged`);
// At most one wait for device 2: none when it was done before the host looked.
verify(
  a === 1 && b === 0 && c <= 1,
  `host calls meanwhile: ${a} to start device 0, ${b} to device 1, ${c} for device 2`,
);
await Promise.all(stages.map(({ device }) => device.close()));
