/** Which differences between two recordings count. */
import type { CallRecord, TraceRecord } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { compareTraces, whyNotReplayable } from './compare.js';

/** One client that makes some calls; `base` moves everything that may be elsewhere in another run. */
function story(base: number, change: Partial<CallRecord> = {}): TraceRecord[] {
  let number = base;
  const at = () => ({ number: number++, timeNs: base * 1000 });
  const call = (name: string, fields: Partial<CallRecord>): CallRecord => ({
    ...at(),
    kind: 'call',
    client: base,
    answered: number,
    pid: base,
    program: 'prog',
    node: 'hl0',
    call: name,
    req: {},
    res: {},
    errno: null,
    detail: null,
    durationNs: base,
    ...fields,
    ...(change.call === name ? change : {}),
  });
  const handle = BigInt(base) << 12n;
  const token = new Uint8Array(16).fill(base);
  const file = { pid: base, program: 'prog', node: 'hl0', device: 0, asid: base, parents: [], before: false };
  const submission = { device: 0, asid: base, pid: base, seq: 1, queues: [0], slots: [0], error: null };
  return [
    { ...at(), kind: 'client', client: base, ...file },
    call('OPEN', { req: { node: 'hl0' }, res: { device: 0, asid: base, sideToken: token } }),
    call('SIDE_CHANNEL', { req: { token } }),
    call('CB_CREATE', { req: { size: 4096 }, res: { handle } }),
    call('CS', { req: { chunksExecute: [{ handle, queueIndex: 0 }] }, res: { seq: 1 } }),
    { ...at(), kind: 'submit', ...submission },
    { ...at(), kind: 'finish', ...submission },
    call('WAIT_CS', { req: { seq: 1 }, res: { status: base % 2, flags: base } }),
    call('INFO_TIME_SYNC', { res: { deviceTime: BigInt(base) } }),
    { ...at(), kind: 'digest', client: base, of: 'host buffer', handle, bytes: 5, digest: 'ab' },
    { ...at(), kind: 'client end', client: base, pid: base },
  ];
}

describe('two recordings', () => {
  it('of the same thing are the same, whatever pids, times, tokens and handles were', () => {
    expect(compareTraces(story(100), story(201))).toMatchObject({
      identical: true,
      clients: 1,
      calls: 6,
      submissions: 1,
      digests: 1,
      difference: null,
    });
  });

  it.each([
    ['how it ended', { call: 'CB_CREATE', res: null, errno: 'ENOMEM' }],
    ['its arguments', { call: 'CB_CREATE', req: { size: 8192 } }],
    ['its result', { call: 'CS', res: { seq: 2 } }],
    // A handle that is not the one CB_CREATE answered with.
    ['its arguments', { call: 'CS', req: { chunksExecute: [{ handle: 7n, queueIndex: 0 }] } }],
  ] as const)('differ in a call: %s', (what, change) => {
    const { identical, difference } = compareTraces(story(100), story(200, change as Partial<CallRecord>));
    expect(identical).toBe(false);
    expect(difference).toMatchObject({ what });
    expect(difference?.where).toMatch(/^client 1 \(prog, hl0\), call \d$/);
    expect(difference?.first).toContain(change.call);
  });

  it('differ in memory, in submissions, in clients', () => {
    const changed = (kind: TraceRecord['kind'], fields: object) =>
      story(200).map((record) => (record.kind === kind ? ({ ...record, ...fields } as TraceRecord) : record));
    const differenceTo = (other: TraceRecord[]) => compareTraces(story(100), other).difference;
    expect(differenceTo(changed('digest', { digest: 'cd' }))).toMatchObject({ what: 'memory at its end' });
    expect(differenceTo(changed('finish', { error: 'EIO' }))).toMatchObject({
      where: 'context 1 on hl0',
      first: 'submission 1 on queues 0: done',
      second: 'submission 1 on queues 0: EIO',
    });
    expect(differenceTo([...story(200), ...story(300)])).toMatchObject({ what: 'one side has no such client' });
  });

  it('a call that is missing, or one too many, is found; calls that were left out are not', () => {
    const less = story(200).filter((record) => record.kind !== 'call' || record.call !== 'INFO_TIME_SYNC');
    expect(compareTraces(story(100), less).difference).toMatchObject({ what: 'the call is missing' });
    expect(compareTraces(less, story(100)).difference).toMatchObject({ what: 'there is one more call' });
    const skipped = compareTraces(story(100), less, ({ call }) => (call === 'INFO_TIME_SYNC' ? 0 : undefined));
    expect(skipped).toMatchObject({ identical: true, skipped: 1, standIns: 0, digests: 1 });
  });
});

describe('a recording of a C program', () => {
  it('what was used in place of its memory counts as that, and memory is not compared', () => {
    const other = story(200).map((record) => (record.kind === 'digest' ? { ...record, digest: 'cd' } : record));
    expect(compareTraces(story(100), other).difference).toMatchObject({ what: 'memory at its end' });
    const replaced = compareTraces(story(100), other, ({ call }) => (call === 'CB_CREATE' ? 1 : undefined));
    expect(replaced).toMatchObject({ identical: true, skipped: 1, standIns: 1, digests: 0 });
  });

  it('answers have more fields, and memory lies elsewhere', () => {
    const raw = { call: 'CS', res: { seq: 1, handleId: 7 } };
    expect(compareTraces(story(100, raw), story(200)).identical).toBe(true);
    expect(compareTraces(story(100, { ...raw, res: { seq: 2 } }), story(200)).identical).toBe(false);
  });
});

describe('whyNotReplayable', () => {
  it('says what is missing', () => {
    expect(whyNotReplayable({ kinds: 0x1f, lost: 0 })).toMatch(/--replayable/);
    expect(whyNotReplayable({ kinds: 0x3f, lost: 7 })).toMatch(/^7 of its records were lost/);
    expect(whyNotReplayable({ kinds: 0x3f, lost: 0 })).toBeUndefined();
  });
});
