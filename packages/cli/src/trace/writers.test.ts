/** Who is taken to have written what came from another device. */
import type { EngineRecord } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { type Stretch, Writers } from './writers.js';

interface Doing {
  readonly device: number;
  readonly queue: number;
  readonly fromUs: number;
  readonly toUs: number;
}

function stretch({ device, queue, fromUs, toUs }: Doing): Stretch {
  const record = { device, asid: 1, queue, lower: false } as EngineRecord;
  return { record, spot: { pid: device, tid: queue, timeNs: fromUs * 1000, durationNs: (toUs - fromUs) * 1000 } };
}

function likeliest(atUs: number, jobs: readonly Doing[], fences: readonly Doing[] = []): Doing | undefined {
  const stretches = jobs.map(stretch);
  const found = new Writers(stretches, fences.map(stretch)).likeliest(0, atUs * 1000);
  return found === undefined ? undefined : jobs[stretches.indexOf(found)];
}

const before = { device: 1, queue: 0, fromUs: 100, toUs: 200 };
const during = { device: 1, queue: 0, fromUs: 1000, toUs: 5000 };
const other = { device: 2, queue: 4, fromUs: 900, toUs: 9000 };

describe('a write from another device', () => {
  it('in the middle of a job: is of that job, and not of the one that ended before', () => {
    expect(likeliest(3000, [before, during])).toBe(during);
    expect(likeliest(5020, [before, during])).toBe(during);
  });

  it('while two jobs run: of the one that does not wait, or of the one that ended last', () => {
    expect(likeliest(3000, [before, other, during])).toBe(before);
    expect(likeliest(3000, [before, other, during], [{ ...other, fromUs: 950, toUs: 8000 }])).toBe(during);
  });

  it('a job that waited at a fence a moment ago may have written it', () => {
    const waited = { ...during, fromUs: 1100, toUs: 2990 };
    expect(likeliest(3000, [before, during], [waited])).toBe(during);
  });

  it('long after any job: of the last; before all others, or on the device itself: of none', () => {
    expect(likeliest(90_000, [before, during])).toBe(during);
    expect(likeliest(50, [before, during])).toBeUndefined();
    expect(likeliest(3000, [{ ...during, device: 0 }])).toBeUndefined();
  });
});
