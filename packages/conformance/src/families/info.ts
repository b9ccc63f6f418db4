/** INFO: what each question answers, in bytes and in values (uapi.md 2.2 to 2.5). */

import assert from 'node:assert/strict';
import { closeSync, openSync } from 'node:fs';
import { ENTRIES, type IoctlName, NR, type Req } from '@pedrera/uapi';
import { EventFd } from '@pedrera/wire';
import { infoBlock } from '../framework/block.js';
import type { Client } from '../framework/client.js';
import { TestList } from '../framework/conformance-test.js';
import { packets } from '../framework/packets.js';

export const info = new TestList();

const OPERATIONAL = 0;
const GENERAL_HW_ERR = 0x40;
const ANSWERED_ALWAYS = [0, 1, 4, 7, 9, 11, 13, 14, 18, 23, 24, 25, 26, 30, 31];
const NO_SUCH_OP = [5, 19, 20, 33, 100, 0xffff_ffff];

/** Payload sizes by op (2.4). */
const SIZES: Readonly<Record<number, number>> = {
  0: 256,
  1: 2652,
  2: 16,
  3: 24,
  4: 8,
  6: 8,
  7: 2652,
  8: 8,
  9: 8,
  10: 16,
  11: 96,
  12: 24,
  13: 40,
  14: 16,
  15: 8,
  16: 8,
  17: 8,
  18: 24,
  21: 8,
  22: 4,
  23: 8,
  24: 16,
  25: 24,
  26: 8,
  30: 8,
  31: 288,
};
const FIRMWARE_OPS = [
  ['INFO_CLK_RATE', {}],
  ['INFO_PCI_COUNTERS', {}],
  ['INFO_TOTAL_ENERGY', {}],
  ['INFO_PLL_FREQUENCY', { pllIndex: 0 }],
  ['INFO_POWER', {}],
  ['INFO_DRAM_REPLACED_ROWS', {}],
  ['INFO_DRAM_PENDING_ROWS', {}],
  ['INFO_SECURED_ATTESTATION', { nonce: 0 }],
] as const satisfies readonly (readonly [IoctlName, object])[];

async function ask(client: Client, op: number, size: number, argument = 0) {
  const { errno, buffers } = await client.raw(NR.INFO, infoBlock(op, size, argument));
  return { errno, payload: buffers[0] ?? new Uint8Array() };
}

// --- sizes -----------------------------------------------------------------------------------------------------------------

for (const [op, size] of Object.entries(SIZES).map(([key, value]) => [Number(key), value] as const)) {
  const entry = ENTRIES.find(({ nr, op: known }) => nr === NR.INFO && known === op);
  const name = (entry?.name ?? `op-${op}`)
    .replace(/^INFO_/, '')
    .replace(/_/g, '-')
    .toLowerCase();
  info.add(`info@${name}-size`, {}, async (env) => {
    const client = await env.open();
    for (const asked of [size, size + 1, 4096]) {
      const { errno, payload } = await ask(client, op, asked);
      assert.deepEqual([errno, payload.length], ['', size], 'min(return_size, size of the struct)');
    }
    const whole = (await ask(client, op, size)).payload;
    const least = op === 30 ? 8 : 1;
    for (const asked of [least, Math.ceil(size / 2)].filter((bytes) => bytes >= least)) {
      assert.equal((await ask(client, op, asked)).payload.length, asked);
    }
    if (op === 0) {
      assert.deepEqual((await ask(client, op, 232)).payload, whole.slice(0, 232), 'what a program of 2021 gets');
    }
  });
  const rows = entry === undefined ? [] : [`${entry.name}/EINVAL/no-room`];
  info.add(`info@${name}-no-room`, { covers: rows }, async (env) => {
    const client = await env.open();
    const cases = [infoBlock(op, 0), infoBlock(op, size, 0, 0n), infoBlock(op, 0, 0, 0n)];
    if (op === 30) {
      cases.push(infoBlock(op, 7));
    }
    for (const request of cases) {
      const { errno, block } = await client.raw(NR.INFO, request);
      assert.deepEqual([errno, block], ['EINVAL', request]);
    }
  });
}

info.add('info@utilization-no-room', { covers: ['INFO_SECURED_ATTESTATION/EINVAL/no-room'] }, async (env) => {
  const client = await env.open();
  for (const op of [6, 16, 27]) {
    assert.equal((await client.raw(NR.INFO, infoBlock(op, 0))).errno, 'EINVAL', `op ${op}`);
    assert.equal((await client.raw(NR.INFO, infoBlock(op, 8, 0, 0n))).errno, 'EINVAL', `op ${op}`);
  }
});

info.add('info@unknown-op', {}, async (env) => {
  for (const client of [await env.open(), await env.control()]) {
    for (const op of NO_SUCH_OP) {
      assert.equal((await ask(client, op, 4096)).errno, 'EINVAL', `op ${op}`);
    }
  }
});

info.add('info@answered-while-disabled', {}, async (env) => {
  const client = await env.open();
  const control = await env.control();
  await env.disable();
  try {
    for (const file of [client, control]) {
      for (let op = 0; op <= 33; op++) {
        const { errno } = await ask(file, op, 4096, 0);
        assert.equal(errno, ANSWERED_ALWAYS.includes(op) ? '' : 'EBUSY', `op ${op}`);
      }
      // The device is asked after before the op is known to be none (1.6).
      assert.equal((await ask(file, 0xffff_ffff, 8)).errno, 'EBUSY');
    }
  } finally {
    await env.enable();
  }
});

// --- values ------------------------------------------------------------------------------------------------------------------

info.add('info@hw-ip-values', {}, async (env) => {
  const client = await env.open();
  const { payload } = await ask(client, 0, 256);
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const u64 = (at: number) => view.getBigUint64(at, true);
  const u32 = (at: number) => view.getUint32(at, true);
  assert.deepEqual(
    [u64(0), u64(8), u64(16), u32(24), u32(28), u32(32), u32(40), view.getUint16(44, true)],
    [0x7f_f000_0080n, 0x2000_0000n, 0x7_e000_0000n, 0x13f_ff80, 663, 0x1000, 0, 0xffff],
  );
  assert.deepEqual([...payload.subarray(68, 72)], [0xff, 1, 0, 0]);
  const text = (at: number, size: number) => Buffer.from(payload.subarray(at, at + size)).toString('latin1');
  assert(text(72, 128).includes('\0'), 'a terminated string');
  assert.equal(text(200, 16).replace(/\0+$/, ''), 'HL205');
  assert.deepEqual(
    [u64(216), u64(224), u32(232), view.getUint16(236, true), u64(248)],
    [0xffn, 0x20_0000n, 0, 0, 0x20_0000n],
  );
  assert.deepEqual([...payload.subarray(238, 248)], new Array(10).fill(0));
});

info.add('info@device-status', { policy: 'both' }, async (env) => {
  for (const client of [await env.open(), await env.control()]) {
    assert.equal((await client.call('INFO_DEVICE_STATUS', {})).status, OPERATIONAL);
  }
});

info.add('info@hw-idle', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const idle = () => client.call('INFO_HW_IDLE', {});
  assert.deepEqual(await idle(), { isIdle: true, busyEnginesMask: 0, busyEnginesMaskExt: [0, 0] });
  const { seq, release } = await client.blocked({ queue: 4 });
  const busy = await env.until('the engine takes the job', async () => {
    const now = await idle();
    return now.isIdle ? undefined : now;
  });
  assert.deepEqual(busy, { isIdle: false, busyEnginesMask: 0b10, busyEnginesMaskExt: [0b10, 0] });
  await release();
  await client.completed(seq);
  await env.until('the engines are idle', async () => ((await idle()).isIdle ? true : undefined));
});

info.add('info@time-sync', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const one = await client.call('INFO_TIME_SYNC', {});
  await env.passMs(2);
  const two = await client.call('INFO_TIME_SYNC', {});
  assert(two.deviceTime > one.deviceTime);
  assert(two.hostTime - one.hostTime >= 2_000_000n);
});

info.add('info@sync-manager', {}, async (env) => {
  for (const client of [await env.open(), await env.control()]) {
    for (let dcore = 0; dcore < 8; dcore++) {
      const answer = await client.call('INFO_SYNC_MANAGER', { dcore });
      assert.deepEqual(answer, {
        firstAvailableSyncObject: dcore === 0 ? 144 : 0,
        firstAvailableMonitor: dcore === 0 ? 72 : 0,
        firstAvailableCq: 0xffff,
      });
    }
  }
});

info.add('info@sync-manager-dcore', { policy: 'both', covers: ['INFO_SYNC_MANAGER/EINVAL/dcore'] }, async (env) => {
  const client = await env.open();
  for (const dcore of [8, 9, 0xffff_ffff]) {
    await client.fails('EINVAL', 'INFO_SYNC_MANAGER', { dcore });
  }
});

info.add('info@dev-mem-page-sizes', { policy: 'both' }, async (env) => {
  const client = await env.open();
  assert.equal((await client.call('INFO_DEV_MEM_ALLOC_PAGE_SIZES', {})).pageOrderBitmask, 0);
});

info.add('info@last-open-time', {}, async (env) => {
  await env.passMs(5);
  const client = await env.open();
  const control = await env.control();
  const { timestamp } = await client.call('INFO_LAST_ERR_OPEN_DEV_TIME', {});
  assert(timestamp > 0);
  assert.deepEqual(await control.call('INFO_LAST_ERR_OPEN_DEV_TIME', {}), { timestamp });
  await client.close();
  await env.passMs(5);
  const next = await env.opened();
  assert((await next.call('INFO_LAST_ERR_OPEN_DEV_TIME', {})).timestamp > timestamp, 'of the last successful open');
});

info.add('info@utilization', {}, async (env) => {
  const client = await env.open();
  const { utilization } = await client.call('INFO_DEVICE_UTILIZATION', { periodMs: 100 });
  assert(utilization >= 0 && utilization <= 100);
});

info.add('info@clock-rate', {}, async (env) => {
  const client = await env.open();
  const { curClkRateMhz, maxClkRateMhz } = await client.call('INFO_CLK_RATE', {});
  assert(curClkRateMhz > 0 && curClkRateMhz <= maxClkRateMhz);
});

info.add('info@firmware-values', {}, async (env) => {
  const client = await env.open();
  assert((await client.call('INFO_POWER', {})).power > 0);
  const first = (await client.call('INFO_TOTAL_ENERGY', {})).totalEnergyConsumption;
  await env.passMs(100);
  assert((await client.call('INFO_TOTAL_ENERGY', {})).totalEnergyConsumption >= first);
  for (let pllIndex = 0; pllIndex <= 9; pllIndex++) {
    assert.equal((await client.call('INFO_PLL_FREQUENCY', { pllIndex })).output.length, 4);
  }
  assert.deepEqual(await client.call('INFO_DRAM_PENDING_ROWS', {}), { pendingRows: 0 });
  await client.call('INFO_PCI_COUNTERS', {});
});

info.add('info@pll-index', { covers: ['INFO_PLL_FREQUENCY/EINVAL/pll-index'] }, async (env) => {
  const client = await env.open();
  for (const pllIndex of [10, 255, 0xffff_ffff]) {
    await client.fails('EINVAL', 'INFO_PLL_FREQUENCY', { pllIndex });
  }
});

info.add('info@attestation-not-secured', { covers: ['INFO_SECURED_ATTESTATION/EIO/not-secured'] }, async (env) => {
  const client = await env.open();
  await client.fails('EIO', 'INFO_SECURED_ATTESTATION', { nonce: 7 });
});

for (const [name, req] of FIRMWARE_OPS) {
  const title = name
    .replace(/^INFO_/, '')
    .replace(/_/g, '-')
    .toLowerCase();
  info.add(
    `info@${title}-firmware-dead`,
    {
      fresh: true,
      modes: ['in-process'],
      covers: [`${name}/ETIMEDOUT/firmware-silent`, `${name}/EIO/firmware-dead`],
    },
    async (env) => {
      const client = await env.open();
      await env.inject('heartbeat');
      assert.equal((await client.attempt(name, req as Req<typeof name>)).errno, 'ETIMEDOUT');
      for (const [other, question] of FIRMWARE_OPS) {
        assert.equal((await client.attempt(other, question as Req<typeof other>)).errno, 'EIO', other);
      }
    },
  );
}

info.add(
  'info@utilization-firmware',
  { fresh: true, modes: ['in-process'], covers: ['INFO_DEVICE_UTILIZATION/EINVAL/firmware'] },
  async (env) => {
    const client = await env.open();
    await env.inject('heartbeat');
    assert.equal((await client.attempt('INFO_DEVICE_UTILIZATION', { periodMs: 0 })).errno, 'EINVAL');
  },
);

// --- engine status ---------------------------------------------------------------------------------------------------------

info.add('info@engine-status', {}, async (env) => {
  const client = await env.open();
  const { errno, view, buffers } = await client.raw(NR.INFO, infoBlock(32, 16_384));
  assert.equal(errno, '');
  const payload = buffers[0] ?? new Uint8Array();
  assert.equal(view.getUint32(16, true), payload.length, 'the actual size is told');
  const text = Buffer.from(payload).toString('latin1');
  assert(text.includes('\0'), 'each piece is followed by a NUL');
  const lines = text.replace(/\0/g, '').split('\n');
  assert.match(text.replace(/\0/g, ''), /^\nDMA\s+is_idle\s+QM_GLBL_STS0\s+QM_CGM_STS\s+DMA_CORE_STS0\n---/);
  for (const unit of ['TPC', 'MME', 'NIC']) {
    assert(
      lines.some((line) => line.startsWith(`${unit} `) && line.includes('is_idle')),
      unit,
    );
  }
  assert.equal(lines.filter((line) => /^\d+\s+[YN]\s/.test(line)).length, 8 + 8 + 4);
  assert(
    lines.some((line) => /^1\s+[YN]\s+-\s+-\s/.test(line)),
    'the slave MMEs have no queue manager',
  );
});

info.add('info@engine-status-size', { covers: ['INFO_ENGINE_STATUS/EINVAL/size-range'] }, async (env) => {
  const client = await env.open();
  for (const size of [0, 1, 1023, 0x10_0001, 0xffff_ffff]) {
    assert.equal((await client.raw(NR.INFO, infoBlock(32, size))).errno, 'EINVAL', `size ${size}`);
    await client.fails('EINVAL', 'INFO_ENGINE_STATUS', { bufferSize: size });
  }
  assert.equal((await client.raw(NR.INFO, infoBlock(32, 2048, 0, 0n))).errno, 'EINVAL');
  assert.equal((await client.raw(NR.INFO, infoBlock(32, 0x10_0000))).errno, '');
});

info.add('info@engine-status-does-not-fit', { covers: ['INFO_ENGINE_STATUS/ENOMEM/does-not-fit'] }, async (env) => {
  const client = await env.open();
  await client.fails('ENOMEM', 'INFO_ENGINE_STATUS', { bufferSize: 1024 });
});

// --- events ------------------------------------------------------------------------------------------------------------------

info.add('info@hw-events', { fresh: true }, async (env) => {
  const client = await env.open();
  const counts = async () => {
    const { counters } = await client.call('INFO_HW_EVENTS', {});
    const { counters: aggregate } = await client.call('INFO_HW_EVENTS_AGGREGATE', {});
    assert.deepEqual([counters.length, aggregate.length], [663, 663]);
    return [counters, aggregate].map((list) => list.map((count, id) => [id, count]).filter(([, count]) => count !== 0));
  };
  assert.deepEqual(await counts(), [[], []]);
  await env.inject('event', '38');
  await env.inject('event', '38');
  await env.inject('event', '185');
  const expected = [
    [38, 2],
    [185, 1],
  ];
  assert.deepEqual(
    await env.until('the events arrive', async () => {
      const now = await counts();
      return JSON.stringify(now) === JSON.stringify([expected, expected]) ? now : undefined;
    }),
    [expected, expected],
  );
});

info.add('info@events-are-read-once', { fresh: true }, async (env) => {
  const client = await env.open();
  const control = await env.control();
  await env.inject('event', '38');
  const take = (file: Client) =>
    env.until('the event is noted', async () => (await file.call('INFO_GET_EVENTS', {})).events || undefined);
  for (const file of [client, control]) {
    assert.equal(await take(file), GENERAL_HW_ERR);
    assert.equal((await file.call('INFO_GET_EVENTS', {})).events, 0);
  }
});

info.add('info@eventfd', { fresh: true }, async (env) => {
  const client = await env.open();
  const control = await env.control();
  const one = EventFd.create();
  const other = EventFd.create();
  try {
    await client.call('INFO_REGISTER_EVENTFD', { eventfd: one.fd });
    await control.call('INFO_REGISTER_EVENTFD', { eventfd: other.fd });
    for (const eventfd of [one, other]) {
      await env.inject('event', '38');
      await env.inject('event', '38');
      let seen = 0n;
      await env.until('the eventfd counts', async () => {
        seen += eventfd.take();
        return seen >= 2n ? true : undefined;
      });
    }
    await client.call('INFO_UNREGISTER_EVENTFD', {});
    other.take();
    await env.inject('event', '38');
    await env.until('the other one counts', async () => (other.take() > 0n ? true : undefined));
    one.take();
    // Registration does not signal for what is pending already.
    await client.call('INFO_REGISTER_EVENTFD', { eventfd: one.fd });
    assert.equal(one.take(), 0n);
  } finally {
    one.close();
    other.close();
  }
});

info.add('info@eventfd-registered', { covers: ['INFO_REGISTER_EVENTFD/EINVAL/registered'] }, async (env) => {
  const client = await env.open();
  const eventfd = EventFd.create();
  try {
    await client.call('INFO_REGISTER_EVENTFD', { eventfd: eventfd.fd });
    await client.fails('EINVAL', 'INFO_REGISTER_EVENTFD', { eventfd: eventfd.fd });
    // Asked before the descriptor is looked at.
    await client.fails('EINVAL', 'INFO_REGISTER_EVENTFD', { eventfd: -1 });
    await client.call('INFO_UNREGISTER_EVENTFD', {});
  } finally {
    eventfd.close();
  }
});

info.add('info@eventfd-descriptor', { covers: ['INFO_REGISTER_EVENTFD/EBADF/descriptor'] }, async (env) => {
  const client = await env.open();
  for (const eventfd of [-1, 60_000]) {
    await client.fails('EBADF', 'INFO_REGISTER_EVENTFD', { eventfd });
  }
});

info.add('info@eventfd-of-another-kind', { covers: ['INFO_REGISTER_EVENTFD/EINVAL/not-an-eventfd'] }, async (env) => {
  const client = await env.open();
  const file = openSync('/dev/null', 'r');
  try {
    await client.fails('EINVAL', 'INFO_REGISTER_EVENTFD', { eventfd: file });
  } finally {
    closeSync(file);
  }
});

info.add(
  'info@eventfd-not-registered',
  { policy: 'both', covers: ['INFO_UNREGISTER_EVENTFD/EINVAL/not-registered'] },
  async (env) => {
    for (const client of [await env.open(), await env.control()]) {
      await client.fails('EINVAL', 'INFO_UNREGISTER_EVENTFD', {});
    }
  },
);

info.add('info@throttling', { fresh: true }, async (env) => {
  const client = await env.open();
  const reason = () => client.call('INFO_CLK_THROTTLE_REASON', {});
  const nothing = { clkThrottlingReason: 0, clkThrottlingStartUs: [0, 0], clkThrottlingDurationNs: [0, 0] };
  assert.deepEqual(await reason(), nothing);
  await env.passMs(5);
  await env.inject('thermal', 'start');
  await env.passMs(10);
  const during = await reason();
  assert.equal(during.clkThrottlingReason, 2);
  assert(during.clkThrottlingStartUs[1] !== 0 && (during.clkThrottlingDurationNs[1] ?? 0) >= 9e6);
  assert.deepEqual([during.clkThrottlingStartUs[0], during.clkThrottlingDurationNs[0]], [0, 0]);
  await env.inject('thermal', 'end');
  await env.inject('power', 'start');
  const after = await reason();
  assert.equal(after.clkThrottlingReason, 1);
  assert.equal(after.clkThrottlingStartUs[1], during.clkThrottlingStartUs[1], 'one that ended keeps its last period');
  await env.inject('power', 'end');
});

info.add('info@razwi-of-a-page-fault', { fresh: true }, async (env) => {
  const client = await env.open();
  assert.equal((await client.call('INFO_RAZWI_EVENT', {})).timestamp, 0);
  await env.passMs(1);
  const address = 0x2_0000_0000_0000;
  await client.run(packets().fill(address, 64, 1));
  const { timestamp, addr, errorType } = await env.until('the fault is captured', async () => {
    const now = await client.call('INFO_RAZWI_EVENT', {});
    return now.timestamp === 0 ? undefined : now;
  });
  assert.deepEqual([addr, errorType], [address, 0]);
  // Only the first since the last open (1.2, 7.6).
  await client.run(packets().fill(address + 0x1_0000, 64, 1));
  assert.deepEqual((await client.call('INFO_RAZWI_EVENT', {})).timestamp, timestamp);
});
