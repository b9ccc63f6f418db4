/** The line machines read has to be right when tests fail in unusual ways. */
import { describe, expect, it } from 'vitest';
import { countTests } from './count-reporter.mjs';

type Modules = Parameters<typeof countTests>[0];

/** The little of vitest's report that is looked at. */
function report(states: string[], fileErrors = 0, suiteErrors = 0): Modules[number] {
  const suite = { errors: () => new Array(suiteErrors).fill({}) };
  return {
    errors: () => new Array(fileErrors).fill({}),
    children: { allTests: () => states.map((state) => ({ result: () => ({ state }) })), allSuites: () => [suite] },
  } as unknown as Modules[number];
}

describe('count-reporter', () => {
  it('counts-over-files', () => {
    const modules = [report(['passed', 'failed']), report(['passed', 'skipped', 'pending'])];
    expect(countTests(modules, 0)).toEqual({ passed: 2, failed: 1, skipped: 2 });
  });

  it('file-that-does-not-load', () => {
    expect(countTests([report([], 1)], 0)).toEqual({ passed: 0, failed: 1, skipped: 0 });
  });

  it('hook-that-throws', () => {
    expect(countTests([report(['passed'], 0, 1)], 0)).toEqual({ passed: 1, failed: 1, skipped: 0 });
  });

  it('error-outside-any-test', () => {
    expect(countTests([report(['passed'])], 2)).toEqual({ passed: 1, failed: 2, skipped: 0 });
  });
});
