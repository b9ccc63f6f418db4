/**
 * A ring all-reduce: four devices, each with a vector of f32, end up with the sum of all four.
 *
 * Each writes a chunk into its neighbour's memory and counts up a sync object there; the neighbour adds it to its own chunk with the reduction
 * its DMA engine does into SRAM, and passes the sum on. A signal says that a chunk came; a collective wait has the NIC ports and DMA5, which
 * adds, wait for it together. After three rounds every device has one chunk summed up, after three more all of them.
 */
import { CollectiveEngine, Dcore, openDevice, Queue } from '@pedrera/thunk';
import { verify } from './support.js';

const N = 4;
const CHUNK = 4096;
const SIZE = N * CHUNK;
const [RECEIVE, SEND, ADD] = [Queue.DMA_0_0, Queue.DMA_1_0, Queue.DMA_5_0];
const chunk = (i: number) => (i + N) % N;

async function makeRank(index: number) {
  const device = await openDevice(index);
  const host = await device.allocHost(SIZE);
  const [vector, inbox] = [await device.leaseSram(SIZE), await device.allocHbm(2 * SIZE)];
  const initial = Float32Array.from({ length: SIZE / 4 }, (_, i) => Math.sin(index * 1e4 + i) * 10 ** (i % 7));
  host.bytes.set(new Uint8Array(initial.buffer));
  const lease = await device.leaseSync({ dcore: Dcore.E_N, syncObjects: 2, monitors: 3 });
  const shared = { inbox: await device.exportDmaBuf(inbox), arrived: await device.exportSync(lease, 0, 1) };
  const cb = await device.createCommandBuffer();
  await (await device.submit({ queue: RECEIVE, cb: cb.linDma({ from: host, to: vector }) })).wait();
  return { device, index, vector, inbox, host, initial, lease, shared, cb };
}

/** Queues all of it; nothing here waits for a device. Each round has a slot of the inbox: nobody writes over what is still needed. */
async function queueAll({ device, index, vector, inbox, host, lease, cb }: Rank, next: Rank) {
  const theirs = await device.importDmaBuf(next.shared.inbox);
  const count = (await device.importDmaBuf(next.shared.arrived)).object(0);
  const [arrived, added] = [lease.object(0), lease.object(1)];
  const place = (from: number, to: number) => ({ fromOffset: from * CHUNK, toOffset: to * CHUNK, size: CHUNK });
  const send = (i: number, slot: number) => cb.linDma({ from: vector, to: theirs, ...place(i, slot) }).signal(count);
  cb.reset();
  await device.submit({ queue: SEND, cb: send(index, 0) });
  for (let round = 0; round < N - 1; round++) {
    cb.reset().waitFor({ syncObject: arrived, monitor: lease.monitor(0), value: round + 1, queue: RECEIVE });
    await device.submit({ queue: RECEIVE, cb });
    await device.collectiveWait(SEND, await device.signal(RECEIVE), CollectiveEngine.DMA_5);
    const i = chunk(index - 1 - round);
    const [program, lower] = [await device.createProgram(), await device.createProgram()];
    lower
      .reduce({ op: 'add', type: 'f32' })
      .linDma({ from: inbox, to: vector, ...place(round, i) })
      .signal(added);
    program.cpDma({ from: lower });
    cb.reset().waitFor({ syncObject: added, monitor: lease.monitor(1), value: round + 1, queue: SEND });
    const sending = { queue: SEND, cb: send(i, round + 1) };
    await device.submit({ jobs: [{ queue: ADD, program }, sending] });
  }
  // The chunk sent last is whole, and so is what comes from now on: kept, and passed on until everybody has it.
  cb.reset();
  for (let round = N - 1; round < 2 * (N - 1); round++) {
    const i = chunk(index - round + N - 1);
    cb.waitFor({ syncObject: arrived, monitor: lease.monitor(2), value: round + 1, queue: SEND });
    cb.linDma({ from: inbox, to: vector, ...place(round, i) });
    if (round + 1 < 2 * (N - 1)) send(i, round + 1);
  }
  return device.submit({ queue: SEND, cb: cb.linDma({ from: vector, to: host }) });
}

type Rank = Awaited<ReturnType<typeof makeRank>>;
const ranks = await Promise.all([0, 1, 2, 3].map(makeRank));
const last = await Promise.all(ranks.map((rank) => queueAll(rank, ranks[chunk(rank.index + 1)] as Rank)));
await Promise.all(last.map((submission) => submission.wait()));

// The order matters to f32: the sum of chunk c begins at device c and goes round the ring.
const expected = Float32Array.from({ length: SIZE / 4 }, (_, i) => {
  const terms = ranks.map((_rank, k) => ranks[chunk(Math.floor((4 * i) / CHUNK) + k)]?.initial[i] as number);
  return terms.reduce((sum, term) => Math.fround(sum + term));
});
for (const { device, index, host } of ranks) {
  const isEqual = Buffer.compare(host.bytes, new Uint8Array(expected.buffer)) === 0;
  verify(isEqual, `device ${index} has the sum of ${N} vectors of ${expected.length} f32, equal in every bit`);
  await device.close();
}
