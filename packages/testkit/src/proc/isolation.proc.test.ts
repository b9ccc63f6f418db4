/** A hung engine costs its own device a reset, and nobody on another device anything. */
import { Dcore, type Device, type DeviceMemory, HlError, type HostBuffer, openDevice } from '@pedrera/thunk';
import { DEVICE_STATUS } from '@pedrera/uapi';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { fileDaemon } from './support/file-daemon.js';
import { untilNothing } from './support/until.js';

const daemon = fileDaemon({ beforeAll, afterEach, afterAll }, { devices: 2 });

const SIZE = 64 * 1024;

/** One round of work with a result that can be told right from wrong: pattern to HBM, and back. */
async function verifiedRound(
  device: Device,
  parts: { host: HostBuffer; hbm: DeviceMemory },
  round: number,
): Promise<void> {
  const { host, hbm } = parts;
  const words = new Uint32Array(host.bytes.buffer, host.bytes.byteOffset, SIZE / 2);
  for (let i = 0; i < SIZE / 4; i++) {
    words[i] = (round * 0x9e37_79b1 + i) >>> 0;
  }
  words.fill(0, SIZE / 4);
  await using cb = await device.createCommandBuffer();
  cb.linDma({ from: host, to: hbm, size: SIZE }).linDma({ from: hbm, to: host, toOffset: SIZE, size: SIZE });
  await (await device.submit({ queue: round % 4, cb })).wait();
  expect(words.subarray(SIZE / 4, SIZE / 2)).toEqual(words.subarray(0, SIZE / 4));
}

it('a-hung-engine-is-reset-while-others-work', async () => {
  const { socketPath } = daemon();
  await using watcher = await openDevice(0, { socketPath, node: 'control' });
  await using healthy = await openDevice(1, { socketPath });
  const parts = { host: await healthy.allocHost(2 * SIZE), hbm: await healthy.allocHbm(SIZE) };
  const { hardResetCnt: before } = await watcher.ioctl('INFO_RESET_COUNT', {});
  const { hardResetCnt: elsewhere } = await healthy.ioctl('INFO_RESET_COUNT', {});

  const sick = await openDevice(0, { socketPath });
  await watcher.ioctl('INJECT', { device: 0, kind: 'hang', target: 'DMA0', value: 0 });
  await using cb = await sick.createCommandBuffer();
  cb.nop();
  const stuck = (await sick.submit({ queue: 0, cb, timeoutSec: 1 })).wait().then(
    () => 'done',
    (error: unknown) => (error instanceof HlError ? error.code : String(error)),
  );

  let ended = '';
  void stuck.then((how) => {
    ended = how;
  });
  let rounds = 0;
  // Until the device is whole again, and some rounds more.
  for (let after = 0; after < 5; rounds++) {
    await verifiedRound(healthy, parts, rounds);
    const { hardResetCnt } = await watcher.ioctl('INFO_RESET_COUNT', {});
    if (ended !== '' && hardResetCnt > before) {
      after++;
    }
  }
  expect(ended).toBe('ETIMEDOUT');
  expect(rounds).toBeGreaterThan(5);
  expect(await watcher.ioctl('INFO_RESET_COUNT', {})).toEqual({ hardResetCnt: before + 1, softResetCnt: 0 });
  expect((await healthy.ioctl('INFO_RESET_COUNT', {})).hardResetCnt).toBe(elsewhere);
  await sick.close();

  await untilNothing(async () => {
    const { status } = await watcher.ioctl('INFO_DEVICE_STATUS', {});
    return status === DEVICE_STATUS.OPERATIONAL ? '' : `device 0 has status ${status}`;
  });
  await using again = await openDevice(0, { socketPath });
  await verifiedRound(again, { host: await again.allocHost(2 * SIZE), hbm: await again.allocHbm(SIZE) }, 1);
  await again.leaseSync({ dcore: Dcore.W_N, syncObjects: 8 });
});
