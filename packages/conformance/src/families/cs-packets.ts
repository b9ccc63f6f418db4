/** The packet parser of external queues (uapi.md 4.4). */
import assert from 'node:assert/strict';
import { cs } from '../framework/client.js';
import { TestList } from '../framework/conformance-test.js';
import { type Packets, packets } from '../framework/packets.js';

export const csPackets = new TestList();

const REFUSED = { counter: 'parsing', seq: 'consumed' } as const;

/** A packet by hand: opcode in bits 28:24 of the second dword. */
function byHand(opcode: number, dwords: number, first = 0): Packets {
  return packets().raw(first, opcode << 24, ...new Array(dwords - 2).fill(0));
}

const FORBIDDEN: readonly (readonly [string, Packets])[] = [
  ['wreg-bulk', packets().raw(1, 0x2 << 24, 0, 0)],
  ['cp-dma', byHand(0x5, 4, 64)],
  ['msg-prot', byHand(0x7, 4)],
  ['stop', byHand(0xb, 2)],
  ['load-scalars', byHand(0xf, 4, 1)],
];

for (const [name, content] of FORBIDDEN) {
  csPackets.add(`cs@packet-${name}`, { policy: 'both', covers: ['CS/EPERM/packet-forbidden'] }, async (env) => {
    const client = await env.open();
    await client.fails('EPERM', 'CS', cs([await client.chunk(content)]), REFUSED);
    // Behind a good one just the same; the first error wins over a later one.
    const behind = packets()
      .nop()
      .raw(...content.words)
      .raw(0, 0);
    await client.fails('EPERM', 'CS', cs([await client.chunk(behind)]), REFUSED);
  });
}

csPackets.add('cs@packet-unknown', { policy: 'both', covers: ['CS/EINVAL/packet'] }, async (env) => {
  const client = await env.open();
  for (const opcode of [0, 0xd, 0xe, ...Array.from({ length: 16 }, (_, i) => 0x10 + i)]) {
    await client.fails('EINVAL', 'CS', cs([await client.chunk(byHand(opcode, 8))]), REFUSED);
  }
});

csPackets.add('cs@packet-truncated', { policy: 'both', covers: ['CS/EINVAL/packet-truncated'] }, async (env) => {
  const client = await env.open();
  const sizes: [number, number][] = [
    [0x3, 16],
    [0x9, 24],
    [0xf, 16],
    // Forbidden too, but that is only looked at when they fit.
    [0x5, 16],
    [0x7, 16],
  ];
  for (const [opcode, bytes] of sizes) {
    for (let size = 8; size < bytes; size += 8) {
      const chunk = { ...(await client.chunk(byHand(opcode, 8))), size };
      await client.fails('EINVAL', 'CS', cs([chunk]), REFUSED);
    }
  }
  // A size that leaves half a header at the end.
  const odd = { ...(await client.chunk(packets().nop(2))), size: 12 };
  await client.fails('EINVAL', 'CS', cs([odd]), REFUSED);
});

csPackets.add('cs@packet-accepted', {}, async (env) => {
  const client = await env.open();
  const memory = await client.hostMemory(4096);
  await client.run(
    packets()
      .nop()
      .add('MSG_SHORT', { value: 0, base: 1, addressOffset: 4 * 300 })
      .msgLong(0x7f_fc4d_2000 + 4 * 300, 0)
      .copy(memory.deviceAddress, memory.deviceAddress + 64, 64)
      .add('ARB_POINT', { priority: 0 })
      .add('ARB_POINT', { release: 1 })
      .add('LOAD_AND_EXE', { src: memory.deviceAddress }),
  );
  for (const queue of [0, 5]) {
    await client.run(packets().release(queue, 2).fence(2), { queue });
  }
});

csPackets.add('cs@packet-unaligned-addresses', {}, async (env) => {
  const client = await env.open();
  const memory = await client.hostMemory(4096);
  memory.bytes.fill(9, 0, 128);
  await client.run(packets().copy(memory.deviceAddress + 1, memory.deviceAddress + 1027, 77));
  assert.deepEqual([...memory.bytes.subarray(1026, 1028)], [0, 9]);
  assert.deepEqual([...memory.bytes.subarray(1103, 1105)], [9, 0]);
});

csPackets.add('cs@packet-sob-and-monitor', {}, async (env) => {
  const client = await env.open();
  const where = { dcore: 1, sob: 200, monitor: 20, queue: 0, fence: 3 };
  await client.run(packets().setSob(1, 200, 0));
  const seq = await client.submit(packets().watchSob(where, 3).fence(3), { queue: 0 });
  await client.run(packets().addToSob(1, 200, 2), { queue: 1 });
  await client.busy(seq);
  await client.run(packets().addToSob(1, 200, 1), { queue: 1 });
  await client.completed(seq);
});
