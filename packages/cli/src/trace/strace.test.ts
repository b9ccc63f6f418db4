/** Lines, filters and the table of pedrera strace. */
import type { CallRecord } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { makeStyle } from '../text/style.js';
import { callFilter } from './strace-filter.js';
import { CallCounts, renderSummary } from './strace-summary.js';
import { StraceLines } from './strace-text.js';

function call(fields: Partial<CallRecord>): CallRecord {
  return {
    kind: 'call',
    number: 0,
    timeNs: 0,
    client: 1,
    answered: 1,
    pid: 7,
    program: 'prog',
    node: 'hl0',
    call: 'CB_CREATE',
    req: { size: 4096, flags: 0 },
    res: { handle: 0x1000n },
    errno: null,
    detail: null,
    durationNs: 123_000,
    ...fields,
  };
}

const WAIT = { call: 'WAIT_CS', req: { seq: 17, timeoutUs: 5n, flags: 0 } };

describe('a line', () => {
  const lines = () => new StraceLines({ time: 'none', epochMs: 0 });

  it('has fields, result and duration', () => {
    expect(lines().call(call({}))).toBe('CB_CREATE(size=4096, flags=0) = 0 {handle=0x1000} <0.000123>');
  });

  it('has the errno, and a sentence even when the daemon sent none', () => {
    expect(lines().call(call({ res: null, errno: 'EINVAL', detail: 'too small' }))).toBe(
      'CB_CREATE(size=4096, flags=0) = -1 EINVAL (too small) <0.000123>',
    );
    expect(lines().call(call({ res: null, errno: 'EBUSY' }))).toMatch(/ = -1 EBUSY \(.+\) <0\.000123>$/);
  });

  it('of a call that was never answered ends with a question mark', () => {
    expect(lines().call(call({ ...WAIT, res: null }))).toBe('WAIT_CS(seq=17, timeoutUs=5, flags=0) = ?');
  });

  it('of a call that takes long comes in two parts', () => {
    const one = lines();
    const done = call({ ...WAIT, res: { flags: 0, status: 0, timestampNs: 0n }, durationNs: 2e9 });
    expect(one.waiting(call({ ...WAIT, res: null }))).toBe('WAIT_CS(seq=17, timeoutUs=5, flags=0) <unfinished ...>');
    expect(one.resumed(done)).toBe('<... WAIT_CS resumed> = 0 {status=COMPLETED, flags=0, timestampNs=0} <2.000000>');
  });

  it('of a call that could not be decoded shows no arguments', () => {
    expect(lines().call(call({ call: 'ioctl 99', req: null, res: null, errno: 'ENOTTY', detail: 'none' }))).toBe(
      'ioctl 99(...) = -1 ENOTTY (none) <0.000123>',
    );
  });

  it('says whose it is once there are several processes, or several files of one', () => {
    const one = lines();
    one.seen({ client: 1, pid: 7, node: 'hl0' });
    expect(one.call(call({}))).toMatch(/^CB_CREATE/);
    one.seen({ client: 2, pid: 7, node: 'hl1' });
    expect(one.call(call({ client: 2 }))).toMatch(/^\[hl1\] CB_CREATE/);
    one.seen({ client: 3, pid: 8, node: '' });
    expect(one.call(call({ client: 2 }))).toMatch(/^\[pid 7 hl1\] CB_CREATE/);
    expect(one.call(call({ pid: 8, client: 3 }))).toMatch(/^\[pid 8\] CB_CREATE/);
  });

  it('begins with the time since the line before', () => {
    const one = new StraceLines({ time: 'relative', epochMs: 0 });
    expect(one.call(call({ timeNs: 5e9 }))).toMatch(/^ {5}0\.000000 CB_CREATE/);
    expect(one.call(call({ timeNs: 6.5e9 }))).toMatch(/^ {5}1\.500000 CB_CREATE/);
  });

  it('cannot disturb a terminal', () => {
    expect(lines().call(call({ req: null, call: 'x\u001b[2J' }))).toBe('x?[2J(...) = 0 <0.000123>');
  });
});

describe('-e', () => {
  const names = ['CB_CREATE', 'CS', 'WAIT_CS', 'MEMORY_ALLOC', 'INFO_HW_IP_INFO'];
  const shown = (...expressions: string[]) => {
    const filter = callFilter(expressions, false);
    return names.filter((name) => filter(call({ call: name })));
  };

  it('names, families, and what is left out', () => {
    expect(shown()).toEqual(names);
    expect(shown('trace=CS,WAIT_CS')).toEqual(['CS', 'WAIT_CS']);
    expect(shown('cs')).toEqual(['CS']);
    expect(shown('%memory,%info')).toEqual(['MEMORY_ALLOC', 'INFO_HW_IP_INFO']);
    expect(shown('trace=!WAIT_CS,!%info')).toEqual(['CB_CREATE', 'CS', 'MEMORY_ALLOC']);
    expect(shown('all,!CS')).toEqual(['CB_CREATE', 'WAIT_CS', 'MEMORY_ALLOC', 'INFO_HW_IP_INFO']);
  });

  it('fault: those that failed; unsupported: those nobody serves', () => {
    const failed = call({ errno: 'EIO', res: null });
    expect(callFilter(['fault'], false)(failed)).toBe(true);
    expect(callFilter(['fault'], false)(call({}))).toBe(false);
    expect(callFilter(['fault', 'CS'], false)(failed)).toBe(false);
    expect(callFilter([], true)(failed)).toBe(false);
    expect(callFilter([], true)(call({ errno: 'ENOTTY', res: null, call: 'ioctl 99' }))).toBe(true);
  });

  it('a name that nothing has is a usage error', () => {
    expect(() => callFilter(['trace=NO_SUCH'], false)).toThrow(/no call is called NO_SUCH/);
    expect(() => callFilter(['%nothing'], false)).toThrow(/families are %session/);
  });
});

describe('-c', () => {
  it('adds up calls, errors and time', () => {
    const counts = new CallCounts();
    counts.add(call({ durationNs: 1e6 }));
    counts.add(call({ durationNs: 3e6, errno: 'EINVAL', res: null }));
    counts.add(call({ ...WAIT, res: null, durationNs: 0 }));
    const summary = counts.summary(2);
    expect(summary.calls).toEqual([
      { call: 'CB_CREATE', calls: 2, errors: 1, unanswered: 0, totalNs: 4e6, longestNs: 3e6 },
      { call: 'WAIT_CS', calls: 1, errors: 0, unanswered: 1, totalNs: 0, longestNs: 0 },
    ]);
    const text = renderSummary(summary, makeStyle(80, false));
    expect(text).toMatch(/^100\.00 {2}0\.004000 {8}2000 {2}0\.003000 {6}2 {7}1 {2}CB_CREATE$/m);
    expect(text.split('\n').slice(-2)).toEqual([
      '1 of them were not answered',
      '2 records were lost: the counts are too low',
    ]);
  });
});
