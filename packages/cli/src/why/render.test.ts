/** The answer of `pedrera why`, as people and Graphviz see it. */
import { describe, expect, it } from 'vitest';
import { Scene, type Who } from '../testing/scene.js';
import { makeStyle } from '../text/style.js';
import { whyToDot } from './dot.js';
import { renderWhy } from './render.js';
import { explain } from './why.js';

const A: Who = { pid: 4711, device: 0 };
const B: Who = { pid: 4712, device: 1 };

function deadlock(): Scene {
  const scene = new Scene();
  for (const [who, program, sob] of [
    [A, 'loader', 8],
    [B, 'relay\u001b[2J', 9],
  ] as const) {
    scene.client(who, program);
    scene.submission(who, 7, 'DMA_0_0');
    scene.queue(who, 'DMA_0_0', [scene.monitor(sob, sob, 0, 1)]);
    scene.waits(who, program, 7);
    scene.signallers(who.device, sob, { packets: [scene.packet(who === A ? B : A, 7, 'DMA_0_0', sob)] });
  }
  return scene;
}

function show(scene: Scene, width: number, options: { all?: boolean } = {}): string {
  return renderWhy(explain(scene.snapshot, null), makeStyle(width, false), options);
}

describe('why', () => {
  it('a search that did not get to all: how much is missing, and what to do; nothing where the answer is whole', () => {
    const snapshot = { ...deadlock().snapshot, producersLeft: 3 };
    const cut = (asked: { pid: number } | null) =>
      renderWhy(explain(snapshot, asked), makeStyle(200, false)).split('\n').at(-1);
    expect(cut(null)).toBe(
      'so much waits at once that the signallers of 3 fences or sync objects were not searched for; begin with one process: pedrera why PID',
    );
    expect(cut({ pid: A.pid })).toContain('pedrera cs');
    snapshot.producers = [];
    expect(cut({ pid: A.pid })).toBe(
      'so much waits at once that the signallers of 3 fences or sync objects were not searched for, some of them of this process',
    );
  });

  it('root cause first, then the chain with its values, then where to look', () => {
    expect(show(deadlock(), 100)).toBe(
      `
Deadlock of 2 processes on 2 devices: DMA_0_0 of pid 4711 (device 0) waits for DMA_0_0 of pid 4712
(device 1), which waits for DMA_0_0 of pid 4711 (device 0) again.

pid 4711 loader, device 0, ASID 11
   call WAIT_CS   for 12.3 s, no time-out
   submission 7   running, 1 job left on DMA_0_0, 12.4 s old
 | queue DMA_0_0  stands at FENCE 0 waits for 1, takes 1 (submission 7)
 | fence 0        needs 1, has 0
 | monitor E_N 8  armed, fires when SOB E_N 8 >= 1
 | SOB E_N 8      is 0, awaited >= 1
 |                -> MSG_SHORT SOB E_N 8 +1, in submission 7 of pid 4712
pid 4712 relay?[2J, device 1, ASID 12
 | submission 7   at the head of DMA_0_0, 12.4 s old
 | queue DMA_0_0  stands at FENCE 0 waits for 1, takes 1 (submission 7)
 | fence 0        needs 1, has 0
 | monitor E_N 9  armed, fires when SOB E_N 9 >= 1
 | SOB E_N 9      is 0, awaited >= 1
 |                -> MSG_SHORT SOB E_N 9 +1, in submission 7 of pid 4711
pid 4711 loader, device 0, ASID 11
 | submission 7   at the head of DMA_0_0, 12.4 s old
  = queue DMA_0_0 of pid 4711, as above: the circle is closed

look next: pedrera queues --device 1 --pid 4712 --ring DMA_0_0  # packets at the head
           pedrera cs --pid 4711                                # its submissions`.slice(1),
    );
  });

  it('fits into 80 columns', () => {
    const lines = show(deadlock(), 80).split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it('several causes are numbered, and the eleventh is only counted', () => {
    const scene = new Scene();
    for (let i = 0; i < 11; i++) {
      const who = scene.client({ pid: 4800 + i, device: 0 }, 'p');
      scene.submission(who, 1, 'DMA_0_0');
      scene.queue(who, 'DMA_0_0', [scene.monitor(i, i, 0, 1)]);
      scene.signallers(0, i, {});
    }
    const text = show(scene, 80);
    expect(text).toMatch(/^1\. Nobody signals SOB E_N 0 /);
    expect(text).toMatch(/\nand 1 more root cause: pedrera why --all$/);
    expect(show(scene, 80, { all: true })).toContain('11. Nobody signals');
  });

  it('of a long chain the ends are shown', () => {
    const scene = new Scene();
    for (let i = 0; i < 40; i++) {
      const who = scene.client({ pid: 5000 + i, device: 0 }, `p${i}`);
      scene.submission(who, 1, 'DMA_0_0');
      scene.queue(who, 'DMA_0_0', [scene.monitor(i, i, 0, 1)]);
      const next: Who = { pid: 5001 + i, device: 0 };
      scene.signallers(0, i, { packets: i === 39 ? [] : [scene.packet(next, 1, 'DMA_0_0', i)] });
    }
    const text = show(scene, 80);
    expect(text).toMatch(/^ {3}\.\.\. 155 more \(--all\)$/m);
    expect(text).toContain('pid 5039 p39');
    expect(text.split('\n').length).toBeLessThan(80);
    expect(show(scene, 80, { all: true })).toContain('pid 5020 p20');
  });

  it('who else waits because of it', () => {
    const scene = deadlock();
    for (let i = 0; i < 10; i++) {
      const who = scene.client({ pid: 4800 + i, device: 0 }, `w${i}`);
      scene.submission(who, 1, 'DMA_0_0');
      scene.queue(who, 'DMA_0_0', [scene.monitor(20 + i, 20 + i, 0, 1)]);
      scene.signallers(0, 20 + i, { packets: [scene.packet(A, 7, 'DMA_0_0', 20 + i)] });
    }
    expect(show(scene, 200)).toContain(
      'also waiting because of this: pid 4801 w1, 4802 w2, 4803 w3, 4804 w4, 4805 w5, 4806 w6, 4807 w7, 4808 w8 and 1 more',
    );
  });

  it('nothing stuck', () => {
    const scene = new Scene();
    expect(show(scene, 80)).toBe('nothing is stuck');
    scene.client(A, 'loader');
    scene.submission(A, 1, 'DMA_0_0');
    scene.queue(A, 'DMA_0_0', [], { blockedOn: null });
    expect(show(scene, 80)).toBe('nothing is stuck; 1 wait will end by itself');
    const style = makeStyle(80, false);
    expect(renderWhy(explain(scene.snapshot, { pid: 4712 }), style)).toBe('pid 4712 waits for nothing');
    expect(renderWhy(explain(scene.snapshot, { pid: 4711 }), style)).toMatch(/^Not stuck: it waits for queue DMA_0_0/);
  });
});

describe('graph', () => {
  it('processes are clusters, the circle stands out, and nothing can break out of a label', () => {
    const scene = deadlock();
    for (const row of [...scene.snapshot.clients, ...scene.snapshot.calls]) row.program = '"]; evil\\';
    const dot = whyToDot(explain(scene.snapshot, null));
    expect(dot).toMatch(/^digraph why \{\n/);
    expect(dot).toMatch(/\n\}$/);
    expect(dot).toContain('subgraph cluster_4711 {\n    label="pid 4711 \\"]; evil\\\\";');
    expect(dot).toContain(
      '"sob 0/E_N/8>=1" -> "job 1/12/7/DMA_0_0" [label="MSG_SHORT SOB E_N 8 +1, in submission 7 of pid 4712"];',
    );
    expect(dot.match(/penwidth=2/g)).toHaveLength(10);
    const outside = dot.replace(/"(\\.|[^"\\])*"/g, '');
    expect(outside).not.toMatch(/evil|["\\]/);
    expect(outside.match(/\{/g)).toHaveLength(outside.match(/\}/g)?.length ?? 0);
  });

  it('nothing stuck is an empty graph', () => {
    expect(whyToDot(explain(new Scene().snapshot, null))).toContain('label="nothing is stuck";');
  });
});
