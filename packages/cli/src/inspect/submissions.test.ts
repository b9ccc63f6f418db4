/** `cs`: what is shown, what each waits for, and how it looks. */
import type { Snapshot, SubmissionState } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { crowd, FIRST_PID } from '../testing/crowd.js';
import { makeStyle } from '../text/style.js';
import { renderSubmissions, submissionsDocument } from './submissions.js';

const options = {
  device: undefined,
  pid: undefined,
  stuck: false,
  all: false,
  sort: 'age',
  limit: Number.POSITIVE_INFINITY,
} as const;
const plain = makeStyle(200, false);

function only(more: Partial<SubmissionState>): Snapshot {
  const snapshot = crowd({ clients: 1 });
  const [row] = snapshot.submissions ?? [];
  return { ...snapshot, submissions: [{ ...(row as SubmissionState), ...more }] };
}

function textOf(snapshot: Snapshot, more: Partial<Parameters<typeof submissionsDocument>[1]> = {}): string {
  const chosen = { ...options, ...more };
  return renderSubmissions(submissionsDocument(snapshot, chosen), plain, chosen);
}

describe('which submissions', () => {
  const snapshot = crowd({ clients: 4 });

  it('those under way and those that failed; with --all those that are done, too', () => {
    expect(submissionsDocument(snapshot, options)).toMatchObject({
      counts: { unfinished: 4, done: 4, failed: 0 },
      notShown: 0,
    });
    expect(submissionsDocument(snapshot, options).submissions).toHaveLength(4);
    expect(submissionsDocument(snapshot, { ...options, all: true }).submissions).toHaveLength(8);
    const failed = submissionsDocument(only({ state: 'failed', error: 'EIO' }), options);
    expect(failed).toMatchObject({ counts: { failed: 1 }, submissions: [{ error: 'EIO', waitsFor: null }] });
  });

  it('of a device, of a process', () => {
    const pids = (more: object) =>
      submissionsDocument(snapshot, { ...options, ...more }).submissions.map(({ pid }) => pid);
    expect(pids({ device: 1, sort: 'pid' })).toEqual([FIRST_PID + 1, FIRST_PID + 3]);
    expect(pids({ pid: FIRST_PID + 2 })).toEqual([FIRST_PID + 2]);
  });

  it('the oldest first, or as --sort says; what is cut is counted', () => {
    const document = submissionsDocument(snapshot, { ...options, limit: 1 });
    expect(document).toMatchObject({ notShown: 3, submissions: [{ pid: FIRST_PID + 3, program: 'worker-3.js' }] });
    const text = renderSubmissions(document, plain, options);
    expect(text.split('\n').at(-1)).toBe('3 more submissions not shown (--limit, --pid)');
  });

  it('stuck: under way for a second', () => {
    expect(textOf(only({ ageMs: 999 }), { stuck: true })).toBe(
      'nothing is stuck: 1 submission under way, none of them for a second',
    );
    expect(textOf(only({ ageMs: 1000 }), { stuck: true })).toContain(`pedrera why ${FIRST_PID}`);
  });

  it('none', () => {
    expect(textOf(crowd({ clients: 0 }))).toBe('no submissions');
    expect(textOf(only({ state: 'done' }))).toBe('no unfinished submissions (finished ones, 1 of them: --all)');
  });
});

describe('what it waits for', () => {
  const waits = (snapshot: Snapshot) => submissionsDocument(snapshot, options).submissions[0]?.waitsFor;
  const withQueue = (more: object): Snapshot => {
    const snapshot = only({});
    const rows = (snapshot.queues ?? []).map(({ index, queues }) => ({
      index,
      queues: queues.map((queue) => ({ ...queue, ...more })),
    }));
    return { ...snapshot, queues: rows };
  };

  it.each([
    ['a fence', withQueue({}), 'DMA_0_0: fence 0 needs 1, has 0'],
    ['work before it', withQueue({ seq: 1 }), 'behind submission 1 on DMA_0_0'],
    [
      'the arbiter',
      withQueue({ blockedOn: null, arbitration: { waiting: true, holder: 'DMA_0_3' } }),
      'DMA_0_0 waits for the arbiter, who serves DMA_0_3',
    ],
    ['an engine that hangs', withQueue({ blockedOn: null, state: 'hung' }), 'DMA_0_0 hangs'],
    ['nothing', withQueue({ blockedOn: null, state: 'running' }), null],
    [
      'another submission',
      only({
        state: 'held',
        fences: [{ name: 'f', producer: { device: 1, asid: 1, pid: 9, seq: 4 }, buffer: 3 }],
      }),
      'held back until submission 4 of pid 9 on device 1 ends (dma-buf 3)',
    ],
    [
      'a fence that stands for no submission',
      only({ state: 'held', fences: [{ name: 'mine', producer: null, buffer: null }] }),
      'held back until fence mine ends',
    ],
    ['held work before it', only({ state: 'held', fences: [], heldBehind: 8 }), 'held back behind submission 8'],
  ])('%s', (_, snapshot, sentence) => {
    expect(waits(snapshot)).toBe(sentence);
  });
});

describe('text', () => {
  it('one line each, below it what it waits for or why it failed', () => {
    expect(
      textOf(only({ seq: 7, ageMs: 2000, staged: true }))
        .split('\n')
        .slice(1, 3),
    ).toEqual([
      '  0  5000     1    7  default, staged  running   1/1        1  2.0 s  in 30.0 s      -   64 B  worker-0.js  DMA_0_0 running',
      '      behind submission 2 on DMA_0_0',
    ]);
    const failed = textOf(only({ state: 'failed', error: 'EIO', detail: 'read of \u001b address', finishedMs: 100 }));
    expect(failed).toContain('      EIO: read of ? address');
    expect(failed).toContain('100 ms ago');
  });

  it('fits into 80 columns', () => {
    const snapshot = only({ type: 'collective wait', seq: 123_456, timeoutLeftMs: 60_000_000, state: 'running' });
    const lines = renderSubmissions(submissionsDocument(snapshot, options), makeStyle(80, false), options).split('\n');
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(80);
  });
});
