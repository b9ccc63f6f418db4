/** The conformance suite from a C program that the preload library is in. */
import { afterAll, describe, it } from 'vitest';
import { FAMILIES } from './framework/conformance-test.js';
import { Runner, runsOf } from './framework/run.js';
import { relayObstacle } from './relay/relay-process.js';
import { TESTS } from './tests.js';

const RUNS = runsOf(TESTS, ['shim']).filter(({ test, mode }) => test.modes.includes(mode));
const runner = new Runner();
const obstacle = relayObstacle();

afterAll(() => runner.close());

describe.skipIf(obstacle !== undefined)(obstacle ?? 'through the preload library', () => {
  describe.each(FAMILIES.filter((family) => RUNS.some(({ test }) => test.family === family)))('%s', (family) => {
    it.for(RUNS.filter(({ test }) => test.family === family))('$title', (run, { skip }) => runner.runOrSkip(run, skip));
  });
});
