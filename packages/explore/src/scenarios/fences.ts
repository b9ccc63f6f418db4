/** Sync files passed on, merged, polled and put onto buffers while those who should signal them finish, fail and die. */
import { POLL_EVENTS } from '@pedrera/uapi';
import type { Client } from '../client.js';
import { copy, nop, program } from '../packets.js';
import { type Scenario, scenario } from '../scenario.js';
import {
  DONE,
  gated,
  LEFT_BEHIND,
  openToken,
  PENDING,
  READ,
  signalled,
  statusOf,
  synced,
  syncFileOf,
  WRITE,
} from './fence-calls.js';
import { BYTES, DMA_UP, exported, pause, UNTOUCHED } from './patterns.js';

const OURS = 0x0e0e_0e0e;

const fenceDeath = scenario({
  name: 'fence-death',
  summary:
    'sync files of a submission are opened and waited for by two others while its producer lets it go on and dies',
  clients: ['producer', 'consumer', 'late'],
  async prepare({ producer, consumer, late }, stage) {
    await producer.open('hl0');
    await consumer.open('hl0');
    await late.open('hl0');
    const { stuck, free } = await gated(producer);
    const token = stage.box<string>('token');
    const consume = (client: Client) => async () => {
      const fd = await openToken(client, await token.take());
      if (fd !== undefined) {
        const status = await signalled(client, fd);
        client.expect(status === DONE || status === LEFT_BEHIND, `the fence of who died says ${status}`);
      }
    };
    return {
      async producer() {
        const made = await syncFileOf(producer, await producer.submit([stuck]));
        token.put(made.token);
        token.put(made.token);
        await producer.submit([free]);
        producer.close();
      },
      consumer: consume(consumer),
      late: consume(late),
    };
  },
});

const mergeFail = scenario({
  name: 'merge-fail',
  summary: 'two fences are merged and waited for, one of work that ends well, one of somebody who dies',
  clients: ['good', 'bad', 'consumer'],
  async prepare({ good, bad, consumer }, stage) {
    for (const client of [good, bad, consumer]) {
      await client.open('hl0');
    }
    const ofGood = await gated(good);
    const ofBad = await gated(bad);
    const mine = await openToken(consumer, (await syncFileOf(good, await good.submit([ofGood.stuck]))).token);
    const his = await openToken(consumer, (await syncFileOf(bad, await bad.submit([ofBad.stuck]))).token);
    return {
      async good() {
        await good.wait(await good.submit([ofGood.free]));
      },
      async bad() {
        await pause(stage, 'bad', 4);
      },
      async consumer() {
        const merging = async (fd: number, fd2: number, name: string) => {
          const merged = await consumer.call('SYNC_FILE_MERGE', { fd, name, fd2, flags: 0, pad: 0 });
          // One that has ended before leaves nothing in a merge; one that ends later gives it its error.
          const fails = (await statusOf(consumer, his as number)) === PENDING;
          const status = await signalled(consumer, merged.fd);
          consumer.expect(status === LEFT_BEHIND || (status === DONE && !fails), `the merge of both says ${status}`);
          const { fences } = await consumer.call('SYNC_FILE_INFO', { ...merged, flags: 0, pad: 0, numFences: 2 });
          consumer.expect(
            fences.every((one) => one.status !== PENDING),
            'a merge has signalled, and one of its fences has not',
          );
        };
        const first = mine as number;
        const second = his as number;
        const closing = async () => {
          await pause(stage, 'consumer', 2);
          await consumer.call('DMABUF_CLOSE', { fd: first });
        };
        await Promise.all([merging(first, second, 'one way'), merging(second, first, 'the other')]).then(closing);
      },
    };
  },
});

const fencePoll = scenario({
  name: 'fence-poll',
  summary: 'polls of a sync file, with and without time-out, while it signals and its descriptors are closed',
  clients: ['producer', 'consumer'],
  async prepare({ producer, consumer }, stage) {
    await producer.open('hl0');
    await consumer.open('hl0');
    const { stuck, free } = await gated(producer);
    const made = await syncFileOf(producer, await producer.submit([stuck]));
    const fd = (await openToken(consumer, made.token)) as number;
    const poll = async (timeoutMs: number) => {
      const asked = { fd, events: POLL_EVENTS.IN, timeoutMs };
      const { res } = await consumer.attempt('DESCRIPTOR_POLL', asked, ['EBADF']);
      if (res !== undefined) {
        consumer.note(res.revents === 0 ? 'poll: nothing' : 'poll: IN');
        consumer.expect(timeoutMs >= 0 || res.revents !== 0, 'a poll for ever ended without an event');
      }
    };
    return {
      async producer() {
        await producer.submit([free]);
        await producer.call('DMABUF_CLOSE', { fd: made.fd });
      },
      async consumer() {
        const closing = async () => {
          await pause(stage, 'consumer', 3);
          await consumer.call('DMABUF_CLOSE', { fd });
          await poll(1);
        };
        await Promise.all([poll(0), poll(-1), poll(5), closing()]);
      },
    };
  },
});

const fenceImport = scenario({
  name: 'fence-import',
  summary: 'a sync file is put onto a buffer, as a writer, while somebody else submits work that reads it',
  clients: ['owner', 'guest', 'reader'],
  async prepare({ owner, guest, reader }, stage) {
    for (const client of [owner, guest, reader]) {
      await client.open('hl0');
    }
    const { token } = await exported(owner, OURS);
    const { address } = await reader.call('DMABUF_IMPORT', { token });
    const readerFd = (await openToken(reader, token)) as number;
    const guestFd = (await openToken(guest, token)) as number;
    const buffer = await reader.hostBuffer(BYTES, UNTOUCHED);
    const reading = await reader.job(program(copy(address, buffer.address, BYTES)), DMA_UP);
    const { stuck, free } = await gated(guest);
    const fence = await syncFileOf(guest, await guest.submit([stuck]));
    let released = false;
    return {
      async owner() {
        await pause(stage, 'owner', 3);
      },
      async guest() {
        await guest.call('DMABUF_IMPORT_SYNC_FILE', { fd: guestFd, flags: WRITE, syncFile: fence.fd });
        await pause(stage, 'guest', 2);
        released = true;
        await guest.wait(await guest.submit([free]));
      },
      async reader() {
        const read = await synced(reader, [reading], { buffers: [{ fd: readerFd, access: READ }] });
        await reader.wait(read.seq);
        reader.expect(!read.held || released, 'work that had to wait for a writer was done before him');
        reader.expectWords(buffer.words, [OURS], 'what was read');
      },
    };
  },
});

const fenceOrder = scenario({
  name: 'fence-order',
  summary: 'fences of three submissions of one queue are waited for last first, merged, and exported from a buffer',
  clients: ['producer', 'consumer'],
  async prepare({ producer, consumer }) {
    await producer.open('hl0');
    await consumer.open('hl0');
    const { token, fd: dmaBuf } = await exported(producer, OURS);
    const { stuck, free } = await gated(producer);
    const next = await producer.job(program(nop, nop));
    const elsewhere = await producer.job(program(nop), DMA_UP);
    const shared = (await openToken(consumer, token)) as number;
    const fds: number[] = [];
    for (const job of [stuck, next, next]) {
      const buffers = [{ fd: dmaBuf, access: READ }];
      const { fd = -1 } = await synced(producer, [job], { buffers, exportFence: true });
      fds.push((await openToken(consumer, (await producer.call('DMABUF_TOKEN', { fd })).token)) as number);
    }
    return {
      async producer() {
        await producer.submit([free]);
        // A writer on another queue has to wait for them.
        await synced(producer, [elsewhere], { buffers: [{ fd: dmaBuf, access: WRITE }] });
      },
      async consumer() {
        const [first, second, third] = fds as [number, number, number];
        const merged = await consumer.call('SYNC_FILE_MERGE', { fd: third, name: 'm', fd2: first, flags: 0, pad: 0 });
        const { numFences } = await consumer.call('SYNC_FILE_INFO', { ...merged, flags: 0, pad: 0, numFences: 0 });
        consumer.expect(numFences === 1, `a merge of two fences of one timeline has ${numFences}`);
        const all = await consumer.call('DMABUF_EXPORT_SYNC_FILE', { fd: shared, flags: WRITE });
        const inOrder = async (fd: number, earlier: readonly number[]) => {
          await signalled(consumer, fd);
          for (const one of earlier) {
            consumer.expect(
              (await statusOf(consumer, one)) !== PENDING,
              'a fence overtook one before it on its timeline',
            );
          }
        };
        await Promise.all([
          inOrder(third, [second, first]),
          inOrder(second, [first]),
          inOrder(merged.fd, [first, second, third]),
          inOrder(all.fd, [first, second, third]),
        ]);
      },
    };
  },
});

export const FENCES: readonly Scenario[] = [fenceDeath, mergeFail, fencePoll, fenceImport, fenceOrder];
