/** What a browser is told of a look: which rows, in which order, and nothing twice. */
import { FIRST_VIEW, type ViewRequest } from '@pedrera/web';
import { describe, expect, it } from 'vitest';
import { crowd, crowdBuffers } from '../testing/crowd.js';
import { Scene } from '../testing/scene.js';
import { knownAfter, liveMessage, NOTHING } from './live.js';
import { Looks } from './looks.js';
import { parseRequest } from './requests.js';
import { whyText } from './why-answer.js';

const view = (change: Partial<ViewRequest> = {}): ViewRequest => ({ ...FIRST_VIEW, ...change });

describe('looks', () => {
  it('a timeline of what lies between two looks; of another daemon a new one', () => {
    const looks = new Looks();
    const first = crowd({ clients: 2 });
    expect(looks.add(first)).toMatchObject({ life: 1, samples: [] });
    const later = { ...first, timeNs: first.timeNs + 1e9, engines: structuredClone(first.engines ?? []) };
    for (const { times } of later.engines) times.waitSyncNs += 0.25e9;
    const { samples } = looks.add(later);
    expect(samples).toEqual([{ timeNs: 61e9, periodMs: 1000, shares: { '0 DMA0': [0, 25, 0], '1 DMA0': [0, 25, 0] } }]);
    const pause = looks.add({ ...later, timeNs: later.timeNs + 60e9 });
    expect(pause).toMatchObject({ life: 2, samples: [] });
    const other = { ...later, timeNs: later.timeNs + 61e9, daemon: { ...later.daemon, pid: 99 } };
    expect(looks.add(other)).toMatchObject({ life: 3, samples: [] });
  });

  it('a browser is told events and samples once', () => {
    const look = new Looks().add(crowd({ clients: 5 }));
    const first = liveMessage(look, { view: view(), known: NOTHING, intervalMs: 500 });
    expect(first).toMatchObject({ fresh: true, intervalMs: 500 });
    expect(first.events.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5]);
    const second = liveMessage(look, { view: view(), known: knownAfter(look), intervalMs: 500 });
    expect(second).toMatchObject({ fresh: false, events: [], samples: [] });
  });
});

describe('queues', () => {
  it('broken ones first, blocked ones by age, held work among them; the rest as it was', () => {
    const scene = new Scene();
    const [a, b] = [scene.client({ pid: 4711, device: 0 }, 'a'), scene.client({ pid: 4712, device: 1 }, 'b')];
    scene.queue(a, 'DMA_0_0', [], { blockedOn: null, state: 'running', oldestMs: 1 });
    scene.queue(a, 'DMA_0_1', [scene.monitor(3, 8, 1, 2)], { oldestMs: 10 });
    scene.queue(b, 'DMA_0_2', [], { blockedOn: null, state: 'hung', oldestMs: 5 });
    scene.queue(b, 'DMA_0_3', [], { oldestMs: 70 });
    scene.queue(b, 'DMA_1_0', [], { blockedOn: null, head: null, inFlight: 0, state: 'idle' });
    scene.submission(a, 9, 'DMA_1_1', {
      state: 'held',
      ageMs: 40,
      fences: [{ name: 'frame', producer: null, buffer: null }],
    });
    const { queues } = liveMessage(new Looks().add(scene.snapshot), { view: view(), known: NOTHING, intervalMs: 500 });
    expect(queues).toMatchObject({ total: 5, blocked: 4 });
    expect(queues.rows.map(({ name, program, blocked }) => `${name} ${program}: ${blocked}`)).toEqual([
      'DMA_0_2 b: the engine hangs',
      'DMA_0_3 b: fence 0 needs 1, has 0; no armed monitor points at it',
      'DMA_1_1 a: held back until frame is signalled',
      'DMA_0_1 a: fence 0 waits for SOB E_N 8 >= 2, now 1',
      'DMA_0_0 a: null',
    ]);
  });

  it('a filter knows pids, programs and queues; a device is one', () => {
    const look = new Looks().add(crowd({ clients: 20 }));
    const totals = (change: Partial<ViewRequest>) => {
      const { queues, clients } = liveMessage(look, { view: view(change), known: NOTHING, intervalMs: 500 });
      return [queues.total, clients.total];
    };
    expect(totals({})).toEqual([20, 20]);
    expect(totals({ filter: 'worker-1' })).toEqual([11, 11]);
    expect(totals({ filter: '5003' })).toEqual([1, 1]);
    expect(totals({ filter: 'dma_0' })).toEqual([20, 0]);
    expect(totals({ device: 1 })).toEqual([10, 10]);
    expect(totals({ device: 7 })).toEqual([0, 0]);
  });
});

describe('memory and buffers', () => {
  it('owners by size, the small ones together', () => {
    const look = new Looks().add(crowd({ clients: 40 }));
    const { memory } = liveMessage(look, { view: view({ device: 0 }), known: NOTHING, intervalMs: 500 });
    expect(memory).toHaveLength(1);
    const [only] = memory;
    expect(only?.owners).toHaveLength(8);
    expect(only).toMatchObject({ device: 0, used: 40 * 2 ** 20, others: 12, otherBytes: 24 * 2 ** 20 });
  });

  it('the most shared buffer first, each user once with the most it does', () => {
    const { buffers } = crowdBuffers(3);
    const [, second] = buffers;
    if (second === undefined) throw new Error('no buffer');
    second.importers = [{ pid: 5000, device: 1, asid: 1, address: 4096 }];
    const attachment = { importer: 'hl', dynamic: false, peer2peer: true };
    second.attachments = [
      { ...attachment, pid: 5000, device: 1, mapped: 1 },
      { ...attachment, pid: 5002, device: 0, mapped: 0 },
    ];
    second.references = [5000, 5001, 77].map((pid) => ({ holder: 'descriptor', pid, count: 1 }));
    second.fences = [{ name: 'f', usage: 'write', state: 'pending', error: null }];
    const look = new Looks().add({ ...crowd({ clients: 3 }), buffers });
    const { buffers: shown } = liveMessage(look, { view: view(), known: NOTHING, intervalMs: 500 });
    expect(shown.rows.map(({ id }) => id)).toEqual([2, 1, 3]);
    expect(shown.rows[0]).toMatchObject({
      exporter: { pid: 5001, program: 'worker-1.js' },
      users: [
        { pid: 5000, device: 1, how: 'mapped' },
        { pid: 5002, device: 0, how: 'attached' },
        { pid: 77, device: null, how: 'holds' },
      ],
      moreUsers: 0,
      fences: [{ state: 'pending', count: 1 }],
    });
  });
});

describe('requests', () => {
  it('those of the page', () => {
    expect(parseRequest(JSON.stringify({ ...FIRST_VIEW, more: 1 }))).toEqual(FIRST_VIEW);
    const why = { type: 'why', id: 1, pid: 2, submission: { device: 0, asid: 1, seq: 2 }, columns: 80 };
    expect(parseRequest(JSON.stringify(why))).toEqual(why);
    expect(parseRequest(JSON.stringify({ ...why, submission: null, columns: 9_999 }))).toMatchObject({ columns: 200 });
  });

  it.each([
    '',
    'null',
    '7',
    '[]',
    '{"type":"inject"}',
    JSON.stringify({ ...FIRST_VIEW, device: '0' }),
    JSON.stringify({ ...FIRST_VIEW, device: -1 }),
    JSON.stringify({ ...FIRST_VIEW, filter: 'x'.repeat(101) }),
    JSON.stringify({ ...FIRST_VIEW, clientSort: 'constructor' }),
    JSON.stringify({ ...FIRST_VIEW, buffersFrom: 1.5 }),
    '{"type":"why","id":1,"pid":2,"submission":{"device":0},"columns":80}',
    '{"type":"why","id":1,"pid":"2","submission":null,"columns":80}',
  ])('not %s', (text) => {
    expect(parseRequest(text)).toBeUndefined();
  });
});

describe('why', () => {
  it('tells two contexts with the same number of a submission apart', async () => {
    const scene = new Scene();
    const [a, b] = [scene.client({ pid: 4711, device: 0 }, 'a.js'), scene.client({ pid: 4712, device: 1 }, 'b.js')];
    for (const who of [a, b]) {
      scene.submission(who, 7, 'DMA_0_0');
      scene.queue(who, 'DMA_0_0', [scene.monitor(3, 8, 0, 1)], { seq: 7 });
    }
    const look = () => Promise.resolve(scene.snapshot);
    const text = await whyText(look, { pid: 4712, submission: { device: 1, asid: 12, seq: 7 }, columns: 100 });
    expect(text).toContain('b.js');
    expect(text).not.toContain('a.js');
    // It has ended: what else does the process wait for?
    expect(await whyText(look, { pid: 4711, submission: { device: 0, asid: 11, seq: 99 }, columns: 100 })).toContain(
      'a.js',
    );
  });
});
