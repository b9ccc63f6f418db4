/** What only a C program can do wrong: answers with nowhere to go, and signals (uapi.md 2.2, 4.15, 8). */
import assert from 'node:assert/strict';
import {
  commandNumber,
  ENTRIES,
  type Entry,
  encodeCall,
  entryOf,
  type IoctlName,
  WAIT_FLAGS,
  WAIT_STATUS,
} from '@pedrera/uapi';
import { NO_MEMORY } from '../framework/block.js';
import { exportWindow, HUGE, NO_FD, PAGE } from '../framework/buffers.js';
import { type Client, FOREVER_US } from '../framework/client.js';
import { TestList } from '../framework/conformance-test.js';
import type { Env } from '../framework/env.js';

export const cProgram = new TestList();

const ONLY_IN_C = { modes: ['shim'] } as const;
const RETURN_POINTER_AT = 0;
/** What is asked where the question has words of its own. */
const QUESTIONS: Partial<Record<IoctlName, object>> = {
  INFO_DEVICE_UTILIZATION: { periodMs: 100 },
  INFO_ENGINE_STATUS: { bufferSize: 0x10_0000 },
  INFO_PLL_FREQUENCY: { pllIndex: 0 },
  INFO_SECURED_ATTESTATION: { nonce: 1 },
  INFO_SYNC_MANAGER: { dcoreId: 0 },
};

const EVENT = 38;
const DRAM = 0x2000_0000;
/** A call of each block there is. */
const IN_EACH_BLOCK: ReadonlySet<IoctlName> = new Set<IoctlName>([
  'INFO_HW_IP_INFO',
  'CB_CREATE',
  'CS',
  'WAIT_CS',
  'MEMORY_ALLOC',
  'DEBUG_ETR',
]);

/** The block of a call whose pointer at `at` leads to memory that is none. */
function pointedNowhere(entry: Entry, req: object, at: number) {
  const call = encodeCall(entry, req);
  new DataView(call.block.buffer).setBigUint64(at, NO_MEMORY, true);
  return call;
}

const ANSWERING = ENTRIES.filter(
  ({ errors, name }) =>
    name.startsWith('INFO_') && errors.some(({ id, unreachable }) => id === 'pointer' && unreachable === undefined),
);

for (const entry of ANSWERING) {
  const { name } = entry;
  const title = name.replace('INFO_', '').toLowerCase().replaceAll('_', '-');
  cProgram.add(`info@${title}-answer-nowhere`, { ...ONLY_IN_C, covers: [`${name}/EFAULT/pointer`] }, async (env) => {
    const client = await env.open();
    const { cmd, block, buffers } = pointedNowhere(entry, QUESTIONS[name] ?? {}, RETURN_POINTER_AT);
    const { errno, block: after } = await client.ioctl(cmd, block, buffers);
    assert.deepEqual([errno, after.length], ['EFAULT', block.length]);
    assert.equal((await client.call('INFO_DEVICE_STATUS', {})).status, 0, 'the file is as good as before');
  });
}

cProgram.add('info@events-are-gone-with-a-fault', { ...ONLY_IN_C, fresh: true }, async (env) => {
  const client = await env.open();
  const entry = entryOf('INFO_GET_EVENTS');
  const aggregate = async () => (await client.call('INFO_HW_EVENTS_AGGREGATE', {})).counters[EVENT];
  await env.inject('event', String(EVENT));
  await env.until('the event is counted', async () => ((await aggregate()) === 1 ? true : undefined));
  const { cmd, block } = pointedNowhere(entry, {}, RETURN_POINTER_AT);
  assert.equal((await client.ioctl(cmd, block)).errno, 'EFAULT');
  assert.equal((await client.call('INFO_GET_EVENTS', {})).events, 0);
});

/** A WAIT_CS that is sent signals until it ends: how, and its block as it was handed in and came back. */
async function interruptedWait(env: Env, client: Client, request: object) {
  const { cmd, block: before, buffers } = encodeCall(entryOf('WAIT_CS'), request);
  let over = false;
  const waiting = client.ioctl(cmd, before, buffers).finally(() => {
    over = true;
  });
  await env.until('the wait ends', async () => {
    await env.transport.interrupt();
    return over ? true : undefined;
  });
  const { errno, block: after } = await waiting;
  return { errno, before, after };
}

cProgram.add('wait@multi-interrupted', { ...ONLY_IN_C, covers: ['WAIT_CS/EINTR/signal'] }, async (env) => {
  const client = await env.open();
  const { seq, release } = await client.blocked();
  const request = { seq: 0, timeoutUs: FOREVER_US, flags: WAIT_FLAGS.MULTI_CS, sequences: [seq] };
  const { errno, before, after } = await interruptedWait(env, client, request);
  assert.deepEqual([errno, after], ['EINTR', before], 'without a word in the block');
  await release();
  await client.completed(seq);
});

cProgram.add('wait@interrupted', ONLY_IN_C, async (env) => {
  const client = await env.open();
  const { seq, release } = await client.blocked();
  const { errno, before, after } = await interruptedWait(env, client, { seq, timeoutUs: FOREVER_US, flags: 0 });
  // The driver absorbs the signal: the wait has ended before its time, without an error.
  const busy = new Uint8Array(before.length);
  busy[0] = WAIT_STATUS.BUSY;
  assert.deepEqual([errno, after], ['', busy]);
  await release();
  await client.completed(seq);
});

cProgram.add('copy-rule@block-nowhere', ONLY_IN_C, async (env) => {
  const client = await env.open();
  for (const { nr, abi } of ENTRIES.filter(({ name }) => IN_EACH_BLOCK.has(name))) {
    // Not one byte of it can be read.
    const { errno } = await client.ioctl(commandNumber(nr, abi?.block.size['6.1'] ?? 0), new Uint8Array(0));
    assert.equal(errno, 'EFAULT', `ioctl ${nr}`);
  }
});

/** A card and a device in one program: a descriptor of the one is one of the other. */
cProgram.add('own@importer-of-a-c-program', ONLY_IN_C, async (env) => {
  const client = await env.open();
  const card = await env.open('hli');
  const fd = await exportWindow(client);
  const { mrHandle } = await card.call('IMPORTER_REG_MR', { fd, offset: 0, length: HUGE, iova: 0, accessFlags: 0 });
  // The region keeps the buffer.
  await client.call('DMABUF_CLOSE', { fd });
  const memory = await client.hostMemory(PAGE);
  memory.bytes.fill(0x5a);
  await card.call('IMPORTER_WRITE_MR', { mrHandle, userptr: memory.hostAddress, size: 1000, offset: 24 });
  assert.deepEqual(await client.peek(DRAM + 23, 2), new Uint8Array([0, 0x5a]));
  memory.bytes.fill(0);
  await card.call('IMPORTER_READ_MR', { mrHandle, userptr: memory.hostAddress + 8, size: 1001, offset: 23 });
  assert.deepEqual([...memory.bytes.subarray(7, 11), memory.bytes[1008]], [0, 0, 0x5a, 0x5a, 0x5a]);
  for (const [userptr, size] of [
    [Number(NO_MEMORY), 8],
    [memory.hostAddress, PAGE + 1],
  ] as const) {
    await card.fails('EFAULT', 'IMPORTER_WRITE_MR', { mrHandle, userptr, size, offset: 0 });
  }
  await card.fails('EINVAL', 'IMPORTER_READ_MR', {
    mrHandle,
    userptr: memory.hostAddress,
    size: 2,
    offset: HUGE - 1,
  });
  await card.call('IMPORTER_DEREG_MR', { mrHandle });
  await card.fails('EINVAL', 'IMPORTER_DEREG_MR', { mrHandle });
  await card.fails('EBADF', 'IMPORTER_REG_MR', { fd: NO_FD, offset: 0, length: HUGE, iova: 0, accessFlags: 0 });
  await memory.free();
});

/** Both ends of a descriptor are real: seek tells its size, close ends it, and the other device's file has it, too. */
cProgram.add('export@descriptor-of-a-c-program', ONLY_IN_C, async (env) => {
  const client = await env.open();
  const fd = await exportWindow(client, 2 * HUGE);
  const seek = (whence: 0 | 2) => client.call('DMABUF_SEEK', { fd, offset: 0, whence });
  assert.deepEqual([await seek(2), await seek(0)], [{ position: 2 * HUGE }, { position: 0 }]);
  await client.call('DMABUF_CLOSE', { fd });
  await client.fails('EBADF', 'DMABUF_CLOSE', { fd });
});
