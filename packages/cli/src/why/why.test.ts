/** Who is to blame, from snapshots of situations. */
import { describe, expect, it } from 'vitest';
import { Scene, type Who } from '../testing/scene.js';
import type { Cause, WhyDocument } from './document.js';
import { type Asked, explain } from './why.js';

const A: Who = { pid: 4711, device: 0 };
const B: Who = { pid: 4712, device: 1 };
const C: Who = { pid: 4713, device: 0 };
const PROGRAMS = new Map([
  [A, 'loader'],
  [B, 'relay'],
  [C, 'reader'],
]);

/** Each waits on its own queue for SOB 8, 9 or 10, which the next one would raise with a packet behind its own wait. */
function ring(parties: readonly Who[]): Scene {
  const scene = new Scene();
  parties.forEach((who, i) => {
    const next = parties[(i + 1) % parties.length] as Who;
    const sob = 8 + i;
    scene.client(who, PROGRAMS.get(who) ?? '');
    scene.submission(who, 7, 'DMA_0_0');
    scene.queue(who, 'DMA_0_0', [scene.monitor(i, sob, 0, 1)]);
    scene.waits(who, PROGRAMS.get(who) ?? '', 7);
    const holders = [scene.holder(who, PROGRAMS.get(who) ?? '', 'owner')];
    scene.signallers(who.device, sob, { packets: [scene.packet(next, 7, 'DMA_0_0', sob)], holders });
  });
  return scene;
}

function blocked(program = 'loader'): Scene {
  const scene = new Scene();
  scene.client(A, program);
  scene.submission(A, 7, 'DMA_0_0');
  scene.queue(A, 'DMA_0_0', [scene.monitor(3, 8, 0, 1)]);
  scene.waits(A, program, 7);
  return scene;
}

function only(scene: Scene, asked: Asked = null): Cause & { document: WhyDocument } {
  const document = explain(scene.snapshot, asked);
  expect(document.causes).toHaveLength(1);
  return { ...(document.causes[0] as Cause), document };
}

describe('a packet that sets a sync object', () => {
  const withPacket = (sets: number) => {
    const scene = blocked();
    const packets = [scene.packet(A, 7, 'DMA_0_0', 8, { adds: null, sets })];
    scene.signallers(0, 8, { packets, holders: [scene.holder(A, 'loader', 'owner')] });
    return only(scene);
  };

  it('to what is awaited counts as a signal', () => {
    expect(withPacket(1).kind).toBe('behind itself');
  });

  it('to less does not', () => {
    expect(withPacket(0).kind).toBe('nobody signals');
  });
});

describe('deadlock', () => {
  it('of two processes on two devices', () => {
    const cause = only(ring([A, B]));
    expect(cause).toMatchObject({ kind: 'deadlock', fate: 'stuck', certain: true, pids: [4711, 4712] });
    expect(cause.sentence).toBe(
      'Deadlock of 2 processes on 2 devices: DMA_0_0 of pid 4711 (device 0) waits for DMA_0_0 of pid 4712 (device 1), which waits for DMA_0_0 of pid 4711 (device 0) again.',
    );
  });

  it('of three processes names them in the order they wait', () => {
    const cause = only(ring([A, B, C]));
    expect(cause.sentence).toMatch(
      /^Deadlock of 3 processes on 2 devices: .*4711.* waits for .*4712.*, which waits for .*4713/,
    );
    expect(cause.pids).toEqual([4711, 4712, 4713]);
    const kinds = cause.document.nodes.filter(({ id }) => cause.cycle?.includes(id)).map(({ kind }) => kind);
    expect(new Set(kinds)).toEqual(new Set(['queue', 'fence', 'monitor', 'sync object', 'submission']));
    expect(cause.cycle).toHaveLength(15);
  });

  it('whoever is asked about, the circle is the same', () => {
    const scene = ring([A, B, C]);
    const circles = [A, B, C].map(({ pid }) => [...(only(scene, { pid }).cycle ?? [])].sort());
    expect(circles[1]).toEqual(circles[0]);
    expect(circles[2]).toEqual(circles[0]);
  });

  it('somebody outside who waits for the circle has the same cause', () => {
    const scene = ring([A, B]);
    scene.client(C, 'reader');
    scene.submission(C, 3, 'DMA_1_0');
    scene.queue(C, 'DMA_1_0', [scene.monitor(9, 20, 0, 1)]);
    scene.waits(C, 'reader', 3);
    scene.signallers(0, 20, { packets: [scene.packet(A, 8, 'DMA_0_0', 20, { ahead: 1 })] });
    const cause = only(scene);
    expect(cause.kind).toBe('deadlock');
    expect(cause.pids).toEqual([4711, 4712, 4713]);
    expect(cause.document.nodes.find(({ id }) => id === cause.chain[0])?.pid, 'the longest chain is shown').toBe(4713);
    expect(cause.cycle).not.toContain(cause.chain[0]);
  });

  it('a second signaller that runs is a way out', () => {
    const scene = ring([A, B]);
    scene.client(C, 'reader');
    scene.submission(C, 3, 'DMA_1_0');
    scene.queue(C, 'DMA_1_0', [], { blockedOn: null, head: { opcode: 0, name: 'LIN_DMA', text: 'LIN_DMA' } });
    scene.snapshot.producers[0]?.packets.push(scene.packet(C, 3, 'DMA_1_0', 8));
    expect(explain(scene.snapshot, null)).toMatchObject({ causes: [], moving: 5 });
    expect(only(scene, { pid: 4711 })).toMatchObject({ kind: 'running', fate: 'moves' });
  });

  it('the signal queued behind the wait on one queue', () => {
    const scene = blocked();
    scene.submission(A, 8, 'DMA_0_0', { state: 'queued' });
    scene.signallers(0, 8, { packets: [scene.packet(A, 8, 'DMA_0_0', 8, { ahead: 1 })] });
    const cause = only(scene);
    expect(cause).toMatchObject({ kind: 'behind itself', certain: true });
    expect(cause.sentence).toBe(
      'Deadlock on one queue (DMA_0_0 of pid 4711 (device 0)): it waits for SOB E_N 8 (is 0, awaited >= 1), and submission 8, which would signal it, is queued behind submission 7, which waits for it.',
    );
  });

  it('the signal after the wait in one submission', () => {
    const scene = blocked();
    scene.signallers(0, 8, { packets: [scene.packet(A, 7, 'DMA_0_0', 8)] });
    expect(only(scene).sentence).toContain(
      'submission 7, which would signal it, comes after the wait in the same submission',
    );
  });

  it('of processes that each would have to signal, in their calls: not certain', () => {
    const scene = ring([A, B]);
    scene.snapshot.producers.forEach((row, i) => {
      row.packets = [];
      const [who, name] = i === 0 ? [B, 'relay'] : [A, 'loader'];
      row.holders = [scene.holder(who as Who, name as string, 'importer')];
    });
    const cause = only(scene);
    expect(cause).toMatchObject({ kind: 'deadlock', certain: false });
    expect(cause.sentence).toMatch(/pid 4712 waits for pid 4711, which waits for pid 4712 again unless another thread/);
  });
});

describe('signals that do not come', () => {
  it('whoever had the right is dead', () => {
    const scene = blocked();
    const owner = scene.holder(A, 'loader', 'owner');
    scene.signallers(0, 8, { holders: [owner, scene.holder(B, 'relay', 'importer', 3200)] });
    const cause = only(scene, { pid: 4711 });
    expect(cause.kind).toBe('nobody signals');
    expect(cause.sentence).toBe(
      'Nobody signals SOB E_N 8 (is 0, awaited >= 1): pid 4712 relay, who had imported it, ended 3.2 s ago; nothing queued signals it, and pid 4711, who alone still could, waits for it itself.',
    );
  });

  it('nobody ever had the right', () => {
    const scene = blocked();
    scene.signallers(0, 8, {});
    const cause = only(scene);
    expect(cause).toMatchObject({ kind: 'nobody signals', certain: true, fate: 'stuck' });
    expect(cause.sentence).toBe('Nobody signals SOB E_N 8 (is 0, awaited >= 1): nothing queued signals it.');
  });

  it('an importer that is alive and has queued nothing', () => {
    const scene = blocked();
    scene.client(B, 'relay');
    scene.signallers(0, 8, { holders: [scene.holder(A, 'loader', 'owner'), scene.holder(B, 'relay', 'importer')] });
    const cause = only(scene);
    expect(cause).toMatchObject({ kind: 'not submitted', fate: 'depends', certain: false, root: 'pid 4712' });
    expect(cause.sentence).toBe(
      'It is up to pid 4712 relay (an importer): it has queued nothing that signals SOB E_N 8 (is 0, awaited >= 1).',
    );
    expect(cause.lookNext[0]?.command).toBe('pedrera queues --device 0 --pid 4711 --ring DMA_0_0');
  });

  it('a fence without a monitor is up to the process itself', () => {
    const scene = new Scene();
    scene.client(A, 'loader');
    scene.submission(A, 7, 'DMA_0_0');
    scene.queue(A, 'DMA_0_0', []);
    scene.waits(A, 'loader', 7);
    expect(only(scene).sentence).toBe(
      'Nobody signals fence 0 (needs 1, has 0): no monitor and no queued packet points at it, and pid 4711, who alone still could, waits for it itself.',
    );
  });

  it('packets nobody could read leave it open', () => {
    const scene = blocked();
    const unread = [{ ...A, asid: 11, seq: 8, queue: 'DMA_2_0' }];
    scene.signallers(0, 8, { unread });
    expect(only(scene)).toMatchObject({ kind: 'unread packets', certain: false, fate: 'depends' });
  });

  it('what is queued is not enough', () => {
    const scene = blocked();
    scene.queue(A, 'DMA_1_0', [], { blockedOn: null });
    scene.snapshot.queues[0]?.queues.shift();
    scene.queue(A, 'DMA_0_0', [scene.monitor(3, 8, 0, 5)]);
    scene.submission(A, 9, 'DMA_1_0');
    scene.signallers(0, 8, { packets: [scene.packet(A, 9, 'DMA_1_0', 8)] });
    const { nodes } = explain(scene.snapshot, { pid: 4711 });
    expect(nodes.find(({ kind }) => kind === 'sync object')?.text).toBe(
      'is 0, awaited >= 5; all that is queued makes it 1',
    );
  });

  it('several waits for one sync object have one cause', () => {
    const scene = new Scene();
    for (const [pid, awaited] of [
      [4720, 1],
      [4721, 2],
      [4722, 3],
    ] as const) {
      const who = scene.client({ pid, device: 0 }, 'w');
      scene.submission(who, 1, 'DMA_0_0');
      scene.queue(who, 'DMA_0_0', [scene.monitor(pid - 4720, 8, 0, awaited)]);
    }
    scene.signallers(0, 8, {});
    expect(only(scene).pids).toEqual([4720, 4721, 4722]);
  });
});

describe('the machine', () => {
  it('a hung engine, two devices away', () => {
    const scene = blocked();
    scene.client(B, 'relay');
    scene.submission(B, 5, 'DMA_1_2');
    scene.queue(B, 'DMA_1_2', [], { blockedOn: null, head: { opcode: 1, name: 'LIN_DMA', text: 'LIN_DMA 4 KiB' } });
    scene.engine(1, 'DMA1', { hung: true });
    scene.signallers(0, 8, { packets: [scene.packet(B, 5, 'DMA_1_2', 8)] });
    const cause = only(scene);
    expect(cause).toMatchObject({ kind: 'hung engine', fate: 'stuck', pids: [4711, 4712] });
    expect(cause.sentence).toBe('Engine DMA1 of device 1 hangs; only a reset of the device frees it.');
  });

  it('a device in reset', () => {
    const scene = blocked();
    scene.device(0, { status: 'in reset', lastReset: { reason: 'a hung engine', ageMs: 2000 } });
    const cause = only(scene);
    expect(cause).toMatchObject({ kind: 'device', fate: 'depends' });
    expect(cause.sentence).toBe('Device 0 is in reset; reset: a hung engine, 2.0 s ago.');
  });

  it('a call that waits for the device itself', () => {
    const scene = new Scene();
    scene.client(A, 'loader');
    scene.device(0, { status: 'in reset' });
    scene.call(A, 'loader', { kind: 'device', device: 0, status: 'in reset' });
    expect(only(scene).kind).toBe('device');
  });

  it('arbitration leads to whoever has the grant', () => {
    const scene = blocked();
    scene.queue(A, 'DMA_0_1', [], {
      blockedOn: null,
      arbitration: { mode: 'priority', waiting: true, holder: 'DMA_0_0', quiet: false, priority: 0, weight: 1 },
    });
    scene.submission(A, 9, 'DMA_0_1');
    scene.waits(A, 'loader', 9);
    scene.signallers(0, 8, {});
    const cause = only(scene);
    expect(cause.kind).toBe('nobody signals');
    expect(cause.document.nodes.find(({ queue, kind }) => kind === 'queue' && queue === 'DMA_0_1')?.text).toBe(
      'waits for the arbiter, whose grant DMA_0_0 has (submission 9)',
    );
  });

  it('a monitor that raises the sync object is followed', () => {
    const scene = blocked();
    const payload = { address: 0, data: 0, meaning: { kind: 'sob', device: 0, dcore: 'E_N', sob: 8 } } as const;
    const rows: object[] | undefined = scene.snapshot.sync[0]?.monitors;
    rows?.push({ ...scene.monitor(5, 30, 0, 1), asid: 11, pid: 4711, payload });
    scene.signallers(0, 8, { monitors: [{ dcore: 'E_N', monitor: 5, asid: 11 }] });
    scene.signallers(0, 30, {});
    expect(only(scene).sentence).toMatch(/^Nobody signals SOB E_N 30/);
  });

  it('an interrupt nothing can raise', () => {
    const scene = new Scene();
    scene.client(A, 'loader');
    scene.call(A, 'loader', { kind: 'interrupt', device: 0, interrupt: 3 });
    expect(only(scene).sentence).toBe(
      'Nobody signals interrupt 3: not raised; pid 4711 has nothing in flight on device 0 that could.',
    );
  });
});

describe('held work', () => {
  it('leads to the submission its fence stands for, in another process', () => {
    const scene = blocked();
    scene.signallers(0, 8, {});
    scene.client(B, 'relay');
    const producer = { ...A, asid: 11, seq: 7 };
    const fences = [{ name: 'hl0-ctx11-7', producer, buffer: 2 }];
    scene.submission(B, 4, 'DMA_0_0', { state: 'held', fences });
    scene.submission(B, 5, 'DMA_0_0', { state: 'held', heldBehind: 4 });
    scene.waits(B, 'relay', 5);
    const cause = only(scene, { pid: 4712 });
    expect(cause.kind).toBe('nobody signals');
    const titles = cause.chain.map((id) => cause.document.nodes.find((node) => node.id === id)?.title);
    expect(titles).toEqual([
      'call WAIT_CS',
      'submission 5',
      'submission 4',
      'fence hl0-ctx11-7',
      'submission 7',
      'queue DMA_0_0',
      'fence 0',
      'monitor E_N 3',
      'SOB E_N 8',
    ]);
  });
});

describe('a search that did not get to all', () => {
  it('says so of what it did not get to, and blames nobody', () => {
    const scene = blocked();
    const { causes, notSearched } = explain({ ...scene.snapshot, producersLeft: 2 }, null);
    expect(causes.map(({ kind, certain }) => [kind, certain])).toEqual([['unknown', false]]);
    expect(causes[0]?.sentence).toMatch(/^The trail ends at SOB E_N 8: .*; who could signal was not searched for\.$/);
    expect(notSearched).toBe(2);
    const fence = new Scene();
    fence.client(A, 'loader');
    fence.submission(A, 7, 'DMA_0_0');
    fence.queue(A, 'DMA_0_0', []);
    expect(explain({ ...fence.snapshot, producersLeft: 1 }, null).causes[0]?.sentence).toBe(
      'The trail ends at fence 0: needs 1, has 0; who could release it was not searched for.',
    );
    // A search that got to all knows that nothing points at it.
    expect(explain(fence.snapshot, null).causes[0]?.kind).toBe('not submitted');
  });
});

describe('what is asked', () => {
  it('a submission brings the calls that wait for it', () => {
    const scene = blocked();
    scene.signallers(0, 8, {});
    expect(only(scene, { seq: 7 }).waiting).toEqual(['call 0', 'cs 0/11/7']);
  });

  it('a call for any of two submissions goes by the better one', () => {
    const scene = blocked();
    scene.signallers(0, 8, {});
    scene.submission(A, 9, 'DMA_1_1');
    scene.queue(A, 'DMA_1_1', [], { blockedOn: null });
    const submissions = [7, 9].map((seq) => ({ ...A, asid: 11, seq }));
    scene.snapshot.calls = [];
    scene.call(A, 'loader', { kind: 'submissions', any: true, submissions });
    const { causes } = explain(scene.snapshot, { pid: 4711 });
    expect(causes.map(({ kind, waiting }) => [kind, waiting])).toEqual([
      ['nobody signals', ['cs 0/11/7']],
      ['running', ['call 0', 'cs 0/11/9']],
    ]);
  });

  it('an idle daemon', () => {
    expect(explain(new Scene().snapshot, null)).toMatchObject({ causes: [], moving: 0, nodes: [], edges: [] });
  });

  it('a thousand clients in a row are one cause', () => {
    const scene = new Scene();
    for (let i = 0; i < 1000; i++) {
      const who = scene.client({ pid: 5000 + i, device: i % 2 }, `p${i}`);
      scene.submission(who, 1, 'DMA_0_0');
      scene.queue(who, 'DMA_0_0', [scene.monitor(i, i, 0, 1)]);
      scene.waits(who, `p${i}`, 1);
      const next: Who = { pid: 5001 + i, device: (i + 1) % 2 };
      scene.signallers(who.device, i, { packets: i === 999 ? [] : [scene.packet(next, 1, 'DMA_0_0', i)] });
    }
    const cause = only(scene);
    expect(cause.pids).toHaveLength(1000);
    expect(cause.chain).toHaveLength(1 + 1000 * 5);
    expect(cause.sentence).toMatch(/^Nobody signals SOB E_N 999/);
  });
});
