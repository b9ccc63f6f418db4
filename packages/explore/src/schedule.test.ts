/** Schedules as text, and making them smaller. */
import { describe, expect, it } from 'vitest';
import { choices, formatSchedule, parseSchedule, type Schedule } from './schedule.js';
import { shrink } from './shrink.js';

const calm = (count: number): undefined[] => Array.from({ length: count }, () => undefined);

describe('schedules', () => {
  it.each<[Schedule, string]>([
    [[], '0'],
    [[...calm(12), 'b>', ...calm(3), 's0.1.0', 's0.1.0'], '12,b>,3,s0.1.0*2'],
    [['w.a-token', 'x1', 's1.2.30l'], 'w.a-token,x1,s1.2.30l'],
  ])('%j is written %s', (schedule, text) => {
    expect(formatSchedule(schedule)).toBe(text);
    expect(parseSchedule(text)).toEqual(schedule);
  });

  it.each(['', 'A', 'a>*', 'a>*x', '-1', '1 2', 'a>,,b>', 'a>*9999999'])('%j is none', (text) => {
    expect(parseSchedule(text)).toBeUndefined();
  });

  it('the end that is left to the machine is not written', () => {
    expect(parseSchedule('a>,7')).toEqual(['a>']);
  });
});

describe('shrink', () => {
  /** Fails when b comes somewhere behind a. */
  const failing = async (schedule: Schedule) => {
    const a = schedule.indexOf('a>');
    return a >= 0 && schedule.indexOf('b>', a) > a ? schedule : undefined;
  };

  it('leaves what is needed', async () => {
    const long = Array.from({ length: 200 }, (_, i) => (i === 50 ? 'a>' : i === 150 ? 'b>' : 'c>'));
    const small = await shrink(long, failing, 1000);
    expect(small).toEqual(['a>', 'b>']);
  });

  it('gives up in time, and never makes it worse', async () => {
    const long = Array.from({ length: 200 }, (_, i) => (i % 2 === 0 ? 'a>' : 'b>'));
    const small = await shrink(long, failing, 3);
    expect(choices(small)).toBeLessThanOrEqual(200);
    expect(await failing(small)).toBeDefined();
  });

  it('of what fails always nothing is left', async () => {
    expect(await shrink(['a>', 'b>'], async (schedule) => schedule, 10)).toEqual([]);
  });
});
