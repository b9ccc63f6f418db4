/** What of the page needs no browser: text, places on lines, the layout of the picture. */
import { describe, expect, it } from 'vitest';
import { piecesOf } from './ansi.js';
import { BOX_HEIGHT, layOut } from './buffer-graph.js';
import { formatCount, formatDuration, formatSize, shorten } from './format.js';
import type { LiveBuffer } from './protocol.js';
import { Timeline } from './timeline.js';

describe('text', () => {
  it('sizes, counts and times', () => {
    expect([0, 1023, 1536, 4 * 2 ** 20, 31.5 * 2 ** 30].map(formatSize)).toEqual([
      '0 B',
      '1023 B',
      '1.5 KiB',
      '4 MiB',
      '31.5 GiB',
    ]);
    expect([0, 0.25, 9.96, 9999, 12_345, 1.5e6, 2e9].map(formatCount)).toEqual([
      '0',
      '0.3',
      '10',
      '9999',
      '12.3k',
      '1.5M',
      '2.0G',
    ]);
    expect([4, 1200, 63_000, 3_900_000, 1e8].map(formatDuration)).toEqual(['4 ms', '1.2 s', '1m03s', '1h05m', '1d03h']);
  });

  it('what is too long loses its middle, never half a letter', () => {
    expect(shorten('relay.js', 8)).toBe('relay.js');
    expect(shorten('a-long-name.js', 8)).toBe('a-lo….js');
    expect(shorten('😀'.repeat(9), 3)).toBe('😀…😀');
  });

  it('escapes of a terminal become looks; others stay as they are', () => {
    expect(piecesOf('\u001b[1m\u001b[31mbad\u001b[39m and bold\u001b[22m plain \u001b[7m\u001b[2Jx')).toEqual([
      { text: 'bad', looks: ['bold', 'red'] },
      { text: ' and bold', looks: ['bold'] },
      { text: ' plain ', looks: [] },
      { text: '\u001b[2Jx', looks: [] },
    ]);
  });
});

describe('a timeline', () => {
  it('ends now and begins half a minute ago', () => {
    const timeline = new Timeline();
    const shares = { '0 DMA0': [50, 25, 0] } as const;
    const sample = (seconds: number) => ({
      timeNs: seconds * 1e9,
      periodMs: 3000,
      shares: { '0 DMA0': [...shares['0 DMA0']] as [number, number, number] },
    });
    timeline.add([sample(3), sample(6)]);
    expect(timeline.stretchesOf('0 DMA0').map(({ from, to }) => [from, to])).toEqual([
      [0.8, 0.9],
      [0.9, 1],
    ]);
    expect(timeline.stretchesOf('1 DMA0')).toEqual([]);
    timeline.add([sample(34)]);
    const [first, second] = timeline.stretchesOf('0 DMA0');
    // The one that began before the line does is cut.
    expect(first).toMatchObject({ from: 0, busy: 0.5, sync: 0.25, memory: 0 });
    expect(first?.to).toBeCloseTo(2 / 30);
    expect(second?.to).toBe(1);
    expect(timeline.lastOf('0 DMA0')).toEqual([50, 25, 0]);
    timeline.clear();
    expect(timeline.stretchesOf('0 DMA0')).toEqual([]);
  });
});

describe('the picture of shared buffers', () => {
  const exporter = { pid: 1, program: 'loader.js', device: 0, alive: true };
  const buffer = (id: number, users: LiveBuffer['users'], more: Partial<LiveBuffer> = {}): LiveBuffer => ({
    id,
    name: '',
    kind: 'memory',
    size: 4096,
    exporter,
    users,
    moreUsers: 0,
    fences: [],
    ...more,
  });
  const user = (pid: number) => ({ pid, program: 'reader.js', device: 1, how: 'mapped' as const });

  it.each([360, 500, 1400])('%d wide: no two boxes touch, each process once, nothing outside', (width) => {
    const buffers = [buffer(1, [user(2), user(3)]), buffer(2, [user(2)], { moreUsers: 4 }), buffer(3, [])];
    const { boxes, lines, boxWidth, height } = layOut(buffers, width);
    expect(boxes.filter(({ kind }) => kind === 'exporter')).toHaveLength(1);
    expect(boxes.filter(({ kind }) => kind === 'user').map(({ hint }) => hint)).toEqual([
      '2 reader.js: hl1, mapped',
      '3 reader.js: hl1, mapped',
      '4 more: see: pedrera bufs',
    ]);
    expect(lines).toHaveLength(3 + 4);
    for (const [i, one] of boxes.entries()) {
      expect(one.x + boxWidth).toBeLessThanOrEqual(width);
      expect(one.y + BOX_HEIGHT).toBeLessThanOrEqual(height);
      for (const other of boxes.slice(i + 1)) {
        expect(Math.abs(one.x - other.x) >= boxWidth || Math.abs(one.y - other.y) >= BOX_HEIGHT).toBe(true);
      }
    }
  });

  it('marks what waits, what failed, and an exporter that is gone', () => {
    const fences = [{ state: 'pending' as const, count: 2 }];
    const failed = [...fences, { state: 'failed' as const, count: 1 }];
    const gone = { ...exporter, pid: 9, alive: false };
    const { boxes, lines } = layOut(
      [buffer(1, [], { fences }), buffer(2, [], { fences: failed, exporter: gone })],
      1000,
    );
    expect(boxes.map(({ kind, mark }) => `${kind} ${mark}`)).toEqual([
      'exporter null',
      'buffer pending',
      'exporter orphan',
      'buffer failed',
    ]);
    expect(boxes[1]?.detail).toBe('4 KiB memory, 2 pending');
    expect(lines.map(({ loose }) => loose)).toEqual([false, true]);
  });
});
