/** Exports obey the rules of Chrome's trace event format, and arrows lead from a submit to the wake-up of who waited for it. */
import { DCORE, fenceRdataAddress, monitorArm } from '@pedrera/hw';
import type { CallRecord, EngineRecord, TraceRecord } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import type { TraceFileHeader } from './file.js';
import { PerfettoExport } from './perfetto.js';
import { checkTraceEvents, type TraceEvent } from './testing/trace-events.js';

const HEADER: TraceFileHeader = {
  schema: 'pedrera.trace-file/1',
  build: '1',
  protocol: 1,
  policy: 'shared',
  devices: 2,
  kinds: 31,
  pid: 0,
  startedNs: 1e15,
  startedEpochMs: 0,
  program: [],
};

let number = 0;
const at = (us: number) => ({ number: number++, timeNs: 1e15 + us * 1000 });

function call(us: number, durationUs: number, fields: Partial<CallRecord>): CallRecord {
  return {
    ...at(us),
    kind: 'call',
    client: 1,
    answered: number,
    pid: 50,
    program: 'waiter',
    node: 'hl0',
    call: 'CS',
    req: {},
    res: {},
    errno: null,
    detail: null,
    durationNs: durationUs * 1000,
    ...fields,
  };
}

function stretch(us: number, durationUs: number, fields: Partial<EngineRecord>): EngineRecord {
  return {
    ...at(us),
    kind: 'job',
    device: 0,
    asid: 1,
    queue: 6,
    durationNs: durationUs * 1000,
    value: 0,
    seq: null,
    engine: null,
    address: 0,
    bytes: 0,
    lower: false,
    end: 'done',
    ...fields,
  };
}

function submit(us: number, seq: number, queue: number): TraceRecord {
  const submission = { device: 0, asid: 1, pid: 50, seq, error: null };
  return { ...at(us), kind: 'submit', ...submission, queues: [queue], slots: [0] };
}

const FENCE = fenceRdataAddress(6, 3);
const sync = { device: 0, asid: 1, dcore: DCORE.E_N } as const;

/** One stream waits at a fence until a job on another one signals; a client waits for the first. */
function story(): TraceRecord[] {
  const file = { client: 1, pid: 50, program: 'waiter', node: 'hl0', device: 0, asid: 1, parents: [], before: false };
  return [
    { ...at(0), kind: 'client', ...file },
    submit(12, 1, 6),
    call(10, 5, { res: { seq: 1 } }),
    {
      ...at(22),
      kind: 'arm',
      ...sync,
      queue: 6,
      index: 4,
      value: monitorArm({ group: 1, mask: 0xfd, mode: 'ge', value: 1 }),
      address: FENCE,
    },
    submit(32, 2, 0),
    call(30, 5, { res: { seq: 2 } }),
    { ...at(45), kind: 'sob', ...sync, queue: 0, index: 9, value: 1, address: 0 },
    { ...at(46), kind: 'fire', ...sync, queue: 6, index: 4, value: 1, address: FENCE },
    stretch(40, 8, { queue: 0, seq: 2 }),
    stretch(23, 24, { kind: 'fence wait', value: 3 }),
    stretch(20, 40, { seq: 1 }),
    stretch(50, 5, { kind: 'move', engine: 0, bytes: 4096, address: 0x2000_0000 }),
    { ...at(62), kind: 'finish', device: 0, asid: 1, pid: 50, seq: 2, queues: [], slots: [], error: null },
    { ...at(63), kind: 'finish', device: 0, asid: 1, pid: 50, seq: 1, queues: [], slots: [], error: 'EIO' },
    { ...at(64), kind: 'wake', client: 1, pid: 50, device: 0, asid: 1, seq: 1 },
    call(18, 50, { call: 'WAIT_CS', req: { seq: 1 } }),
    { ...at(70), kind: 'event', device: 0, pid: 50, asid: 1, text: 'page fault' },
    { ...at(71), kind: 'lost', count: 3 },
    submit(80, 3, 0),
    call(90, 0, { call: 'WAIT_CS', req: { seq: 3 }, res: null, answered: null }),
  ];
}

function exported(records: readonly TraceRecord[]): TraceEvent[] {
  const text = [...new PerfettoExport(HEADER).export(records)].join('');
  return (JSON.parse(text) as { traceEvents: TraceEvent[] }).traceEvents;
}

describe('an export', () => {
  it('obeys the format', () => {
    const events = exported(story());
    expect(checkTraceEvents(events)).toEqual([]);
    expect(exported([])).toEqual([]);
  });

  it('leads from submit to run to signal to wake', () => {
    const events = exported(story());
    const slices = events.filter(({ ph }) => ph === 'X');
    const sliceAt = (event: TraceEvent) =>
      slices
        .filter(
          ({ pid, tid, ts, dur = 0 }) =>
            pid === event.pid && tid === event.tid && ts <= event.ts && event.ts <= ts + dur,
        )
        .sort((a, b) => (a.dur ?? 0) - (b.dur ?? 0))[0]?.name;
    const arrows = events
      .filter(({ ph }) => ph === 's')
      .map((start) => {
        const end = events.find(({ ph, id }) => ph === 'f' && id === start.id) as TraceEvent;
        return `${sliceAt(start)} -${start.name}-> ${sliceAt(end)}`;
      });
    expect(arrows.sort()).toEqual([
      'CS -submit-> job of 1',
      'CS -submit-> job of 2',
      'SOB E_N 9 = 1 -signal-> monitor E_N 4 fires',
      'job of 1 -wake-> WAIT_CS',
      'monitor E_N 4 fires -release-> fence 3',
    ]);
  });

  it('shows what never ended as going on to the end', () => {
    const events = exported(story());
    expect(events.find(({ ph, args }) => ph === 'e' && args?.unfinished === true)).toMatchObject({
      name: 'submission on DMA_0_0',
      id: 'hl0/1/3',
    });
    expect(events.find(({ args }) => args?.unanswered === true)).toMatchObject({ name: 'WAIT_CS' });
    expect(events.find(({ ph, args }) => ph === 'e' && args?.error === 'EIO')).toMatchObject({ id: 'hl0/1/1' });
  });

  it('overlapping calls of a connection go to lanes of their own', () => {
    const events = exported(story()).filter(({ ph, name }) => ph === 'X' && (name === 'WAIT_CS' || name === 'CS'));
    expect(new Set(events.map(({ tid }) => tid)).size).toBe(2);
  });
});
