/**
 * A relay's process: copies memory of another process on another device into HBM of its own device, peer to peer, chunk by
 * chunk as the chunks arrive there, and counts on for whoever comes behind it.
 *
 * All of its work is handed in before there is any data. What lets a chunk pass is in the command stream: a monitor watches
 * the sync object that the source's stream counts in, and raises this stream's fence.
 *
 * Must not know: where the data comes from, or when.
 */
import {
  type CommandBuffer,
  Dcore,
  type Device,
  type DeviceMemory,
  type ImportedBuffer,
  openDevice,
  Queue,
  type Submission,
} from '@pedrera/thunk';
import { PAGE_SIZE } from '@pedrera/uapi';
import type { RelayCalls, RelayReport } from '../calls.js';
import { chunksOf, type Plan } from '../plan.js';
import { serveRole } from '../role-server.js';
import { completionMs, TIMEOUT_SEC } from '../staging.js';

const QUEUE_NAME = 'DMA_1_0';
const QUEUE = Queue[QUEUE_NAME];
/** A wait in E_N (40), a LIN_DMA (24), and a message to whoever comes next (16). */
const BYTES_PER_CHUNK = 80;
serveRole<RelayCalls>(async ({ socketPath, device: index, plan }) => {
  const device = await openDevice(index, { socketPath, program: 'pedrera demo: relay' });
  const memory = await device.allocHbm(plan.memoryBytes);
  const lease = await device.leaseSync({ dcore: Dcore.E_N, syncObjects: 1, monitors: 1 });
  const exported = { memory: await device.exportDmaBuf(memory), sync: await device.exportSync(lease, 0, 1) };
  const count = lease.object(0);
  const monitor = lease.monitor(0);
  let submissions: readonly Submission[] = [];
  return {
    result: { memoryToken: exported.memory.token, syncToken: exported.sync.token },
    calls: {
      submit: async ({ sourceToken, nextSyncToken }) => {
        const source = await device.importDmaBuf(sourceToken);
        const next = (await device.importDmaBuf(nextSyncToken)).object(0);
        await probe(device, source, memory);
        submissions = await submitAll(device, plan, (packets, chunk) => {
          packets.waitFor({ syncObject: count, monitor, value: chunk.index + 1, queue: QUEUE });
          const { offset, size } = chunk;
          packets.linDma({ from: source, fromOffset: offset, to: memory, toOffset: offset, size });
          packets.signal(next);
        });
        return { queue: QUEUE_NAME, lease: { dcore: lease.dcore, syncObject: count.index } };
      },
      finish: () => finish(submissions),
      close: async () => {
        await device.close();
        return null;
      },
    },
  };
});

/** A page by the same way, still without contents: what is wrong with it, and the costs of first use, show before the clock runs. */
async function probe(device: Device, from: ImportedBuffer, to: DeviceMemory): Promise<void> {
  await using packets = await device.createCommandBuffer();
  packets.linDma({ from, to, size: PAGE_SIZE });
  await (await device.submit({ queue: QUEUE, cb: packets })).wait();
}

type WriteChunk = (packets: CommandBuffer, chunk: { index: number; offset: number; size: number }) => void;

async function submitAll(device: Device, plan: Plan, write: WriteChunk): Promise<Submission[]> {
  const packets = await device.createCommandBuffer(plan.chunksPerSubmission * BYTES_PER_CHUNK);
  const submissions: Submission[] = [];
  for (let i = 0; i < plan.submissions; i++) {
    packets.reset();
    for (const chunk of chunksOf(plan, i)) write(packets, chunk);
    submissions.push(await device.submit({ queue: QUEUE, cb: packets, timestamp: true, timeoutSec: TIMEOUT_SEC }));
  }
  await packets.destroy();
  return submissions;
}

async function finish(submissions: readonly Submission[]): Promise<RelayReport> {
  const doneMs: number[] = [];
  for (const submission of submissions) doneMs.push(completionMs(await submission.wait()));
  return { doneMs };
}
