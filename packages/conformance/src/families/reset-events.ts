/** Hung engines, events of the device, what they tell and what they reset (uapi.md 7.1, 7.5, 7.6). */
import assert from 'node:assert/strict';
import { type Client, cs } from '../framework/client.js';
import { TestList } from '../framework/conformance-test.js';
import type { Env } from '../framework/env.js';
import { packets } from '../framework/packets.js';
import {
  CUSTOM_TIMEOUT,
  EVENT,
  FORCE_RESTORE,
  IN_RESET,
  resets,
  revoked,
  SIGNAL,
  STAGED_FIRST,
  waitReq,
} from './reset-support.js';

export const resetEvents = new TestList();

const NEEDS_RESET = 3;

/** All events since the last look; waits for the first. */
async function events(env: Env, file: Client): Promise<number> {
  return env.until('an event', async () => (await file.call('INFO_GET_EVENTS', {})).events || undefined);
}

for (const policy of ['exclusive', 'shared'] as const) {
  resetEvents.add(`reset@hung-engine-${policy}`, { policy }, async (env) => {
    const control = await env.control();
    const client = await env.open();
    const before = await resets(control);
    await env.inject('hang', 'DMA0');
    const seq = await client.submit(packets().nop(), { flags: CUSTOM_TIMEOUT, timeoutSec: 1 });
    assert.equal((await client.attempt('WAIT_CS', waitReq(seq))).errno, 'ETIMEDOUT');
    await env.recovered(control, before + 1);
    await (await env.opened()).run(packets().nop());
  });
}

resetEvents.add('reset@open-on-a-hung-device', { covers: ['OPEN/ENOMEM/context'] }, async (env) => {
  await env.inject('hang', 'DMA0');
  // The job that clears the sync objects cannot run; whatever the inner cause, ENOMEM (1.3).
  await env.openFails('ENOMEM');
  await env.resetDevice();
  await env.open();
});

resetEvents.add('reset@shared-timeout-costs-only-itself', { policy: 'shared' }, async (env) => {
  const one = await env.open();
  const other = await env.open();
  const before = await resets(other);
  const stuck = await one.submit(packets().fence(1), { flags: CUSTOM_TIMEOUT, timeoutSec: 2 });
  const next = await one.submit(packets().nop());
  const waiting = [stuck, next].map((seq) => one.start('WAIT_CS', waitReq(seq)));
  const [first, second] = await env.finish(Promise.all(waiting));
  assert.deepEqual([first?.errno, second?.errno], ['ETIMEDOUT', 'EIO']);
  await other.run(packets().nop());
  assert.equal(await resets(other), before);
});

resetEvents.add(
  'reset@stopped-before-scheduling',
  { modes: ['in-process'], fresh: true, covers: ['CS/EPERM/stopped'] },
  async (env) => {
    const client = await env.open();
    await env.writeFile(env.debugfs('skip_reset_on_timeout'), '1');
    await env.writeFile(env.debugfs('timeout_locked'), '2');
    const memory = await client.hostMemory(4096);
    memory.words.set(packets().nop().words);
    const restore = await client.chunk(packets().fence(1), 0);
    const internal = { handle: BigInt(memory.deviceAddress), queueIndex: 9, size: 8, flags: 0 };
    const before = await client.counters();
    // The restore phase does not end in time, which is passed over in silence (4.2); meanwhile the device is stopped. A part
    // with internal jobs only has no copy that would be refused before (1.6).
    const submitting = client.start(
      'CS',
      cs([internal], { chunksRestore: [restore], flags: FORCE_RESTORE | STAGED_FIRST }),
    );
    await env.disable();
    await env.passMs(2100);
    assert.equal((await env.finish(submitting)).errno, 'EPERM');
    assert.equal((await client.counters()).ctxDeviceInResetDropCnt, before.ctxDeviceInResetDropCnt + 1);
    await env.enable();
    await client.run(packets().release(0, 1), { queue: 3 });
  },
);

resetEvents.add(
  'reset@stopped-before-the-copy',
  { modes: ['in-process'], fresh: true, covers: ['CS/EBUSY/stopped-while-parsing'] },
  async (env) => {
    const client = await env.open();
    await env.writeFile(env.debugfs('skip_reset_on_timeout'), '1');
    await env.writeFile(env.debugfs('timeout_locked'), '2');
    const restore = await client.chunk(packets().fence(1), 0);
    const execute = await client.chunk(packets().nop(), 1);
    const before = await client.counters();
    const submitting = client.start('CS', cs([execute], { chunksRestore: [restore], flags: FORCE_RESTORE }));
    await env.disable();
    await env.passMs(2100);
    // Earlier than the part above: the copy that is executed is not made any more (1.6, 4.3).
    assert.equal((await env.finish(submitting)).errno, 'EBUSY');
    assert.equal((await client.counters()).ctxParsingDropCnt, before.ctxParsingDropCnt + 1);
    await env.enable();
    await client.run(packets().release(0, 1), { queue: 3 });
  },
);

resetEvents.add(
  'reset@stopped-before-the-signal',
  { modes: ['in-process'], fresh: true, covers: ['CS/EFAULT/signal-cb'] },
  async (env) => {
    const client = await env.open();
    await env.writeFile(env.debugfs('skip_reset_on_timeout'), '1');
    await env.writeFile(env.debugfs('timeout_locked'), '2');
    const restore = await client.chunk(packets().fence(1), 0);
    const signal = { handle: 0n, queueIndex: 1, size: 0, flags: 0 };
    const before = await client.counters();
    const submitting = client.start('CS', cs([signal], { chunksRestore: [restore], flags: FORCE_RESTORE | SIGNAL }));
    await env.disable();
    await env.passMs(2100);
    // The driver cannot have the command buffer it makes itself (1.6).
    assert.equal((await env.finish(submitting)).errno, 'EFAULT');
    assert.equal((await client.counters()).ctxOutOfMemDropCnt, before.ctxOutOfMemDropCnt + 1);
    await env.enable();
    await client.run(packets().release(0, 1), { queue: 3 });
  },
);

resetEvents.add(
  'reset@no-reset-on-lockup',
  { resetOnLockup: false, fresh: true, covers: ['OPEN/EPERM/not-operational'] },
  async (env) => {
    const control = await env.control();
    const client = await env.open();
    const seq = await client.submit(packets().fence(1), { flags: CUSTOM_TIMEOUT, timeoutSec: 1 });
    await env.until('the device needs a reset', async () => {
      const { status } = await control.call('INFO_DEVICE_STATUS', {});
      return status === NEEDS_RESET ? true : undefined;
    });
    assert.equal((await client.attempt('WAIT_CS', waitReq(seq))).errno, 'EBUSY');
    await client.fails('EBUSY', 'CB_CREATE', { size: 4096, flags: 0 });
    await env.openFails('EPERM', 'hl_controlD0');
    assert.equal(await env.readFile(env.sysfs('status')), 'Needs reset\n');
    assert.equal(await resets(control), 0);
    await env.writeFile(env.sysfs('hard_reset'), '1');
    await env.recovered(control, 1);
    await (await env.opened()).run(packets().nop());
  },
);

resetEvents.add('reset@undefined-opcode', { fresh: true }, async (env) => {
  const control = await env.control();
  const client = await env.open();
  const memory = await client.hostMemory(4096);
  // Internal queues are not parsed: DMA 2, stream 1.
  memory.words.set([0, 0x1f << 24, 0, 0]);
  const bad = { handle: BigInt(memory.deviceAddress), queueIndex: 10, size: 16, flags: 0 };
  const nop = await client.chunk(packets().nop());
  await client.completed((await client.call('CS', cs([nop, bad]))).seq);
  assert.equal(await events(env, control), EVENT.UNDEFINED_OPCODE | EVENT.USER_ENGINE_ERR | EVENT.DEVICE_RESET);
  const record = await control.call('INFO_UNDEFINED_OPCODE_EVENT', {});
  assert.deepEqual([record.engineId, record.streamId, record.cbAddrStreamsLen], [2, 1, 1]);
  assert(record.timestamp > 0 || env.mode === 'in-process');
  assert(record.cbAddrStreams.flat().includes(memory.deviceAddress), 'the command buffer it was found in');
  assert.equal(await resets(control), 0, 'although the bit says so');
});

resetEvents.add('reset@ecc-hides-a-later-fault', { fresh: true }, async (env) => {
  const client = await env.open();
  await env.passMs(1);
  await env.inject('event', '38');
  const record = () => client.call('INFO_RAZWI_EVENT', {});
  const first = await env.until('the record is written', async () => {
    const now = await record();
    return now.timestamp === 0 ? undefined : now;
  });
  assert.deepEqual([first.addr, first.errorType], [0, 0xff]);
  await client.run(packets().fill(0x2_0000_0000_0000, 64, 1));
  await env.passMs(5);
  // Only the first since the open is kept (7.6).
  assert.deepEqual(await record(), first);
  await client.close();
  const next = await env.opened();
  assert.deepEqual(await next.call('INFO_RAZWI_EVENT', {}), first, 'readable until it is overwritten');
  await next.run(packets().fill(0x2_0000_0000_0000, 64, 1));
  const { addr } = await env.until('armed again by the open', async () => {
    const now = await next.call('INFO_RAZWI_EVENT', {});
    return now.errorType === 0xff ? undefined : now;
  });
  assert.equal(addr, 0x2_0000_0000_0000);
});

const { TPC_ASSERT, DEVICE_RESET, USER_ENGINE_ERR, GENERAL_HW_ERR } = EVENT;
/** Event, cause register, what everybody is told, whether a reset follows (7.5). */
const EFFECTS: readonly (readonly [string, number, number, number, boolean])[] = [
  ['ecc-single', 38, 0, GENERAL_HW_ERR, false],
  ['ecc-single-hbm', 185, 0, GENERAL_HW_ERR, false],
  ['ecc-double', 46, 0, GENERAL_HW_ERR | DEVICE_RESET, true],
  ['ecc-double-mmu', 194, 0, GENERAL_HW_ERR | DEVICE_RESET, true],
  ['gic500', 184, 0, GENERAL_HW_ERR | DEVICE_RESET, true],
  ['pll', 239, 0, GENERAL_HW_ERR | DEVICE_RESET, true],
  ['hbm-spi-0', 395, 0, GENERAL_HW_ERR | DEVICE_RESET, true],
  ['hbm-spi-1', 396, 0, GENERAL_HW_ERR, false],
  ['tpc-dec', 201, 0, TPC_ASSERT | USER_ENGINE_ERR | DEVICE_RESET, false],
  ['tpc-dec-fatal', 201, 0x8000, TPC_ASSERT | USER_ENGINE_ERR | DEVICE_RESET, true],
  ['tpc-kernel', 301, 0, USER_ENGINE_ERR | DEVICE_RESET, false],
  ['tpc-kernel-fatal', 307, 0x8000, USER_ENGINE_ERR | DEVICE_RESET, true],
  ['pcie-dec', 200, 0, GENERAL_HW_ERR, false],
  ['psoc-prstn', 263, 0, GENERAL_HW_ERR, false],
  ['mmu-page-fault', 380, 0, USER_ENGINE_ERR, false],
  ['mmu-write', 381, 0, USER_ENGINE_ERR, false],
  ['mme-response', 219, 0, USER_ENGINE_ERR | DEVICE_RESET, false],
  ['tpc-qm', 572, 0, USER_ENGINE_ERR | DEVICE_RESET, false],
  ['dma-qm', 583, 0, USER_ENGINE_ERR | DEVICE_RESET, false],
  ['dma-core', 604, 0, USER_ENGINE_ERR | DEVICE_RESET, false],
  ['razwi-sw', 662, 0, USER_ENGINE_ERR | DEVICE_RESET, true],
  ['reset-request', 646, 0, GENERAL_HW_ERR | DEVICE_RESET, true],
  ['out-of-sync', 647, 0, GENERAL_HW_ERR | DEVICE_RESET, true],
  ['fw-alive', 645, 0, GENERAL_HW_ERR | DEVICE_RESET, true],
  ['tpc-bmon', 300, 0, USER_ENGINE_ERR, false],
  ['dma-bm', 383, 0, USER_ENGINE_ERR, false],
  ['nic-sei', 264, 0, USER_ENGINE_ERR, false],
  ['power', 658, 0, USER_ENGINE_ERR, false],
  ['gpio', 421, 0, USER_ENGINE_ERR, false],
  ['sync-manager', 277, 0, USER_ENGINE_ERR, false],
  ['nic-status', 648, 0, 0, false],
  ['unlisted', 1, 0, 0, false],
];

for (const [name, id, cause, mask, isReset] of EFFECTS) {
  resetEvents.add(`reset@event-${name}`, { fresh: true, modes: ['in-process'] }, async (env) => {
    const control = await env.control();
    await env.inject('event', String(id), cause);
    await env.passMs(1);
    assert.equal((await control.call('INFO_HW_EVENTS_AGGREGATE', {})).counters[id], 1, 'counted, listed or not');
    const seen = mask === 0 ? (await control.call('INFO_GET_EVENTS', {})).events : await events(env, control);
    assert.equal(seen, mask);
    if (isReset) {
      assert.equal((await control.call('INFO_DEVICE_STATUS', {})).status, IN_RESET, 'at once');
      await env.recovered(control, 1);
    } else {
      await env.passMs(1000);
      assert.equal(await resets(control), 0);
      assert.equal((await control.call('INFO_DEVICE_STATUS', {})).status, 0);
    }
  });
}

resetEvents.add('reset@event-over-sockets', { fresh: true }, async (env) => {
  const control = await env.control();
  const client = await env.open();
  await env.inject('event', '46');
  assert.equal(await events(env, control), GENERAL_HW_ERR | DEVICE_RESET);
  await env.recovered(control, 1);
  await revoked(env, client);
  await env.open();
});

resetEvents.add('reset@event-while-disabled-is-dropped', { fresh: true }, async (env) => {
  const control = await env.control();
  await env.disable();
  await env.inject('event', '38').catch(() => undefined);
  await env.enable();
  assert.equal((await control.call('INFO_HW_EVENTS_AGGREGATE', {})).counters[38], 0);
});
