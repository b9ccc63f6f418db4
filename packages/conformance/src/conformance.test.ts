/** The conformance suite on a kernel in this process, under virtual time. */
import { afterAll, describe, it, vi } from 'vitest';
import { FAMILIES } from './framework/conformance-test.js';
import { Runner, runsOf } from './framework/run.js';
import { TESTS } from './tests.js';

// Some go to the end of a range of addresses or of a ring.
vi.setConfig({ testTimeout: 60_000, hookTimeout: 30_000 });

const RUNS = runsOf(TESTS, ['in-process']).filter(({ test, mode }) => test.modes.includes(mode));
const runner = new Runner();

afterAll(() => runner.close());

describe.each(FAMILIES.filter((family) => RUNS.some(({ test }) => test.family === family)))('%s', (family) => {
  it.for(RUNS.filter(({ test }) => test.family === family))('$title', (run, { skip }) => runner.runOrSkip(run, skip));
});
