/** DEBUG: coresight units (uapi.md 8). */
import assert from 'node:assert/strict';
import { encodeCall, entryOf, type IoctlName, NR, type Req } from '@pedrera/uapi';
import { BLOCK_SIZE, block, NO_MEMORY, SOME_POINTER } from '../framework/block.js';
import type { Client } from '../framework/client.js';
import { TestList } from '../framework/conformance-test.js';

export const debug = new TestList();

const DRAM = 0x2000_0000;
const OUTPUT_POINTER_AT = 8;
const trace = { bufferAddress: DRAM, bufferSize: 0x1000, sinkMode: 0 };
const monitor = {
  startAddr0: 0n,
  addrMask0: 0n,
  startAddr1: 0n,
  addrMask1: 0n,
  bwWin: 0,
  winCapture: 0,
  id: 0,
  control: 0,
  startAddr2: 0n,
  endAddr2: 0n,
  startAddr3: 0n,
  endAddr3: 0n,
};
const counters = (eventTypesNum: number) => ({
  eventTypes: new Array(10).fill(1n),
  eventTypesNum,
  pmtrcVal: 0,
  trcCtrlHostVal: 0,
  trcEnHostVal: 0,
});

interface Unit {
  readonly name: Extract<IoctlName, `DEBUG_${string}`>;
  readonly op: number;
  /** Units there are; undefined where the index is not looked at. */
  readonly limit?: number;
  readonly input?: object;
  readonly inputBytes?: number;
}

const UNITS: readonly Unit[] = [
  { name: 'DEBUG_ETR', op: 0, input: trace, inputBytes: 24 },
  { name: 'DEBUG_ETF', op: 1, limit: 48, input: trace, inputBytes: 24 },
  { name: 'DEBUG_STM', op: 2, limit: 46, input: { heMask: 1n, spMask: 1n, id: 1, frequency: 1 }, inputBytes: 24 },
  { name: 'DEBUG_FUNNEL', op: 3, limit: 76 },
  { name: 'DEBUG_BMON', op: 4, limit: 121, input: monitor, inputBytes: 80 },
  { name: 'DEBUG_SPMU', op: 5, limit: 40, input: counters(3), inputBytes: 96 },
  { name: 'DEBUG_TIMESTAMP', op: 6 },
];

function request(
  unit: Unit,
  { enable = true, regIdx = 0, outputSize = 0, input = unit.input as object | undefined } = {},
) {
  return { regIdx, enable, outputSize, ...(input === undefined ? {} : { input }) } as Req<typeof unit.name>;
}

async function debugging(client: Client): Promise<void> {
  await client.call('DEBUG_SET_MODE', { enable: true });
}

debug.add(
  'debug@mode',
  { covers: ['DEBUG_SET_MODE/EFAULT/mode-on-already', 'DEBUG_SET_MODE/EFAULT/mode-off-already'] },
  async (env) => {
    const client = await env.open();
    await client.fails('EFAULT', 'DEBUG_SET_MODE', { enable: false });
    await debugging(client);
    await client.fails('EFAULT', 'DEBUG_SET_MODE', { enable: true });
    await client.call('DEBUG_SET_MODE', { enable: false });
    await client.fails('EFAULT', 'DEBUG_SET_MODE', { enable: false });
    await debugging(client);
    await client.close();
    // Off again with the context that turned it on.
    await debugging(await env.opened());
  },
);

for (const unit of UNITS) {
  const { name, limit, input } = unit;
  const title = name.replace('DEBUG_', '').toLowerCase();
  debug.add(`debug@${title}-outside-debug-mode`, { covers: [`${name}/EFAULT/not-in-debug-mode`] }, async (env) => {
    const client = await env.open();
    await client.fails('EFAULT', name, request(unit));
    await client.fails('EFAULT', name, request(unit, { enable: false }));
  });
  debug.add(`debug@${title}`, {}, async (env) => {
    const client = await env.open();
    await debugging(client);
    await client.call(name, request(unit));
    await client.call(name, request(unit, { enable: false, outputSize: name === 'DEBUG_SPMU' ? 40 : 0 }));
    if (limit !== undefined) {
      await client.call(name, request(unit, { regIdx: limit - 1 }));
    }
  });
  debug.add(`debug@${title}-output-memory`, { covers: [`${name}/ENOMEM/output-memory`] }, async (env) => {
    const client = await env.open();
    await debugging(client);
    await client.fails('ENOMEM', name, request(unit, { enable: false, outputSize: 0xffff_ffff }));
  });
  debug.add(
    `debug@${title}-output-nowhere`,
    { modes: ['shim'], covers: [`${name}/EFAULT/output-pointer`] },
    async (env) => {
      const client = await env.open();
      await debugging(client);
      await client.call(name, request(unit));
      const { cmd, block: bytes } = encodeCall(entryOf(name), request(unit, { enable: false, outputSize: 24 }));
      new DataView(bytes.buffer).setBigUint64(OUTPUT_POINTER_AT, NO_MEMORY, true);
      assert.equal((await client.ioctl(cmd, bytes)).errno, 'EFAULT');
    },
  );
  if (limit !== undefined) {
    debug.add(`debug@${title}-register-index`, { covers: [`${name}/EINVAL/reg-index`] }, async (env) => {
      const client = await env.open();
      await debugging(client);
      for (const regIdx of [limit, limit + 1, 0xffff_ffff]) {
        await client.fails('EINVAL', name, request(unit, { regIdx }));
      }
    });
  }
  if (input !== undefined) {
    debug.add(`debug@${title}-input-unreadable`, { covers: [`${name}/EFAULT/input-pointer`] }, async (env) => {
      const client = await env.open();
      await debugging(client);
      const size = unit.inputBytes ?? 0;
      const bytes = block(BLOCK_SIZE.DEBUG).u64(0, SOME_POINTER).u32(16, size).u32(24, unit.op).u32(32, 1).bytes;
      assert.equal((await client.raw(NR.DEBUG, bytes, [null])).errno, 'EFAULT');
    });
    debug.add(`debug@${title}-no-input`, { covers: [`${name}/EINVAL/no-input`] }, async (env) => {
      const client = await env.open();
      await debugging(client);
      await client.fails('EINVAL', name, { regIdx: 0, enable: true, outputSize: 0 } as Req<typeof name>);
      for (const [pointer, size] of [
        [0n, unit.inputBytes ?? 0],
        [SOME_POINTER, 0],
      ] as const) {
        const bytes = block(BLOCK_SIZE.DEBUG).u64(0, pointer).u32(16, size).u32(24, unit.op).u32(32, 1).bytes;
        assert.equal((await client.raw(NR.DEBUG, bytes, [new Uint8Array(96)])).errno, 'EINVAL');
      }
    });
  }
}

debug.add('debug@etr-buffer', { covers: ['DEBUG_ETR/EINVAL/buffer'] }, async (env) => {
  const client = await env.open();
  await debugging(client);
  for (const [bufferAddress, bufferSize] of [
    [DRAM, 0],
    [0, 4096],
    [0x1fff_f000, 8192],
    [0x8_0000_0000, 64],
    [0x7f_fc00_0000, 64],
    [0x3_ff80_0000_0000, 64],
  ] as const) {
    const input = { bufferAddress, bufferSize, sinkMode: 0 };
    await client.fails('EINVAL', 'DEBUG_ETR', { regIdx: 0, enable: true, outputSize: 0, input });
  }
});

debug.add('debug@etr-write-pointer', {}, async (env) => {
  const client = await env.open();
  await debugging(client);
  await client.call('DEBUG_ETR', { regIdx: 0, enable: true, outputSize: 0, input: trace });
  const { output } = await client.call('DEBUG_ETR', { regIdx: 0, enable: false, outputSize: 8 });
  assert.equal(output.length, 1);
});

debug.add('debug@spmu-event-count', { covers: ['DEBUG_SPMU/EINVAL/event-count'] }, async (env) => {
  const client = await env.open();
  await debugging(client);
  for (const count of [0, 2, 7, 10]) {
    const req = { regIdx: 0, enable: true, outputSize: 0, input: counters(count) };
    await client.fails('EINVAL', 'DEBUG_SPMU', req as Req<'DEBUG_SPMU'>);
  }
  for (const count of [3, 6]) {
    const req = { regIdx: 0, enable: true, outputSize: 0, input: counters(count) };
    await client.call('DEBUG_SPMU', req as Req<'DEBUG_SPMU'>);
  }
});

debug.add('debug@spmu-output-words', { covers: ['DEBUG_SPMU/EINVAL/output-words'] }, async (env) => {
  const client = await env.open();
  await debugging(client);
  for (const words of [0, 2, 9]) {
    await client.fails('EINVAL', 'DEBUG_SPMU', { regIdx: 0, enable: false, outputSize: 8 * words });
  }
  for (const words of [3, 8]) {
    const { output } = await client.call('DEBUG_SPMU', { regIdx: 0, enable: false, outputSize: 8 * words });
    assert.equal(output.length, words);
  }
});

debug.add('debug@unknown-op', {}, async (env) => {
  const client = await env.open();
  await debugging(client);
  for (const op of [8, 100, 0xffff_ffff]) {
    assert.equal((await client.raw(NR.DEBUG, block(BLOCK_SIZE.DEBUG).u32(24, op).bytes)).errno, 'EINVAL');
  }
});

debug.add('debug@input-size-is-clipped', {}, async (env) => {
  const client = await env.open();
  await debugging(client);
  // A newer program with a longer struct: what the kernel knows is taken, and it says how much (8).
  const input = block(128).u64(0, DRAM).u64(8, 4096).bytes;
  const bytes = block(BLOCK_SIZE.DEBUG).u64(0, SOME_POINTER).u32(16, 128).u32(24, 0).u32(32, 1).bytes;
  const { errno, view } = await client.raw(NR.DEBUG, bytes, [input]);
  assert.deepEqual([errno, view.getUint32(16, true)], ['', 24]);
});

debug.add('debug@shorter-input-of-2021', {}, async (env) => {
  const client = await env.open();
  await debugging(client);
  for (const [op, size] of [
    [4, 48],
    [5, 88],
  ] as const) {
    const input = block(size);
    if (op === 5) {
      input.u32(80, 3);
    }
    const bytes = block(BLOCK_SIZE.DEBUG).u64(0, SOME_POINTER).u32(16, size).u32(24, op).u32(32, 1).bytes;
    assert.equal((await client.raw(NR.DEBUG, bytes, [input.bytes])).errno, '', `op ${op}`);
  }
});
