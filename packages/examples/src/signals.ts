/**
 * Three producers and four consumers in one graph, held together by encapsulated signals: each producer reserves a row of signals before there
 * is any work, its packets give them one by one as pieces are ready, and a consumer on another queue waits for the n-th of them.
 *
 * Piece i of the result is made by producer i mod 3 and taken by consumer i mod 4. Everything is queued first; the host then says "go", once.
 */
import { Dcore, openDevice, Queue } from '@pedrera/thunk';
import { verify } from './support.js';

const PRODUCERS = [Queue.DMA_0_0, Queue.DMA_0_1, Queue.DMA_0_2];
const CONSUMERS = [Queue.DMA_1_0, Queue.DMA_1_1, Queue.DMA_1_2, Queue.DMA_1_3];
const PIECES = 24;
const PIECE_BYTES = 4096;

await using device = await openDevice(0);
const lease = await device.leaseSync({ dcore: Dcore.E_N, syncObjects: 1, monitors: PRODUCERS.length });
const source = await device.allocHost(PIECES * PIECE_BYTES);
const memory = await device.allocHbm(PIECES * PIECE_BYTES);
const result = await device.allocHost(PIECES * PIECE_BYTES);
source.bytes.forEach((_, i) => {
  source.bytes[i] = (i * 7) ^ (i >> 12);
});

const cb = await device.createCommandBuffer();
const producers = await Promise.all(
  PRODUCERS.map(async (queue) => {
    const reservation = await device.reserveSignals(queue, PIECES / PRODUCERS.length);
    return { queue, reservation, staged: device.stage({ reservation }) };
  }),
);
// The first part of each producer: wait for the host's word.
for (const [i, { queue, staged }] of producers.entries()) {
  cb.reset().waitFor({ syncObject: lease.object(0), monitor: lease.monitor(i), value: 1, queue });
  await staged.add({ queue, cb });
}
// The consumers come before the parts that make what they wait for: a reservation can be waited for ahead of its signals.
const consumed = [];
for (let piece = 0; piece < PIECES; piece++) {
  const queue = CONSUMERS[piece % CONSUMERS.length] as number;
  const { reservation } = producers[piece % PRODUCERS.length] as (typeof producers)[number];
  await reservation.waitFor(queue, Math.floor(piece / PRODUCERS.length) + 1);
  const place = { fromOffset: piece * PIECE_BYTES, toOffset: piece * PIECE_BYTES, size: PIECE_BYTES };
  cb.reset().linDma({ from: memory, to: result, ...place });
  consumed.push(await device.submit({ queue, cb }));
}
const produced = [];
for (const [i, { queue, reservation, staged }] of producers.entries()) {
  for (let piece = i; piece < PIECES; piece += PRODUCERS.length) {
    const place = { fromOffset: piece * PIECE_BYTES, toOffset: piece * PIECE_BYTES, size: PIECE_BYTES };
    cb.reset()
      .linDma({ from: source, to: memory, ...place })
      .signal(reservation.object);
    if (piece + PRODUCERS.length < PIECES) await staged.add({ queue, cb });
    else produced.push(await staged.finish({ queue, cb }));
  }
}
const early = await Promise.all([...produced, ...consumed].map((submission) => submission.poll()));
const many = `${PRODUCERS.length} producers and ${CONSUMERS.length} consumers`;
verify(!early.includes(true), `${many} are queued with ${PIECES} pieces, and none has moved`);

const begun = result.bytes.some((byte) => byte !== 0);
cb.reset().signal(lease.object(0));
await device.submit({ queue: Queue.DMA_0_3, cb });
await Promise.all([...produced, ...consumed].map((submission) => submission.wait()));
verify(
  !begun && Buffer.compare(source.bytes, result.bytes) === 0,
  `every consumer took its pieces after they were made`,
);
