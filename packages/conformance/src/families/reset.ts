/** Resets: what triggers them, what they leave, what everybody sees meanwhile (uapi.md 1.6, 4.7, 7). */
import assert from 'node:assert/strict';
import { Prng } from '@pedrera/base';
import { ENTRIES, type Entry, type IoctlName, NR, type Req, sampleFields } from '@pedrera/uapi';
import { BLOCK_SIZE, block, csBlock } from '../framework/block.js';
import { cs, FOREVER_US } from '../framework/client.js';
import { TestList } from '../framework/conformance-test.js';
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

export const reset = new TestList();

/** Time for a busy machine to queue what is to be aborted along with it. */
const PATIENT_SEC = 2;
const SKIP_RESET = 0x400;
const MALFUNCTION = 2;

/** Entries that the test at entry refuses while the device is not operational. */
const GATED: readonly Entry[] = ENTRIES.filter(
  ({ access, duringReset }) => (access === 'primary' || access === 'both') && !duringReset,
);

// --- not operational -------------------------------------------------------------------------------------------------------

reset.add(
  'reset@not-operational-refuses',
  {
    policy: 'both',
    covers: GATED.filter((entry) => entry.errors.some(({ id }) => id === 'not-operational')).map(
      ({ name }) => `${name}/EBUSY/not-operational`,
    ),
  },
  async (env) => {
    const client = await env.open();
    await env.disable();
    try {
      assert.equal((await client.call('INFO_DEVICE_STATUS', {})).status, MALFUNCTION);
      const prng = new Prng(1);
      for (const entry of GATED) {
        const req = sampleFields(entry.req, prng) as Req<IoctlName>;
        await client.fails('EBUSY', entry.name, req, { seq: 'unchecked' });
      }
    } finally {
      await env.enable();
    }
    await client.run(packets().nop());
  },
);

reset.add('reset@not-operational-blocks', {}, async (env) => {
  const client = await env.open();
  await env.disable();
  try {
    const submission = await client.raw(NR.CS, csBlock({ seq: 5n }));
    assert.equal(submission.errno, 'EBUSY');
    assert.equal(submission.view.getBigUint64(0, true), 2n ** 64n - 1n);
    assert.equal(submission.view.getInt32(8, true), -16);
    for (const [nr, size] of [
      [NR.CB, BLOCK_SIZE.CB],
      [NR.WAIT_CS, BLOCK_SIZE.WAIT_CS],
      [NR.WAIT_CS, BLOCK_SIZE.WAIT_CS_2021],
      [NR.MEMORY, BLOCK_SIZE.MEMORY],
      [NR.DEBUG, BLOCK_SIZE.DEBUG],
    ] as const) {
      const request = block(size).fill(0x5a).bytes;
      const { errno, block: out } = await client.raw(nr, request);
      assert.deepEqual([errno, out], ['EBUSY', request], `ioctl ${nr}`);
    }
  } finally {
    await env.enable();
  }
});

reset.add('reset@not-operational-open', { covers: ['OPEN/EPERM/not-operational'] }, async (env) => {
  await env.disable();
  try {
    await env.openFails('EPERM', 'hl0');
    await env.openFails('EPERM', 'hl_controlD0');
  } finally {
    await env.enable();
  }
  await env.open();
});

reset.add(
  'reset@open-during-reset',
  { modes: ['in-process'], covers: ['OPEN/EAGAIN/in-reset', 'OPEN/EPERM/not-operational'] },
  async (env) => {
    const control = await env.control();
    await env.inject('reset');
    assert.equal((await control.call('INFO_DEVICE_STATUS', {})).status, IN_RESET);
    await env.openFails('EAGAIN', 'hl0');
    await env.openFails('EPERM', 'hl_controlD0');
    await env.recovered(control);
    await env.open();
  },
);

reset.add('reset@mappings-are-not-gated', {}, async (env) => {
  const client = await env.open();
  const { handle } = await client.call('CB_CREATE', { size: 4096, flags: 0 });
  await env.disable();
  try {
    const bytes = await client.map(handle);
    bytes.fill(3);
    await client.call('MUNMAP', { offset: handle });
  } finally {
    await env.enable();
  }
});

// --- the sequence ------------------------------------------------------------------------------------------------------------

reset.add('reset@hard-reset', {}, async (env) => {
  const control = await env.control();
  const client = await env.open();
  const before = await resets(control);
  await client.run(packets().nop());
  const { handle } = await client.call('CB_CREATE', { size: 4096, flags: 0 });
  const bytes = await client.map(handle);
  bytes.fill(0x3c);
  await env.inject('reset');
  await revoked(env, client);
  await env.recovered(control, before + 1);
  assert.deepEqual(await control.call('INFO_RESET_COUNT', {}), { hardResetCnt: before + 1, softResetCnt: 0 });
  // The file can do nothing any more, its memory is memory (7.3).
  for (const [name, req] of [
    ['CB_CREATE', { size: 4096, flags: 0 }],
    ['WAIT_CS', { seq: 1, timeoutUs: 0n, flags: 0 }],
    ['CS', cs([])],
    ['INFO_DEVICE_STATUS', {}],
  ] as const) {
    assert.equal((await client.attempt(name, req as Req<typeof name>)).errno, 'ENODEV', name);
  }
  assert.equal(bytes[100], 0x3c);
  const next = await env.open();
  assert.equal(await next.run(packets().nop()), 1);
  assert.equal((await next.call('CB_CREATE', { size: 4096, flags: 0 })).handle, 0x1000_0000_0000_1000n);
});

reset.add('reset@sysfs-hard-reset', {}, async (env) => {
  const control = await env.control();
  const before = await resets(control);
  await env.writeFile(env.sysfs('hard_reset'), '0\n');
  await env.recovered(control, before + 1);
  assert.equal((await env.readFile(env.sysfs('hard_reset_cnt'))).trim(), String(before + 1));
  const watcher = await env.watcher();
  const bad = { path: env.sysfs('hard_reset'), offset: 0, bytes: Buffer.from('now') };
  assert.equal((await watcher.attempt('FILE_WRITE', bad)).errno, 'EINVAL');
  assert.equal(await resets(control), before + 1);
});

reset.add('reset@aborts-work', { covers: ['WAIT_CS/EIO/aborted'] }, async (env) => {
  const client = await env.open();
  const done = await client.run(packets().nop(), { queue: 3 });
  const one = await client.submit(packets().fence(1), { queue: 0 });
  const two = await client.submit(packets().nop(), { queue: 0 });
  const waiting = [one, two].map((seq) => client.start('WAIT_CS', waitReq(seq)));
  const completed = client.start('WAIT_CS', waitReq(done));
  await env.writeFile(env.sysfs('hard_reset'), '1');
  for (const { errno } of await env.finish(Promise.all(waiting))) {
    assert.equal(errno, 'EIO');
  }
  assert.equal((await env.finish(completed)).errno, '', 'what had completed keeps its result');
});

reset.add('reset@restore-phase-aborted', { covers: ['CS/ENOEXEC/restore-failed'] }, async (env) => {
  const client = await env.open();
  const restore = await client.chunk(packets().fence(1), 0);
  const execute = await client.chunk(packets().nop(), 1);
  const submitting = client.start('CS', cs([execute], { chunksRestore: [restore], flags: FORCE_RESTORE }));
  await env.until('the restore phase runs', async () => {
    const { clients } = (await (await env.watcher()).call('INSPECT_CLIENTS', {})).snapshot;
    return clients.some(({ inFlight }) => inFlight > 0) ? true : undefined;
  });
  await env.writeFile(env.sysfs('hard_reset'), '1');
  assert.equal((await env.finish(submitting)).errno, 'ENOEXEC');
});

reset.add('reset@restart-of-sync-streams', {}, async (env) => {
  const client = await env.open();
  const signal = cs([{ handle: 0n, queueIndex: 6, size: 0, flags: 0 }], { flags: SIGNAL });
  await client.call('CS', signal);
  await client.call('CS', signal);
  await client.close();
  await (await env.opened()).close();
  await env.resetDevice();
  const next = await env.opened();
  assert.equal((await next.call('CS', signal)).sobCountBeforeSubmission, 1);
});

reset.add('reset@control-files-survive', {}, async (env) => {
  const control = await env.control();
  const client = await env.open();
  await env.resetDevice();
  assert.equal((await control.call('INFO_DEVICE_STATUS', {})).status, 0);
  await revoked(env, client);
});

reset.add('reset@event-counters', { fresh: true }, async (env) => {
  const control = await env.control();
  await env.inject('event', '38');
  await env.until('the event is counted', async () =>
    (await control.call('INFO_HW_EVENTS', {})).counters[38] === 1 ? true : undefined,
  );
  await env.resetDevice();
  assert.equal((await control.call('INFO_HW_EVENTS', {})).counters[38], 0);
  assert.equal((await control.call('INFO_HW_EVENTS_AGGREGATE', {})).counters[38], 1);
});

reset.add('reset@drop-counters-survive', { fresh: true }, async (env) => {
  const client = await env.open();
  await client.attempt('CS', cs([{ handle: 0n, queueIndex: 0, size: 8, flags: 0 }]));
  await env.resetDevice();
  const control = await env.control();
  assert.equal((await control.counters()).totalValidationDropCnt, 1);
});

reset.add('reset@debugfs-stop-on-err', {}, async (env) => {
  const control = await env.control();
  const before = await resets(control);
  await env.writeFile(env.debugfs('stop_on_err'), '1\0');
  await env.recovered(control, before + 1);
});

reset.add('reset@heartbeat', { fresh: true, modes: ['in-process'] }, async (env) => {
  const control = await env.control();
  await env.inject('heartbeat');
  await env.recovered(control, 1);
  await (await env.open()).run(packets().nop());
  assert.equal((await control.attempt('INFO_POWER', {})).errno, '', 'a hard reset revives the firmware');
});

// --- time-outs -----------------------------------------------------------------------------------------------------------------

reset.add('reset@tdr', { covers: ['WAIT_CS/ETIMEDOUT/timed-out', 'WAIT_CS/EIO/aborted'] }, async (env) => {
  const control = await env.control();
  const client = await env.open();
  const before = await resets(control);
  await control.call('INFO_GET_EVENTS', {});
  const one = await client.submit(packets().fence(1), { flags: CUSTOM_TIMEOUT, timeoutSec: PATIENT_SEC });
  const two = await client.submit(packets().nop());
  const waiting = [one, two].map((seq) => client.start('WAIT_CS', waitReq(seq)));
  const [first, second] = await env.finish(Promise.all(waiting));
  assert.deepEqual([first?.errno, second?.errno], ['ETIMEDOUT', 'EIO']);
  await env.recovered(control, before + 1);
  assert.equal((await control.call('INFO_GET_EVENTS', {})).events, EVENT.CS_TIMEOUT | EVENT.DEVICE_RESET);
  const record = await control.call('INFO_CS_TIMEOUT_EVENT', {});
  assert.equal(record.seq, one);
  assert(record.timestamp > 0);
  assert.equal(await (await env.opened()).run(packets().nop()), 1);
});

reset.add('reset@tdr-wait-block', {}, async (env) => {
  const client = await env.open();
  const one = await client.submit(packets().fence(1), { flags: CUSTOM_TIMEOUT, timeoutSec: PATIENT_SEC });
  const request = block(BLOCK_SIZE.WAIT_CS).u64(0, one).u64(8, FOREVER_US).bytes;
  const { errno, view } = await client.raw(NR.WAIT_CS, request);
  assert.deepEqual([errno, view.getUint32(0, true)], ['ETIMEDOUT', 2]);
});

reset.add('reset@tdr-abort-block', {}, async (env) => {
  const client = await env.open();
  await client.submit(packets().fence(1), { flags: CUSTOM_TIMEOUT, timeoutSec: PATIENT_SEC });
  const two = await client.submit(packets().nop());
  const request = block(BLOCK_SIZE.WAIT_CS_2021).u64(0, two).u64(8, FOREVER_US).bytes;
  const { errno, view } = await client.raw(NR.WAIT_CS, request);
  assert.deepEqual([errno, view.getUint32(0, true)], ['EIO', 3]);
});

reset.add('reset@tdr-multi-wait', { covers: ['WAIT_CS/ETIMEDOUT/timed-out'] }, async (env) => {
  const client = await env.open();
  const one = await client.submit(packets().fence(1), { flags: CUSTOM_TIMEOUT, timeoutSec: PATIENT_SEC });
  const req = { seq: 0, timeoutUs: FOREVER_US, flags: 4, sequences: [one] };
  assert.equal((await client.attempt('WAIT_CS', req)).errno, 'ETIMEDOUT');
});

// Over a socket the device would be in reset before anybody can wait.
reset.add('reset@tdr-at-once', { modes: ['in-process'] }, async (env) => {
  const client = await env.open();
  const seq = await client.submit(packets().fence(1), { flags: CUSTOM_TIMEOUT, timeoutSec: 0 });
  assert.equal((await client.attempt('WAIT_CS', waitReq(seq))).errno, 'ETIMEDOUT');
});

reset.add('reset@tdr-default-is-600-s', { modes: ['in-process'] }, async (env) => {
  const client = await env.open();
  const seq = await client.submit(packets().fence(1));
  await env.passMs(599_000);
  await client.busy(seq);
  const waiting = client.start('WAIT_CS', waitReq(seq));
  await env.passMs(1001);
  assert.equal((await env.finish(waiting)).errno, 'ETIMEDOUT');
});

reset.add('reset@tdr-skip', { modes: ['in-process'] }, async (env) => {
  const client = await env.open();
  const before = await resets(client);
  await client.call('INFO_GET_EVENTS', {});
  const { seq, release } = await client.blocked({ flags: CUSTOM_TIMEOUT | SKIP_RESET, timeoutSec: 1 });
  await env.passMs(1500);
  assert.equal((await client.call('INFO_GET_EVENTS', {})).events, EVENT.CS_TIMEOUT);
  assert.equal((await client.call('INFO_CS_TIMEOUT_EVENT', {})).seq, seq);
  await client.busy(seq);
  // Its timer does not fire again; only the first time-out since the open notifies (4.7).
  await env.passMs(10_000);
  assert.equal((await client.call('INFO_GET_EVENTS', {})).events, 0);
  await release();
  await client.completed(seq);
  assert.equal(await resets(client), before);
  const again = await client.blocked({ flags: CUSTOM_TIMEOUT | SKIP_RESET, timeoutSec: 1 });
  await env.passMs(1500);
  assert.equal((await client.call('INFO_GET_EVENTS', {})).events, 0);
  await again.release();
  await client.completed(again.seq);
});

reset.add('reset@tdr-only-the-oldest', { modes: ['in-process'] }, async (env) => {
  const client = await env.open();
  const head = await client.blocked({ queue: 0 });
  const behind = await client.blocked({ queue: 1, flags: CUSTOM_TIMEOUT, timeoutSec: 1 });
  await env.passMs(5000);
  await client.busy(behind.seq);
  await head.release();
  await client.completed(head.seq);
  // It starts counting now.
  await env.passMs(900);
  await client.busy(behind.seq);
  const waiting = client.start('WAIT_CS', waitReq(behind.seq));
  await env.passMs(200);
  assert.equal((await env.finish(waiting)).errno, 'ETIMEDOUT');
});

reset.add('reset@tdr-debugfs-default', { fresh: true, modes: ['in-process'] }, async (env) => {
  const client = await env.open();
  await env.writeFile(env.debugfs('timeout_locked'), '0');
  const never = await client.blocked({ queue: 0, flags: CUSTOM_TIMEOUT, timeoutSec: 1 });
  await env.passMs(3_600_000);
  // Switched off: a time-out of one's own does not bring it back.
  await client.busy(never.seq);
  await never.release();
  await client.completed(never.seq);
  await env.writeFile(env.debugfs('timeout_locked'), '2');
  const seq = await client.submit(packets().fence(1));
  const waiting = client.start('WAIT_CS', waitReq(seq));
  await env.passMs(1900);
  await client.busy(seq);
  await env.passMs(200);
  assert.equal((await env.finish(waiting)).errno, 'ETIMEDOUT');
});

reset.add('reset@tdr-debugfs-skip', { fresh: true, modes: ['in-process'] }, async (env) => {
  const client = await env.open();
  await env.writeFile(env.debugfs('skip_reset_on_timeout'), '1');
  const one = await client.blocked({ flags: CUSTOM_TIMEOUT, timeoutSec: 1 });
  await env.passMs(2000);
  assert.equal(await resets(client), 0);
  await one.release();
  await client.completed(one.seq);
});

reset.add('reset@tdr-staged-first-part', { modes: ['in-process'] }, async (env) => {
  const client = await env.open();
  const nop = await client.chunk(packets().nop(), 1);
  const { seq } = await client.call('CS', cs([nop], { flags: STAGED_FIRST | CUSTOM_TIMEOUT, timeoutSec: 1 }));
  const waiting = client.start('WAIT_CS', waitReq(seq));
  await env.passMs(1100);
  assert.equal((await env.finish(waiting)).errno, 'ETIMEDOUT');
});

reset.add('reset@state-dump', { modes: ['in-process'], fresh: true }, async (env) => {
  const client = await env.open();
  assert.equal(await env.readFile(env.debugfs('state_dump')), '');
  await client.run(packets().setSob(1, 300, 17));
  await client.submit(packets().fence(1), { flags: CUSTOM_TIMEOUT | SKIP_RESET, timeoutSec: 1 });
  await env.passMs(1500);
  const text = await env.readFile(env.debugfs('state_dump'));
  assert.match(text, /^Timestamp taken on: \d+\n\n/);
  const sections = ['Non zero sync objects:', 'Valid (armed) monitor objects:', 'Valid (armed) fences:'];
  assert.deepEqual(
    sections.map((title) => text.includes(title)),
    [true, true, true],
  );
  assert.match(text, /sync id: 300.*value: 17/);
  assert(text.indexOf('SYNC_MGR_E_N') < text.indexOf('SYNC_MGR_W_N'));
  await env.writeFile(env.debugfs('state_dump'), '1');
  assert.equal(await env.readFile(env.debugfs('state_dump')), '');
  await client.run(packets().release(0, 1), { queue: 3 });
});
