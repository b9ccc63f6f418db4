/** How arg blocks are copied in and out (uapi.md 2.1, 2.2). */
import assert from 'node:assert/strict';
import { NR } from '@pedrera/uapi';
import { block, infoBlock } from '../framework/block.js';
import { TestList } from '../framework/conformance-test.js';
import { packets } from '../framework/packets.js';

export const copyRule = new TestList();

function command(nr: number, size: number, magic = 0x48, direction = 3): number {
  return ((direction << 30) | (size << 16) | (magic << 8) | nr) >>> 0;
}

copyRule.add('copy-rule@only-the-number-counts', {}, async (env) => {
  const client = await env.open();
  const request = block(24).u32(12, 4096).bytes;
  for (const [magic, direction] of [
    [0x48, 3],
    [0x00, 3],
    [0xff, 0],
    [0x48, 1],
    [0x48, 2],
  ] as const) {
    const { errno, view } = await client.ioctl(command(NR.CB, 24, magic, direction), request);
    assert.equal(errno, '', `magic ${magic}, direction ${direction}`);
    assert.notEqual(view.getBigUint64(0, true), 0n, 'copied back whatever the direction bits say');
  }
});

copyRule.add('copy-rule@shorter-block', {}, async (env) => {
  const client = await env.open();
  // A program that knows 16 of 24 bytes: flags are zero for it, and 16 bytes come back.
  const { errno, block: out, view } = await client.ioctl(command(NR.CB, 16), block(16).u32(12, 5000).bytes);
  assert.deepEqual([errno, out.length], ['', 16]);
  assert.equal(view.getBigUint64(0, true), 0x1000_0000_0000_1000n);
  // Four bytes: op 0 and size 0, which makes a buffer; half of the handle is silently lost.
  const tiny = await client.ioctl(command(NR.CB, 4), new Uint8Array(4));
  assert.deepEqual([tiny.errno, tiny.block.length, tiny.view.getUint32(0, true)], ['', 4, 0x2000]);
  const none = await client.ioctl(command(NR.CB, 0), new Uint8Array(0));
  assert.deepEqual([none.errno, none.block.length], ['', 0]);
  assert.equal((await client.call('CB_CREATE', { size: 0, flags: 0 })).handle, 0x1000_0000_0000_4000n);
});

copyRule.add('copy-rule@longer-block', {}, async (env) => {
  const client = await env.open();
  const request = block(100).fill(0xee).u64(0, 0).u32(8, 0).u32(12, 4096).u32(16, 0).u32(20, 0).bytes;
  const { errno, block: out } = await client.ioctl(command(NR.CB, 100), request);
  assert.deepEqual([errno, out.length], ['', 100]);
  assert.deepEqual(out.subarray(24), request.subarray(24), 'bytes beyond the kernel’s size are ignored');
});

copyRule.add('copy-rule@unreadable-block', {}, async (env) => {
  const client = await env.open();
  for (const nr of [1, 2, 3, 4, 5, 6]) {
    assert.equal((await client.ioctl(command(nr, 40), new Uint8Array(12))).errno, 'EFAULT', `ioctl ${nr}`);
  }
  assert.equal(
    (await client.call('CB_CREATE', { size: 0, flags: 0 })).handle,
    0x1000_0000_0000_1000n,
    'no handler ran',
  );
});

copyRule.add('copy-rule@unknown-number-untouched', {}, async (env) => {
  const client = await env.open();
  const request = block(40).fill(0x77).bytes;
  for (const nr of [0, 7, 64, 255]) {
    const { errno, block: out } = await client.ioctl(command(nr, 40), request);
    assert.deepEqual([errno, out], ['ENOTTY', request]);
  }
});

copyRule.add('copy-rule@errors-copy-back', {}, async (env) => {
  const client = await env.open();
  const { errno, view } = await client.ioctl(command(NR.CS, 48), block(48).fill(0).bytes);
  assert.deepEqual([errno, view.getBigUint64(0, true), view.getInt32(8, true)], ['EINVAL', 2n ** 64n - 1n, -22]);
});

copyRule.add('copy-rule@wait-of-2021', {}, async (env) => {
  const client = await env.open();
  const seq = await client.run(packets().nop());
  const { errno, block: out } = await client.ioctl(0xc018_4804, block(24).u64(0, seq).bytes);
  assert.deepEqual([errno, out.length, out[0]], ['', 24, 0]);
});

copyRule.add('copy-rule@info-copies-what-is-asked', {}, async (env) => {
  const client = await env.open();
  for (const [op, size] of [
    [0, 232],
    [13, 4],
    [14, 8],
  ] as const) {
    const { errno, buffers } = await client.raw(NR.INFO, infoBlock(op, size));
    assert.deepEqual([errno, buffers[0]?.length], ['', size], 'what a program of 2021 has room for');
  }
});
