/** What counts as a leak, what as a suspicion, and how both are told. */
import type { BufferState, LiveObjectState, Snapshot } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { Scene } from '../testing/scene.js';
import { makeStyle } from '../text/style.js';
import { findLeaks } from './find.js';
import { renderLeaks } from './render.js';

function object(kind: LiveObjectState['kind'], more: Partial<LiveObjectState> = {}): LiveObjectState {
  return {
    kind,
    id: '1',
    device: 0,
    pid: 4711,
    program: 'loader',
    ownerAlive: true,
    bytes: 0,
    ageMs: 12_000,
    born: 'MEMORY_ALLOC, call 12',
    holders: [],
    ...more,
  };
}

function snapshot(objects: LiveObjectState[], more: Partial<Snapshot> = {}): Snapshot {
  const scene = new Scene();
  scene.client({ pid: 4712, device: 1 }, 'relay');
  return { ...scene.snapshot, objects, buffers: [], ...more };
}

const buffer: BufferState = {
  id: 3,
  kind: 'memory',
  size: 2 ** 20,
  name: '',
  exporter: { pid: 4712, device: 1, asid: 1, alive: true, driver: 'habanalabs' },
  importers: [],
  importerCount: 0,
  attachments: [],
  attachmentCount: 0,
  fences: [],
  references: [{ holder: 'descriptor', pid: 4712, count: 1 }],
  refs: 1,
  ageMs: 61_000,
};

const orphans = [
  object('dma-buf', {
    id: '3',
    ownerAlive: false,
    bytes: 2 ** 20,
    holders: [{ holder: 'attachment', pid: 4712, count: 1 }],
  }),
  object('allocation', { id: '0x1001', ownerAlive: false, bytes: 2 ** 20, ageMs: 13_000 }),
];
const plain = makeStyle(120, false);

describe('leaks', () => {
  it('memory an importer keeps after its owner ended is told with who keeps it, and counted once', () => {
    const document = findLeaks(snapshot(orphans), undefined);
    expect(document.leakedBytes).toBe(2 ** 20);
    expect(document.leaked.map(({ kind, keptBy }) => [kind, keptBy])).toEqual([
      ['allocation', []],
      ['dma-buf', ['attachment of pid 4712 (relay)']],
    ]);
    expect(renderLeaks(document, plain, { all: false })).toMatch(
      new RegExp(
        [
          '^2 leaks, 1 MiB: alive though the owner is gone',
          '',
          'pid 4711 loader is gone and left',
          ' +KIND +ID +DEV +SIZE +AGE +BORN +KEPT BY',
          ' +allocation +0x1001 +0 +1 MiB +13.0 s +MEMORY_ALLOC, call 12 +nobody',
          ' +dma-buf +3 +0 +1 MiB +12.0 s +MEMORY_ALLOC, call 12 +attachment of pid 4712 \\(relay\\)',
        ].join('\n'),
      ),
    );
  });

  it('a descriptor in the hands of the operating system', () => {
    const [held] = findLeaks(
      snapshot([object('dma-buf', { ownerAlive: false, holders: [{ holder: 'handed-out', pid: 0, count: 2 }] })]),
      undefined,
    ).leaked;
    expect(held?.keptBy).toEqual(['2 descriptors handed to the operating system']);
  });

  it('what living clients have is none', () => {
    const document = findLeaks(
      snapshot([object('host buffer', { bytes: 4096 }), object('mapping', { bytes: 4096 })]),
      undefined,
    );
    expect(document.leaked).toEqual([]);
    expect(document.owners).toMatchObject([{ pid: 4711, bytes: 4096, counts: { 'host buffer': 1, mapping: 1 } }]);
    expect(renderLeaks(document, plain, { all: false })).toMatch(/^no leaks: the owners of all 2 objects are there\n/);
    expect(renderLeaks(document, plain, { all: true })).toMatch(/pid 4711 loader\n +KIND.*\n +host buffer/);
  });

  it('nothing alive', () => {
    expect(renderLeaks(findLeaks(snapshot([]), undefined), plain, { all: false })).toBe('no leaks: nothing is alive');
  });

  it('of one process: what it owns and what it keeps', () => {
    expect(findLeaks(snapshot(orphans), 4712).leaked.map(({ kind }) => kind)).toEqual(['dma-buf']);
    expect(findLeaks(snapshot(orphans), 4711).leaked).toHaveLength(2);
    expect(findLeaks(snapshot(orphans), 9).objects).toEqual([]);
  });

  it('of one process: what it left is told once', () => {
    const textOf = (pid: number | undefined) =>
      renderLeaks(findLeaks(snapshot([...orphans, object('file')]), pid), plain, { all: true, pid });
    expect(textOf(undefined)).toContain('(gone)');
    expect(textOf(4711)).not.toContain('(gone)');
    expect(textOf(4711)).toContain('alive, by owner');
  });

  it('fits into 80 columns', () => {
    const text = renderLeaks(findLeaks(snapshot([...orphans, object('file')]), undefined), makeStyle(80, false), {
      all: true,
    });
    expect(Math.max(...text.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it('a thousand are counted, not listed', () => {
    const many = Array.from({ length: 1000 }, (_, i) => object('command buffer', { id: String(i), ownerAlive: false }));
    const text = renderLeaks(findLeaks(snapshot(many), undefined), plain, { all: false });
    expect(text).toMatch(/and 970 more \(--all\)/);
    expect(text.split('\n').length).toBeLessThan(50);
  });
});

describe('suspicions', () => {
  const suspicions = (of: Snapshot) => findLeaks(of, undefined).suspicions.map(({ rule, text }) => [rule, text]);

  it('a buffer exported long ago that nobody has imported', () => {
    expect(suspicions(snapshot([], { buffers: [buffer] }))).toEqual([
      ['never imported', 'pid 4712 relay exported dma-buf 3 (1 MiB) 1m01s ago, and nobody has it imported'],
    ]);
    expect(suspicions(snapshot([], { buffers: [{ ...buffer, ageMs: 59_000 }] }))).toEqual([]);
    expect(suspicions(snapshot([], { buffers: [{ ...buffer, attachmentCount: 1 }] }))).toEqual([]);
  });

  it('objects that pile up', () => {
    const pile = (youngestMs: number) =>
      Array.from({ length: 300 }, (_, i) =>
        object('command buffer', { ageMs: youngestMs + i * 100, born: `CB_CREATE, call ${i}` }),
      );
    expect(suspicions(snapshot(pile(50)))).toEqual([
      [
        'piles up',
        'pid 4711 loader has 300 command buffers, all of them made by CB_CREATE, the oldest 29.9 s old, the newest 50 ms: they pile up',
      ],
    ]);
    expect(suspicions(snapshot(pile(20_000))), 'no new ones').toEqual([]);
    expect(suspicions(snapshot(pile(50).slice(0, 200))), 'not that many').toEqual([]);
  });

  it('work that does not end', () => {
    const scene = new Scene();
    scene.client({ pid: 4711, device: 0 }, 'loader');
    scene.submission({ pid: 4711, device: 0 }, 7, 'DMA_0_0', { ageMs: 31_000 });
    scene.submission({ pid: 4711, device: 0 }, 8, 'DMA_0_0', { ageMs: 31_000, state: 'done' });
    const document = findLeaks({ ...scene.snapshot, objects: [], buffers: [] }, undefined);
    expect(document.suspicions).toMatchObject([{ rule: 'long work', lookNext: 'pedrera why pid:4711' }]);
    expect(renderLeaks(document, plain, { all: false })).toContain(
      'submission 7 of pid 4711 loader on device 0 is unfinished after 31.0 s and keeps its memory',
    );
  });
});
