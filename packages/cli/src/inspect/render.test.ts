/** The text of queues, as people see it. */
import type { QueueState, QueuesSnapshot, Snapshot, SubmissionState } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { crowd } from '../testing/crowd.js';
import { BLOCKED_QUEUE, IDLE_QUEUE } from '../testing/rows.js';
import { makeStyle } from '../text/style.js';
import { queuesDocument, renderQueues } from './queues.js';

const plain = makeStyle(220, false);

const snapshot: QueuesSnapshot = {
  schema: 'pedrera.queues/1',
  devices: [
    { index: 0, queues: [IDLE_QUEUE] },
    { index: 1, queues: [IDLE_QUEUE, BLOCKED_QUEUE] },
  ],
};

describe('queues', () => {
  it('shows only what has something to say', () => {
    expect(renderQueues(snapshot, plain, false)).toBe(
      `
device 0: no work

device 1: 1 stream, 1 blocked
ID  QUEUE    KIND       PID  ASID  STATE  PI  CI  PEND  FLIGHT  DONE    AGE  CS  HEAD
 4  DMA_1_0  external  4712     2  fence  11   0    10      11     0  1.2 s   -  FENCE 0 waits for 1, takes 1
      blocked at fence 0: needs 1, has 0; monitor E_N 3 waits for SOB E_N 8 >= 1, now 0`.trimStart(),
    );
  });

  it('--all shows the idle ones, too', () => {
    expect(renderQueues(snapshot, plain, true)).toBe(
      `
device 0: 1 stream
ID  QUEUE    KIND      PID  ASID  STATE  PI  CI  PEND  FLIGHT  DONE  AGE  CS  HEAD
 0  DMA_0_0  external    -     -  idle    0   0     0       0     0    -   -  -

device 1: 2 streams, 1 blocked
ID  QUEUE    KIND       PID  ASID  STATE  PI  CI  PEND  FLIGHT  DONE    AGE  CS  HEAD
 0  DMA_0_0  external     -     -  idle    0   0     0       0     0      -   -  -
 4  DMA_1_0  external  4712     2  fence  11   0    10      11     0  1.2 s   -  FENCE 0 waits for 1, takes 1
      blocked at fence 0: needs 1, has 0; monitor E_N 3 waits for SOB E_N 8 >= 1, now 0`.trimStart(),
    );
  });

  it('fits into 80 columns', () => {
    const lines = renderQueues(snapshot, makeStyle(80, false), false).split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(lines.slice(-3)).toEqual([
      ' 4  DMA_1_0  4712     2  fence  11   0    10  1.2 s  FENCE 0 waits for 1, takes…',
      '      blocked at fence 0: needs 1, has 0; monitor E_N 3 waits for SOB E_N 8',
      '        >= 1, now 0',
    ]);
  });

  it('a fence that nobody can raise', () => {
    const lonely = { ...BLOCKED_QUEUE, blockedOn: { fence: { id: 2, target: 1, value: 0 }, monitors: [], reason: '' } };
    const text = renderQueues({ devices: [{ index: 0, queues: [lonely] }] }, plain, false);
    expect(text.split('\n').at(-1)).toBe('      blocked at fence 2: needs 1, has 0; no armed monitor points at it');
  });

  it('work that is held back before its queues, a stream that waits for the arbiter, a device in reset', () => {
    const held: SubmissionState = {
      device: 1,
      asid: 2,
      pid: 4712,
      seq: 9,
      type: 'default',
      staged: false,
      state: 'held',
      jobs: [{ queue: 'DMA_1_0', state: 'queued', bytes: 8 }],
      jobsLeft: 1,
      waiters: 0,
      ageMs: 500,
      timeoutLeftMs: null,
      finishedMs: null,
      error: null,
      detail: null,
      fences: [{ name: 'cs 3', producer: { device: 0, asid: 1, pid: 4711, seq: 3 }, buffer: 5 }],
    };
    const waiting: QueueState = {
      ...BLOCKED_QUEUE,
      blockedOn: null,
      state: 'arbitration',
      arbitration: { mode: 'priority', waiting: true, holder: 'DMA_1_3', quiet: false, priority: 2, weight: 1 },
    };
    const text = renderQueues(
      { devices: [{ index: 1, queues: [waiting], held: [held], status: 'in reset' }] },
      plain,
      false,
    );
    expect(text.split('\n')).toEqual([
      'device 1 in reset: 1 stream, 1 submission held back',
      expect.stringContaining('STATE'),
      expect.stringContaining('arbitration'),
      '      waits for the arbiter (priority 2), who serves DMA_1_3',
      "      held back 500 ms: submission 9 of pid 4712 (ASID 2) for DMA_1_0 waits for fence cs 3 of pid 4711's submission 3 on dma-buf 5",
    ]);
  });

  it('--pid, --state, --sort and --limit choose; what has something to say keeps its place', () => {
    const whole: Snapshot = { ...crowd({ clients: 0 }), queues: snapshot.devices };
    const options = { device: undefined, pid: undefined, state: 'any', sort: 'queue', limit: 9 } as const;
    const ids = (more: object) =>
      queuesDocument(whole, { ...options, ...more }).devices.map(({ queues }) => queues.map(({ id }) => id));
    expect(ids({})).toEqual([[0], [0, 4]]);
    expect(ids({ sort: 'age' })).toEqual([[0], [4, 0]]);
    expect(ids({ pid: 4712 })).toEqual([[], [4]]);
    expect(ids({ state: 'fence' })).toEqual([[], [4]]);
    expect(ids({ device: 1 })).toEqual([[0, 4]]);
    expect(ids({ limit: 1, device: 1 })).toEqual([[4]]);
    expect(queuesDocument(whole, { ...options, limit: 1, device: 1 }).notShown).toBe(1);
  });

  it('colour only changes how it looks', () => {
    const color = renderQueues(snapshot, makeStyle(200, true), true);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what colour is made of
    expect(color.replace(/\u001b\[\d+m/g, '')).toBe(renderQueues(snapshot, plain, true));
    expect(color).not.toBe(renderQueues(snapshot, plain, true));
  });
});
