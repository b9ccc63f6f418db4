/** Faults in any order and number: the daemon lives, answers in sentences, and a hard reset makes every device whole again. */
import { HlError, Prng } from '@pedrera/base';
import { connectDaemon, type Device, openDevice } from '@pedrera/thunk';
import { entryOf, type Req, type Res, sampleFields } from '@pedrera/uapi';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Mirror } from '../proc/programs/mirror.js';
import { effort, patience } from '../proc/support/effort.js';
import { fileDaemon } from '../proc/support/file-daemon.js';

const DEVICES = 2;
const daemon = fileDaemon({ beforeAll, afterEach, afterAll }, { devices: DEVICES });

const TARGETS = [
  '',
  'DMA0',
  'DMA5',
  'TPC3',
  'MME0',
  'NIC1',
  '33',
  '646',
  '184',
  'start',
  'end',
  'HBM0',
  'SRAM3',
  'MMU',
  '3',
];

/** Opens as soon as the device lets one: a reset refuses for a moment. */
async function openWhenReady(index: number): Promise<Device> {
  const deadline = process.hrtime.bigint() + 20_000_000_000n;
  for (;;) {
    try {
      return await openDevice(index, { socketPath: daemon().socketPath });
    } catch (error) {
      const again = error instanceof HlError && ['EAGAIN', 'EPERM', 'EBUSY'].includes(error.code);
      if (!again || process.hrtime.bigint() > deadline) throw error;
    }
  }
}

describe('faults', () => {
  it('any-of-them-in-any-order', { timeout: patience(60_000) }, async () => {
    const entry = entryOf('INJECT');
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        const prng = new Prng(seed);
        await using client = await connectDaemon({ socketPath: daemon().socketPath, program: 'inject.fuzz' });
        for (let i = 0; i < 20; i++) {
          const fields = sampleFields(entry.req, prng);
          if (prng.below(4) > 0) Object.assign(fields, { device: prng.below(DEVICES), target: prng.pick(TARGETS) });
          const outcome = await client.ioctl('INJECT', fields as Req<'INJECT'>).catch((error: unknown) => error);
          const sentence = outcome instanceof HlError ? outcome.detail : (outcome as Res<'INJECT'>).effect;
          expect(sentence).toMatch(/^(?!.*internal error).{5,}$/);
        }
      }),
      effort(10),
    );
  });

  it('a-reset-makes-it-whole', { timeout: patience(60_000) }, async () => {
    await using client = await connectDaemon({ socketPath: daemon().socketPath, program: 'inject.fuzz' });
    for (let device = 0; device < DEVICES; device++) {
      const { effect } = await client.ioctl('INJECT', { device, kind: 'reset', target: '', value: 0 });
      expect(effect).toMatch(/reset/);
      const opened = await openWhenReady(device);
      const mirror = await Mirror.make(opened, 4096);
      await mirror.roundTrip(device);
      await opened.close();
    }
  });
});
