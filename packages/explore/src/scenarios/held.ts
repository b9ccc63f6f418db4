/** Submissions held back before their queues, and what may happen to them, to what they wait for, and to who waits for them. */
import { type Client, IN_RESET } from '../client.js';
import { copy, fill, nop, program } from '../packets.js';
import { type Scenario, scenario } from '../scenario.js';
import {
  DONE,
  gated,
  LEFT_BEHIND,
  OUT_OF_TIME,
  openToken,
  READ,
  STUCK_QUEUE,
  signalled,
  synced,
  syncFileOf,
  trySynced,
  WRITE,
} from './fence-calls.js';
import { BYTES, DEVICE_BYTES, DMA_UP, exported, pause, resetDevice, UNTOUCHED } from './patterns.js';

const LEFT = 0x1e1e_1e1e;
const RIGHT = 0x2a2a_2a2a;
/** Virtual, and near enough to strike in the middle of a race. */
const PATIENCE = { dependencyTimeoutNs: 2e9 };
const OTHER_QUEUE = 1;

const oppositeOrder = scenario({
  name: 'opposite-order',
  summary: 'two contexts write the same two buffers, named in opposite order, and a third reads both',
  clients: ['left', 'right', 'reader'],
  async prepare({ left, right, reader }) {
    for (const client of [left, right, reader]) {
      await client.open('hl0');
    }
    const a = await exported(left, LEFT);
    const b = await exported(left, LEFT);
    const inRight = [await mapped(right, a.token), await mapped(right, b.token)] as const;
    const inReader = [await mapped(reader, a.token), await mapped(reader, b.token)] as const;
    const both = (x: number, y: number, pattern: number) => program(fill(x, BYTES, pattern), fill(y, BYTES, pattern));
    const ofLeft = await left.job(both(a.address, b.address, LEFT));
    const ofRight = await right.job(both(inRight[1].address, inRight[0].address, RIGHT));
    const buffer = await reader.hostBuffer(2 * BYTES, UNTOUCHED);
    const [fromA, fromB] = inReader;
    const reading = program(
      copy(fromA.address, buffer.address, BYTES),
      copy(fromB.address, buffer.address + BYTES, BYTES),
    );
    const ofReader = await reader.job(reading, DMA_UP);
    return {
      async left() {
        const buffers = [a.fd, b.fd].map((fd) => ({ fd, access: WRITE }));
        const made = await synced(left, [ofLeft], { buffers });
        await left.wait((await synced(left, [ofLeft], { buffers })).seq);
        await left.wait(made.seq);
      },
      async right() {
        const buffers = [inRight[1].fd, inRight[0].fd].map((fd) => ({ fd, access: READ | WRITE }));
        const made = await synced(right, [ofRight], { buffers });
        await right.wait((await synced(right, [ofRight], { buffers })).seq);
        await right.wait(made.seq);
      },
      async reader() {
        const buffers = inReader.map(({ fd }) => ({ fd, access: READ }));
        await reader.wait((await synced(reader, [ofReader], { buffers })).seq);
        const [seen = 0] = buffer.words;
        reader.note(seen === LEFT ? 'left is seen' : 'right is seen');
        reader.expect(seen === LEFT || seen === RIGHT, `nobody wrote 0x${seen.toString(16)}`);
        // A writer has both or none of the buffers.
        reader.expectWords(buffer.words, [seen], 'what was read of both');
      },
    };
  },
});

/** A dma-buf as somebody else has it: a descriptor, and an address of the device. */
async function mapped(client: Client, token: string): Promise<{ fd: number; address: number }> {
  const fd = (await openToken(client, token)) as number;
  return { fd, address: (await client.call('DMABUF_IMPORT', { token })).address };
}

const waitCycle = scenario({
  name: 'wait-cycle',
  summary: 'a circle of waits that leads through a device: work waits for work that only what it holds up would free',
  settings: PATIENCE,
  clients: ['left', 'right'],
  async prepare({ left, right }, stage) {
    await left.open('hl0');
    await right.open('hl0');
    const { stuck, free } = await gated(left);
    const work = await right.job(program(nop));
    const toRight = stage.box<string>('to-right');
    const toLeft = stage.box<string>('to-left');
    const tenSeconds = 10_000_000n;
    return {
      async left() {
        const seq = await left.submit([stuck]);
        toRight.put((await syncFileOf(left, seq)).token);
        const his = await openToken(left, await toLeft.take());
        if (his === undefined) {
          return;
        }
        // What frees the first waits for somebody who waits for the first.
        const { seq: freeing } = await synced(left, [free], { waitFor: [his] });
        left.note(`freeing: ${(await left.outcome(freeing, ['ETIMEDOUT'], tenSeconds)) || 'done'}`);
        left.note(`first: ${(await left.outcome(seq, [], tenSeconds)) || 'done'}`);
      },
      async right() {
        const his = (await openToken(right, await toRight.take())) as number;
        const { seq, fd = -1 } = await synced(right, [work], { waitFor: [his], exportFence: true });
        const { token } = await right.call('DMABUF_TOKEN', { fd });
        toLeft.put(token);
        const outcome = await right.outcome(seq, ['ETIMEDOUT']);
        right.expect(outcome === 'ETIMEDOUT', `a wait in a circle ended with "${outcome}"`);
        await pause(stage, 'right', 12);
      },
    };
  },
});

const heldClose = scenario({
  name: 'held-close',
  summary: 'held back work, more behind it, and both its owner and what it waits for close; others wait for it',
  clients: ['producer', 'worker', 'observer'],
  async prepare({ producer, worker, observer }, stage) {
    for (const client of [producer, worker, observer]) {
      await client.open('hl0');
    }
    const { stuck, free } = await gated(producer);
    const made = await syncFileOf(producer, await producer.submit([stuck]));
    const dependency = (await openToken(worker, made.token)) as number;
    const memory = await exported(worker, LEFT);
    const shared = (await openToken(observer, memory.token)) as number;
    const work = await worker.job(program(fill(memory.address, BYTES, RIGHT)));
    const behind = await worker.job(program(nop));
    const own = await observer.deviceMemory(DEVICE_BYTES);
    const follow = await observer.job(program(fill(own.address, BYTES, LEFT)));
    const token = stage.box<string>('token');
    return {
      async producer() {
        await pause(stage, 'producer', 3);
        await producer.submit([free]);
        producer.close();
      },
      async worker() {
        const buffers = [{ fd: memory.fd, access: WRITE }];
        const { fd = -1 } = await synced(worker, [work], { buffers, waitFor: [dependency], exportFence: true });
        const given = await worker.call('DMABUF_TOKEN', { fd });
        token.put(given.token);
        await worker.submit([behind]);
        await pause(stage, 'worker', 6);
        worker.close();
      },
      async observer() {
        const fd = await openToken(observer, await token.take());
        // Whoever waits for the buffer goes on, however its writer ends.
        const { seq } = await synced(observer, [follow], { buffers: [{ fd: shared, access: READ }] });
        if (fd !== undefined) {
          const status = await signalled(observer, fd);
          observer.expect(status === DONE || status === LEFT_BEHIND, `the fence of held back work says ${status}`);
        }
        await observer.wait(seq);
      },
    };
  },
});

const heldReset = scenario({
  name: 'held-reset',
  summary: 'work is held back for a fence of another device, and its own device is reset',
  devices: 2,
  clients: ['producer', 'worker', 'operator'],
  async prepare({ producer, worker, operator }, stage) {
    await producer.open('hl1');
    await worker.open('hl0');
    await operator.hello();
    const { stuck, free } = await gated(producer);
    const made = await syncFileOf(producer, await producer.submit([stuck]));
    const dependency = (await openToken(worker, made.token)) as number;
    const work = await worker.job(program(nop), OTHER_QUEUE);
    const first = await synced(worker, [work], { waitFor: [dependency], exportFence: true });
    const given = await worker.call('DMABUF_TOKEN', { fd: first.fd ?? -1 });
    const watched = (await openToken(producer, given.token)) as number;
    return {
      async producer() {
        const freeing = async () => {
          await pause(stage, 'producer', 10);
          await producer.wait(await producer.submit([free]));
        };
        const watching = async () => {
          const status = await signalled(producer, watched);
          producer.expect(status === DONE || status === LEFT_BEHIND, `the fence of held back work says ${status}`);
        };
        await Promise.all([freeing(), watching()]);
      },
      async worker() {
        const more = { waitFor: [dependency] };
        const second = await trySynced(worker, [work], more, [...IN_RESET, 'EPERM', 'EBADF']);
        await worker.outcome(first.seq, IN_RESET);
        if (second !== undefined) {
          await worker.outcome(second.seq, IN_RESET);
        }
      },
      operator: () => resetDevice(operator, stage),
    };
  },
});

const heldTimeout = scenario({
  name: 'held-timeout',
  summary: 'held back work and its fence at about the moment its patience ends; work behind it on the queue goes on',
  settings: PATIENCE,
  clients: ['producer', 'worker'],
  async prepare({ producer, worker }) {
    await producer.open('hl0');
    await worker.open('hl0');
    const { stuck, free } = await gated(producer);
    const made = await syncFileOf(producer, await producer.submit([stuck]));
    const dependency = (await openToken(worker, made.token)) as number;
    const work = await worker.job(program(nop));
    const behind = await worker.job(program(nop, nop));
    return {
      async producer() {
        await producer.wait(await producer.submit([free]));
      },
      async worker() {
        const held = await synced(worker, [work], { waitFor: [dependency], exportFence: true });
        const seq = await worker.submit([behind]);
        const waiting = async () => {
          const outcome = await worker.outcome(held.seq, ['ETIMEDOUT']);
          const status = await signalled(worker, held.fd ?? -1);
          worker.expect(status === (outcome === '' ? DONE : OUT_OF_TIME), `"${outcome}", and the fence says ${status}`);
        };
        await Promise.all([waiting(), worker.wait(seq)]);
      },
    };
  },
});

const heldQueue = scenario({
  name: 'held-queue',
  summary: 'held back work on one queue while work goes on on others and its context is waited for from two sides',
  clients: ['producer', 'worker'],
  async prepare({ producer, worker }, stage) {
    await producer.open('hl0');
    await worker.open('hl0');
    const mine = await gated(producer);
    const made = await syncFileOf(producer, await producer.submit([mine.stuck]));
    const dependency = (await openToken(worker, made.token)) as number;
    const memory = await worker.deviceMemory(DEVICE_BYTES);
    const write = (pattern: number, queue: number) => worker.job(program(fill(memory.address, BYTES, pattern)), queue);
    const first = await write(LEFT, STUCK_QUEUE);
    const second = await write(RIGHT, STUCK_QUEUE);
    const elsewhere = await worker.job(program(nop), OTHER_QUEUE);
    const buffer = await worker.hostBuffer(BYTES, UNTOUCHED);
    const look = await worker.job(program(copy(memory.address, buffer.address, BYTES)), DMA_UP);
    return {
      async producer() {
        await pause(stage, 'producer', 2);
        await producer.wait(await producer.submit([mine.free]));
      },
      async worker() {
        const held = await synced(worker, [first], { waitFor: [dependency] });
        const behind = await worker.submit([second]);
        const free = await worker.submit([elsewhere]);
        await Promise.all([worker.wait(free), worker.wait(behind), worker.wait(held.seq)]);
        await worker.wait(await worker.submit([look]));
        // In the order they were submitted, although only the first had to wait.
        worker.expectWords(buffer.words, [RIGHT], 'what the queue wrote');
      },
    };
  },
});

export const HELD: readonly Scenario[] = [oppositeOrder, waitCycle, heldClose, heldReset, heldTimeout, heldQueue];
