/** `queues --ring`: ranges as they are typed, and the ring as it looks. */
import { describe, expect, it } from 'vitest';
import { RING } from '../testing/crowd.js';
import { makeStyle } from '../text/style.js';
import { parseRing, renderRing } from './ring.js';

const plain = makeStyle(80, false);

describe('--ring', () => {
  it.each([
    ['DMA_0_0', { queue: 0, from: 0, to: 0 }],
    ['dma_1_2[3:9]', { queue: 6, from: 3, to: 9 }],
    ['DMA_0_0[0:4096]', { queue: 0, from: 0, to: 4096 }],
  ])('%s', (text, range) => {
    expect(parseRing(text)).toEqual(range);
  });

  it.each(['DMA_9_9', 'DMA_0_0[3]', 'DMA_0_0[1:2', '', 'DMA_0_0[-1:2]'])('%j is no queue', (text) => {
    expect(() => parseRing(text)).toThrow(`--ring '${text}': expected a queue`);
  });

  it.each(['DMA_0_0[4:4]', 'DMA_0_0[9:3]', 'DMA_0_0[0:4097]', 'TPC_0_0[0:1025]'])('%s is no range of it', (text) => {
    expect(() => parseRing(text)).toThrow(/the slots of \w+ are \[0:\d+\], the second not included/);
  });
});

describe('a ring', () => {
  it('entries, and packets with the one the stream stands at', () => {
    expect(renderRing(RING, plain)).toBe(
      `
device 0, DMA_0_0 (external), ASID 1, pid 5000: 4,096 slots
producer 3, fetched 2, consumer 1: 2 entries not done
   SLOT  INDEX  STATE    CS   SIZE      ADDRESS
      0      0  done      -   64 B  0x800000000
>     1      1  running   2   64 B  0x800001000
          +0000  MSG_LONG 0x1 -> SOB E_N 3
        > +0010  FENCE 0 waits for 1, takes 1
      2      2  pending   3  128 B  0x800002000
          it lies in device memory`.trimStart(),
    );
  });

  it('indices run to twice the length', () => {
    expect(renderRing({ ...RING, pi: 1, ci: 8190 }, plain)).toContain('consumer 8190: 3 entries not done');
  });

  it('where it goes on', () => {
    expect(renderRing({ ...RING, next: 40 }, plain)).toMatch(/\nmore from slot 40 on: --ring DMA_0_0\[40:4096\]$/);
  });

  it('slots never written are shown to who asked for slots', () => {
    const empty = {
      slot: 4095,
      index: null,
      state: 'empty',
      seq: null,
      bytes: 0,
      address: 0,
      packets: [],
      unread: null,
    } as const;
    const ring = { ...RING, entries: [{ ...empty, packets: [] }] };
    expect(renderRing(ring, plain, false)).toContain('nothing was ever put into it');
    expect(renderRing(ring, plain, true)).toContain('4095      -  empty');
  });

  it('a long packet is cut at the edge', () => {
    const packet = { offset: 0, name: 'LIN_DMA', text: 'x'.repeat(200), current: true };
    const entries = RING.entries.map((entry) => ({ ...entry, packets: [packet] }));
    const lines = renderRing({ ...RING, entries }, plain).split('\n');
    expect(Math.max(...lines.map(({ length }) => length))).toBe(80);
  });
});
