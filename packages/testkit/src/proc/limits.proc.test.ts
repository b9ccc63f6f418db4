/**
 * One client takes all it can get, or goes on as fast as it can. It hears so when it has reached its bound; the others find
 * what they need and get their work done.
 */
import { closeSync, ftruncateSync } from 'node:fs';
import { OPCODE, SOBS_PER_DCORE, SRAM_USER_SIZE } from '@pedrera/hw';
import { Dcore, type Device, HlError, openDevice, Queue, SubmitBatchError } from '@pedrera/thunk';
import { entryOf, MAX_CB_SIZE, MAX_FRAME_BYTES, MAX_PENDING } from '@pedrera/uapi';
import { SideChannel } from '@pedrera/wire';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ClientSteps } from './programs/client/main.js';
import { Mirror } from './programs/mirror.js';
import type { VictimSteps } from './programs/victim/main.js';
import { ClientProcess } from './support/client-process.js';
import { fileDaemon } from './support/file-daemon.js';
import { RawPeer } from './support/raw-peer.js';
import { refusal } from './support/refusal.js';

const daemon = fileDaemon({ beforeAll, afterEach, afterAll }, { devices: 2 });

const RING_ENTRIES = 4096;
const UNMAPPED = 0x1_4000_0000_0000;
const open = (index = 0) => openDevice(index, { socketPath: daemon().socketPath });

/** Takes too much. */
let greedy: Device;
/** Wants only its share, on the same device. */
let modest: Device;
let mirror: Mirror;
const processes: AsyncDisposable[] = [];

beforeEach(async () => {
  [greedy, modest] = await Promise.all([open(), open()]);
  mirror = await Mirror.make(modest, 64 * 1024);
});

afterEach(async () => {
  await mirror.roundTrip(1);
  await Promise.all([greedy.close(), modest.close()]);
  await Promise.all(processes.splice(0).map((process) => process[Symbol.asyncDispose]()));
});

/** Makes a stream of the greedy one wait for ever. */
async function block(queue: number): Promise<void> {
  await using cb = await greedy.createCommandBuffer();
  await greedy.submit({ queue, cb: cb.fence({ target: 1 }) });
}

describe('all there is', () => {
  it('address-spaces', async () => {
    const opened: Device[] = [];
    let refused = '';
    while (refused === '') {
      const outcomes = await Promise.allSettled(Array.from({ length: 50 }, () => open()));
      for (const outcome of outcomes) {
        if (outcome.status === 'fulfilled') {
          opened.push(outcome.value);
        } else {
          refused = (outcome.reason as Error).message;
        }
      }
    }
    expect(refused).toMatch(/ENOMEM .*all 1023 address spaces of hl0 are taken/);
    expect(opened.length + 2).toBe(1023);
    expect(new Set(opened.map(({ asid }) => asid)).size).toBe(opened.length);
    // The other device has its own, and the control node needs none.
    await using elsewhere = await open(1);
    await using control = await openDevice(0, { socketPath: daemon().socketPath, node: 'control' });
    expect([elsewhere.alive, control.alive]).toEqual([true, true]);
    await mirror.roundTrip(2);
    await Promise.all(opened.map((device) => device.close()));
  });

  it('sync-objects-and-monitors', async () => {
    await greedy.leaseSync({ dcore: Dcore.E_N, syncObjects: SOBS_PER_DCORE, monitors: 512 });
    expect(await refusal(modest.leaseSync({ dcore: Dcore.E_N, syncObjects: 1 }))).toMatch(
      /^ENOSPC: E_N has no 8 sync objects in a row left \(0 free\)/,
    );
    expect(await refusal(modest.info.syncManager(Dcore.E_N))).toMatch(/^ENOSPC/);
    await modest.leaseSync({ dcore: Dcore.E_S, syncObjects: 1, monitors: 1 });
  });

  it('sram', async () => {
    await greedy.leaseSram(SRAM_USER_SIZE);
    expect(await refusal(modest.leaseSram(128))).toMatch(/^ENOSPC: 128 bytes of SRAM asked, the largest free run is 0/);
  });

  it('submissions-in-flight', async () => {
    await using cb = await greedy.createCommandBuffer();
    cb.nop();
    for (let stream = 0; stream < MAX_PENDING / RING_ENTRIES; stream++) {
      const queue = Queue.DMA_0_0 + stream;
      await block(queue);
      await greedy.submitBatch(Array.from({ length: RING_ENTRIES - 1 }, () => ({ queue, cb })));
    }
    const more = greedy.submit({ queue: Queue.DMA_1_0, cb });
    expect(await refusal(more)).toMatch(/^EAGAIN: 16384 submissions are in flight; sequence 1 has not finished/);
    await mirror.roundTrip(3);
    expect((await greedy.info.csCounters()).ctxMaxCsInFlightDropCnt).toBe(1);
    expect((await modest.info.csCounters()).ctxMaxCsInFlightDropCnt).toBe(0);
  });

  it('memory-of-queued-command-buffers', async () => {
    await block(Queue.DMA_0_0);
    await using cb = await greedy.createCommandBuffer(MAX_CB_SIZE);
    cb.append(Uint32Array.from({ length: MAX_CB_SIZE / 4 }, (_, i) => (i % 2) * OPCODE.NOP * 2 ** 24));
    const batch = greedy.submitBatch(Array.from({ length: 100 }, () => ({ queue: Queue.DMA_0_0, cb })));
    const error = await batch.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(SubmitBatchError);
    const refused = (error as SubmitBatchError).outcomes.find((outcome) => outcome instanceof HlError);
    expect(`${refused}`).toMatch(/ENOMEM .*the command buffers this context has queued already take \d+ bytes/);
    await mirror.roundTrip(4);
  });
});

describe('as fast as it can', () => {
  it('faulting', async () => {
    await using cb = await greedy.createCommandBuffer();
    for (let i = 0; i < 64; i++) {
      cb.msgLong({ address: UNMAPPED + 4 * i, value: 1 });
    }
    let stop = false;
    const flood = (async () => {
      let failed = 0;
      while (!stop) {
        const submissions = await greedy.submitBatch(Array.from({ length: 256 }, (_, i) => ({ queue: i % 8, cb })));
        const outcomes = await Promise.allSettled(submissions.map((submission) => submission.wait()));
        failed += outcomes.filter(({ status }) => status === 'rejected').length;
        expect(outcomes.filter(({ status }) => status === 'fulfilled')).toEqual([]);
      }
      return failed;
    })();
    for (let i = 0; i < 50; i++) {
      await mirror.roundTrip(i);
    }
    stop = true;
    expect(await flood).toBeGreaterThan(0);
  });

  it('signalling-another-device', async () => {
    const signals = 30_000;
    await using peer = await open(1);
    const lease = await peer.leaseSync({ dcore: Dcore.W_N, syncObjects: 8, monitors: 1 });
    const imported = await greedy.importDmaBuf(await peer.exportSync(lease));
    await using wait = await peer.createCommandBuffer();
    const condition = { syncObject: lease.object(0), monitor: lease.monitor(0), value: signals, mode: '==' } as const;
    const all = await peer.submit({ queue: Queue.DMA_0_0, cb: wait.waitFor({ ...condition, queue: Queue.DMA_0_0 }) });
    await using cb = await greedy.createCommandBuffer(signals * 16);
    for (let i = 0; i < signals; i++) {
      cb.signal(imported.object(0), 1, {});
    }
    const sent = await greedy.submit({ queue: Queue.DMA_1_0, cb });
    for (let i = 0; i < 10; i++) {
      await mirror.roundTrip(i);
    }
    // None lost, none twice: an object that jumped over the value would never meet it.
    await Promise.all([sent.wait(), all.wait()]);
  });

  it('asking', async () => {
    let stop = false;
    const flood = (async () => {
      while (!stop) {
        await Promise.all(Array.from({ length: 100 }, () => greedy.ioctl('INSPECT_QUEUES', { device: -1 })));
      }
    })();
    for (let i = 0; i < 20; i++) {
      await mirror.roundTrip(i);
    }
    stop = true;
    await flood;
  });

  it('stopped-in-the-middle', async () => {
    const orders = JSON.stringify({ device: 0, seed: 1 });
    const client = new ClientProcess<VictimSteps>('victim', {
      socketPath: daemon().socketPath,
      args: ['upload', orders],
    });
    processes.push(client);
    await client.heard(3);
    client.process.child.kill('SIGSTOP');
    for (let i = 0; i < 20; i++) {
      await mirror.roundTrip(i);
    }
    const { news } = client;
    client.process.child.kill('SIGCONT');
    await client.heard(news + 5);
  });
});

describe('what a client holds in its hands', () => {
  it('shared-memory-cannot-be-truncated', async () => {
    await using peer = await RawPeer.greeted(daemon().socketPath);
    const { sideToken } = await peer.call('OPEN', { node: 'hl0' });
    const side = SideChannel.connect(daemon().socketPath);
    await side.exchange([1, entryOf('SIDE_CHANNEL').code, [sideToken]], MAX_FRAME_BYTES);
    const { handle } = await peer.call('CB_CREATE', { size: 4096, flags: 0 });
    const { segmentSize } = await peer.call('MMAP', { offset: handle });
    const { fd } = side.receiveDescriptor();
    for (const size of [0, 4096, segmentSize + 4096]) {
      expect(() => ftruncateSync(fd, size)).toThrow(/EPERM/);
    }
    closeSync(fd);
    side.close();
  });

  it('command-buffer-scribbled-over-while-it-is-submitted', async () => {
    await using cb = await greedy.createCommandBuffer();
    const nop = OPCODE.NOP * 2 ** 24;
    const stop = OPCODE.STOP * 2 ** 24;
    const outcomes = new Set<string>();
    for (let i = 0; i < 100; i++) {
      cb.reset().append(Array.from({ length: 1024 }, (_, word) => (word % 2) * nop));
      const submitted = greedy.submit({ queue: Queue.DMA_0_0, cb }).then(
        (submission) => submission.wait().then(() => 'done'),
        (error: HlError) => error.code,
      );
      // The frame leaves at the end of this turn; then the daemon reads while we write.
      await new Promise((resolve) => process.nextTick(resolve));
      for (let round = 0; round < 20_000; round++) {
        cb.reset().append([0, round % 2 === 0 ? stop : nop]);
      }
      outcomes.add(await submitted);
    }
    // Either it was a STOP when it was looked at, or it was none when it ran: what was checked is what runs.
    expect([...outcomes].filter((outcome) => outcome !== 'done' && outcome !== 'EPERM')).toEqual([]);
  });

  it('side-channel-token-of-another-process', async () => {
    const client = new ClientProcess<ClientSteps>('client', { socketPath: daemon().socketPath });
    processes.push(client);
    await using peer = await RawPeer.greeted(daemon().socketPath);
    const { sideToken } = await peer.call('OPEN', { node: 'hl0' });
    const attach = client.call('attachSideChannel', { socketPath: daemon().socketPath, token: [...sideToken] });
    expect(await attach).toEqual({
      errno: 1,
      sentence: expect.stringContaining('no file of this process has the side-channel token'),
    });
    // It is still good where it belongs.
    const side = SideChannel.connect(daemon().socketPath);
    const reply = await side.exchange([1, entryOf('SIDE_CHANNEL').code, [sideToken]], MAX_FRAME_BYTES);
    expect(reply[1]).toBe(0);
    side.close();
  });
});
