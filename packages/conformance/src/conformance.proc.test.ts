/** The conformance suite over sockets, on real daemons with devices in threads of their own. */
import { afterAll, describe, it } from 'vitest';
import { FAMILIES } from './framework/conformance-test.js';
import { Runner, runsOf } from './framework/run.js';
import { TESTS } from './tests.js';

const RUNS = runsOf(TESTS, ['sockets']).filter(({ test, mode }) => test.modes.includes(mode));
const runner = new Runner();

afterAll(() => runner.close());

describe.each(FAMILIES.filter((family) => RUNS.some(({ test }) => test.family === family)))('%s', (family) => {
  it.for(RUNS.filter(({ test }) => test.family === family))('$title', (run, { skip }) => runner.runOrSkip(run, skip));
});
