/** Submitting and waiting: batches, the completion ring, deadlines, refusals, over a real socket. */
import { HlError } from '@pedrera/base';
import { CS_FLAGS, MAX_PENDING, WAIT_STATUS } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { type Device, openDevice } from './device.js';
import { Submission, SubmitBatchError, WaitExpired } from './submission.js';
import { FakeDaemon, silence } from './testing/fake-daemon.js';

const BUSY = { status: WAIT_STATUS.BUSY, flags: 0, timestampNs: 0n };

async function withDevice(daemon: FakeDaemon): Promise<Device> {
  return await openDevice(0, { socketPath: daemon.socketPath });
}

/** Resolves when the ring is mapped: the daemon answered, in order, what was asked after it. */
async function ringMapped(dev: Device, daemon: FakeDaemon): Promise<void> {
  while (!daemon.names.includes('MMAP')) await dev.info.deviceStatus().catch(() => {});
  await dev.info.deviceStatus().catch(() => {});
}

describe('submit', () => {
  it('spells-jobs-as-chunks', async () => {
    await using daemon = await FakeDaemon.start();
    using dev = await withDevice(daemon);
    const cb = (await dev.createCommandBuffer()).nop().nop();
    const restore = (await dev.createCommandBuffer()).nop();
    await dev.submit({
      jobs: [
        { queue: 1, cb },
        { queue: 9, memory: 0x2000_0000, size: 64 },
      ],
      restore: [{ queue: 0, cb: restore }],
      timeoutSec: 5,
      timestamp: true,
    });
    expect(daemon.calls.find(({ name }) => name === 'CS')?.req).toEqual({
      chunksRestore: [{ handle: restore.handle, queueIndex: 0, size: 8, flags: 0 }],
      chunksExecute: [
        { handle: cb.handle, queueIndex: 1, size: 16, flags: 0 },
        { handle: 0x2000_0000n, queueIndex: 9, size: 64, flags: 0 },
      ],
      seq: 0,
      timeoutSec: 5,
      flags: CS_FLAGS.FORCE_RESTORE | CS_FLAGS.CUSTOM_TIMEOUT | CS_FLAGS.TIMESTAMP,
    });
  });

  it('refuses-what-cannot-be-meant-before-it-is-sent', async () => {
    await using daemon = await FakeDaemon.start();
    using dev = await withDevice(daemon);
    using other = await withDevice(daemon);
    const cb = await dev.createCommandBuffer();
    const hbm = await dev.allocHbm(4096);
    await expect(dev.submit({ queue: 0, cb })).rejects.toThrow(/the command buffer is empty/);
    cb.nop();
    await expect(dev.submit({ queue: 0, cb, size: 8192 })).rejects.toThrow(/8192 bytes of a command buffer of 4096/);
    await expect(other.submit({ queue: 0, cb })).rejects.toThrow(/belongs to another open file/);
    await expect(dev.submit({ jobs: [] })).rejects.toThrow(/at least one job/);
    await expect(dev.submit({ queue: 9, memory: hbm, offset: 4095, size: 8 })).rejects.toThrow(/run past the end/);
    await cb.destroy();
    await expect(dev.submit({ queue: 0, cb })).rejects.toThrow(expect.objectContaining({ code: 'EFAULT' }));
    expect(daemon.names).not.toContain('CS');
  });

  it('batch-is-pipelined-beyond-the-limit-of-requests-in-flight', async () => {
    await using daemon = await FakeDaemon.start();
    using dev = await withDevice(daemon);
    const cb = (await dev.createCommandBuffer()).nop();
    // The fake daemon takes 8 at a time; it answers the later ones of those first.
    let waiting = 0;
    let most = 0;
    daemon.answers.CS = async () => {
      waiting += 1;
      most = Math.max(most, waiting);
      await new Promise((resolve) => setImmediate(resolve));
      waiting -= 1;
      return {
        seq: daemon.names.filter((name) => name === 'CS').length,
        status: 0,
        sobBaseAddrOffset: 0,
        sobCountBeforeSubmission: 0,
      };
    };
    const submissions = await dev.submitBatch(Array.from({ length: 100 }, () => ({ queue: 0, cb })));
    expect(submissions).toHaveLength(100);
    expect(submissions.every((submission) => submission instanceof Submission)).toBe(true);
    expect(most).toBeLessThanOrEqual(8);
    expect(await dev.submitBatch([])).toEqual([]);
  });

  it('batch-reports-each-outcome', async () => {
    await using daemon = await FakeDaemon.start();
    using dev = await withDevice(daemon);
    const cb = (await dev.createCommandBuffer()).nop();
    let seq = 0;
    daemon.answers.CS = ({ chunksExecute }) => {
      if (chunksExecute[0]?.queueIndex === 8) throw new HlError('EINVAL', "queue 8 is the driver's");
      seq += 1;
      return { seq, status: 0, sobBaseAddrOffset: 0, sobCountBeforeSubmission: 0 };
    };
    const error = await dev.submitBatch([0, 8, 1].map((queue) => ({ queue, cb }))).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(SubmitBatchError);
    expect(error).toMatchObject({
      code: 'EINVAL',
      ioctl: 'CS',
      detail: "1 of 3 submissions were refused, the first of them number 1: queue 8 is the driver's",
    });
    expect(
      (error as SubmitBatchError).outcomes.map((outcome) => (outcome instanceof HlError ? outcome.code : outcome.seq)),
    ).toEqual([1, 'EINVAL', 2]);
  });
});

describe('wait', () => {
  it('finished-work-costs-no-message', async () => {
    await using daemon = await FakeDaemon.start();
    using dev = await withDevice(daemon);
    const cb = (await dev.createCommandBuffer()).nop();
    const first = await dev.submit({ queue: 0, cb });
    const second = await dev.submit({ queue: 0, cb });
    await ringMapped(dev, daemon);
    daemon.publish(first.seq);
    expect([first.peek(), second.peek()]).toEqual([true, false]);
    expect(await first.wait()).toEqual({ timestampNs: undefined });
    expect(await first.poll()).toBe(true);
    expect(daemon.names).not.toContain('WAIT_CS');
    await second.wait();
    expect(daemon.names.filter((name) => name === 'WAIT_CS')).toHaveLength(1);
    // A later number in the slot: the older one is over, but how it ended only the daemon knows.
    daemon.publish(first.seq + MAX_PENDING);
    expect(first.peek()).toBe(false);
    daemon.answers.WAIT_CS = () => {
      throw new HlError('EIO', 'page fault at 0x1234');
    };
    await expect(first.wait()).rejects.toThrow(
      expect.objectContaining({ code: 'EIO', ioctl: 'WAIT_CS', detail: 'page fault at 0x1234' }),
    );
  });

  it('timestamps-come-by-message', async () => {
    await using daemon = await FakeDaemon.start({ WAIT_CS: () => ({ status: 0, flags: 2, timestampNs: 123n }) });
    using dev = await withDevice(daemon);
    const cb = (await dev.createCommandBuffer()).nop();
    const submission = await dev.submit({ queue: 0, cb, timestamp: true });
    await ringMapped(dev, daemon);
    daemon.publish(submission.seq);
    expect(await submission.wait()).toEqual({ timestampNs: 123n });
  });

  it('expiry-says-that-the-work-goes-on', async () => {
    await using daemon = await FakeDaemon.start({ WAIT_CS: () => BUSY });
    using dev = await withDevice(daemon);
    const cb = (await dev.createCommandBuffer()).nop();
    const submission = await dev.submit({ queue: 0, cb });
    const error = await submission.wait({ timeoutMs: 0 }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(WaitExpired);
    expect(error).toMatchObject({ code: 'ETIMEDOUT', ioctl: 'WAIT_CS', seq: submission.seq });
    expect((error as Error).message).toMatch(/submission 1 on hl0 is still busy after 0 ms/);
    expect(await submission.poll()).toBe(false);
    await expect(submission.wait({ timeoutMs: -1 })).rejects.toThrow(expect.objectContaining({ code: 'EINVAL' }));
    await expect(submission.wait({ timeoutMs: Number.NaN })).rejects.toThrow(
      expect.objectContaining({ code: 'EINVAL' }),
    );
  });

  it('an-early-busy-is-not-an-expiry', async () => {
    const answers = [BUSY, BUSY, { status: WAIT_STATUS.COMPLETED, flags: 0, timestampNs: 0n }];
    const timeouts: bigint[] = [];
    await using daemon = await FakeDaemon.start({
      WAIT_CS: ({ timeoutUs }) => {
        timeouts.push(timeoutUs);
        return answers.shift() ?? silence;
      },
    });
    using dev = await withDevice(daemon);
    const cb = (await dev.createCommandBuffer()).nop();
    const submission = await dev.submit({ queue: 0, cb });
    await submission.wait({ timeoutMs: 1e9 });
    // The driver looks at 32 bits of microseconds, so a long wait is made of shorter ones.
    expect(timeouts).toEqual([2n ** 31n, 2n ** 31n, 2n ** 31n]);
  });

  it('without-a-timeout-it-asks-for-ever', async () => {
    await using daemon = await FakeDaemon.start();
    using dev = await withDevice(daemon);
    const cb = (await dev.createCommandBuffer()).nop();
    await (await dev.submit({ queue: 0, cb })).wait();
    expect(daemon.calls.find(({ name }) => name === 'WAIT_CS')?.req).toMatchObject({ timeoutUs: 2n ** 63n - 1n });
  });

  it('waits-leave-room-for-the-submission-that-ends-them', async () => {
    let release = (): void => {};
    const submitted = new Promise<void>((resolve) => {
      release = resolve;
    });
    await using daemon = await FakeDaemon.start({
      WAIT_CS: () => submitted.then(() => ({ status: 0, flags: 0, timestampNs: 0n })),
    });
    using dev = await withDevice(daemon);
    const cb = (await dev.createCommandBuffer()).nop();
    const first = await dev.submit({ queue: 0, cb });
    // More waits than the daemon lets a client have in flight.
    const waits = Promise.all(Array.from({ length: 50 }, () => first.wait()));
    await dev.submit({ queue: 0, cb });
    expect(daemon.names.filter((name) => name === 'WAIT_CS')).toHaveLength(4);
    release();
    expect(await waits).toHaveLength(50);
  });
});
