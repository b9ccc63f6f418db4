/** The conformance suite over sockets, on real daemons with devices in threads of their own. */
import { afterAll, describe, it } from 'vitest';
import { FAMILIES } from './framework/conformance-test.js';
import { Runner, runsOf } from './framework/run.js';
import { TESTS } from './tests.js';

const RUNS = runsOf(TESTS, ['sockets']);
const runner = new Runner();

afterAll(() => runner.close());

describe.each(FAMILIES.filter((family) => RUNS.some(({ test }) => test.family === family)))('%s', (family) => {
  it.each(RUNS.filter(({ test }) => test.family === family))('$title', (run) => runner.run(run));
});
