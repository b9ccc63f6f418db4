/** The ring of a queue: which entries, how far, with which packets. */
import { encodeFence, encodeMsgLong, encodeNop, HOST_VA_USER_BASE, SRAM_USER_BASE } from '@pedrera/hw';
import { describe, expect, it } from 'vitest';
import { TestRig } from '../test-rig.js';
import { inspectRing } from './ring.js';

const DMA_0_0 = { device: 0, queue: 0, asid: 0, from: 0, to: 0 };

function blocked(words: Uint32Array): number {
  const end = encodeNop(words, 0);
  return encodeFence(words, end, { id: 1, target: 1, dec: 1 });
}

describe('INSPECT_RING', () => {
  it('what is done, what runs with the packet it stands at, what waits', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    rig.submit(file, 0, (words) => encodeNop(words, 0));
    rig.run();
    const running = rig.submit(file, 0, blocked);
    const waiting = rig.submit(file, 0, (words) => encodeMsgLong(words, 0, { value: 1, address: HOST_VA_USER_BASE }));
    rig.run();
    const ring = await inspectRing(rig.machine, DMA_0_0);
    expect(ring).toMatchObject({
      device: 0,
      name: 'DMA_0_0',
      asid: 1,
      pid: 1000,
      pi: 3,
      ci: 1,
      fetched: 2,
      next: null,
    });
    expect(ring.entries.map(({ slot, state, seq }) => [slot, state, seq])).toEqual([
      [0, 'done', null],
      [1, 'running', running.seq],
      [2, 'pending', waiting.seq],
    ]);
    const [done, now, later] = ring.entries;
    expect(done).toMatchObject({ packets: [], unread: 'it is over, and its command buffer is given back' });
    // The driver's two packets are at the end.
    expect(now?.packets.map(({ name, current }) => [name, current]).filter(([name]) => name !== 'MSG_PROT')).toEqual([
      ['NOP', false],
      ['FENCE', true],
    ]);
    expect(now?.packets.filter(({ name }) => name === 'MSG_PROT')).toHaveLength(2);
    expect(later?.packets[0]).toMatchObject({ offset: 0, name: 'MSG_LONG', current: false });
    expect(later?.packets.every(({ current }) => !current)).toBe(true);
    rig.device().requestReset({ kind: 'manual' });
    await rig.finishReset();
  });

  it('a range of slots, empty ones too, and no more than an answer holds', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    rig.submit(file, 0, (words) => encodeNop(words, 0));
    rig.run();
    const { entries, next } = await inspectRing(rig.machine, { ...DMA_0_0, from: 0, to: 3 });
    expect(entries.map(({ slot, state, index }) => [slot, state, index])).toEqual([
      [0, 'done', 0],
      [1, 'empty', null],
      [2, 'empty', null],
    ]);
    expect(next).toBeNull();
    const all = await inspectRing(rig.machine, { ...DMA_0_0, from: 0, to: 4096 });
    expect([all.entries.length, all.next]).toEqual([256, 256]);
  });

  it('command buffers of internal queues are read from SRAM', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const chunk = await rig.sramChunk(10, SRAM_USER_BASE, blocked);
    rig.csNow(file, { chunksExecute: [chunk, rig.chunk(file, 0, blocked)] });
    rig.run();
    const { entries, kind } = await inspectRing(rig.machine, { ...DMA_0_0, queue: 10 });
    expect(kind).toBe('internal');
    expect(entries.at(-1)).toMatchObject({
      state: 'running',
      address: SRAM_USER_BASE,
      unread: null,
      packets: [
        { offset: 0, name: 'NOP', current: false },
        { offset: 8, name: 'FENCE', current: true },
      ],
    });
    rig.device().requestReset({ kind: 'manual' });
    await rig.finishReset();
  });
});
