/** Waiting for the first of several, over a real socket. */
import { HlError } from '@pedrera/base';
import { WAIT_FLAGS, WAIT_STATUS } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { openDevice } from './device.js';
import { waitAll } from './multi-wait.js';
import { type Submission, WaitExpired } from './submission.js';
import { FakeDaemon } from './testing/fake-daemon.js';

const DONE = { status: WAIT_STATUS.COMPLETED, flags: 2, timestampNs: 55n, completionMap: 0b101 };

async function started(daemon: FakeDaemon, count: number) {
  const dev = await openDevice(0, { socketPath: daemon.socketPath });
  const cb = (await dev.createCommandBuffer()).nop();
  const submissions: Submission[] = [];
  for (let i = 0; i < count; i++) submissions.push(await dev.submit({ queue: 0, cb }));
  return { dev, submissions };
}

describe('waitAny', () => {
  it('map-of-those-that-are-done', async () => {
    await using daemon = await FakeDaemon.start({ WAIT_CS: () => DONE });
    const { dev, submissions } = await started(daemon, 3);
    const { done, timestampNs } = await dev.waitAny(submissions);
    expect([done, timestampNs]).toEqual([[submissions[0], submissions[2]], 55n]);
    expect(daemon.calls.find(({ name }) => name === 'WAIT_CS')?.req).toMatchObject({
      flags: WAIT_FLAGS.MULTI_CS,
      sequences: [1, 2, 3],
      timeoutUs: 2n ** 63n - 1n,
    });
    await dev.close();
  });

  it('expires', async () => {
    await using daemon = await FakeDaemon.start({ WAIT_CS: () => ({ ...DONE, status: WAIT_STATUS.BUSY }) });
    const { dev, submissions } = await started(daemon, 2);
    await expect(dev.waitAny(submissions, { timeoutMs: 0 })).rejects.toBeInstanceOf(WaitExpired);
    await dev.close();
  });

  it('what-cannot-be-meant', async () => {
    await using daemon = await FakeDaemon.start();
    const { dev, submissions } = await started(daemon, 1);
    const other = await openDevice(0, { socketPath: daemon.socketPath });
    await expect(dev.waitAny([])).rejects.toThrow(/0 submissions; it takes 1 to 32/);
    await expect(dev.waitAny(new Array(33).fill(submissions[0]))).rejects.toThrow(/33 submissions/);
    await expect(dev.waitAny(submissions, { timeoutMs: -1 })).rejects.toThrow(/a timeout of -1 ms/);
    await expect(other.waitAny(submissions)).rejects.toThrow(/another open file/);
    await Promise.all([dev.close(), other.close()]);
  });

  it('no-more-at-once-than-a-device-serves', async () => {
    let waiting = 0;
    let most = 0;
    await using daemon = await FakeDaemon.start({
      WAIT_CS: async () => {
        most = Math.max(most, ++waiting);
        await new Promise((resolve) => setImmediate(resolve));
        waiting--;
        return DONE;
      },
    });
    const { dev, submissions } = await started(daemon, 3);
    await Promise.all(Array.from({ length: 9 }, () => dev.waitAny(submissions)));
    expect(most).toBe(2);
    await dev.close();
  });
});

describe('waitAll', () => {
  it('results-in-order-or-the-first-failure', async () => {
    await using daemon = await FakeDaemon.start({ WAIT_CS: () => ({ ...DONE, flags: 0 }) });
    const { dev, submissions } = await started(daemon, 3);
    expect(await waitAll(submissions)).toHaveLength(3);
    daemon.answers.WAIT_CS = ({ seq }) => {
      if (seq === 2) throw new HlError('EIO', 'aborted');
      return { ...DONE, flags: 0 };
    };
    await expect(waitAll(submissions)).rejects.toMatchObject({ code: 'EIO', ioctl: 'WAIT_CS' });
    await dev.close();
  });
});
