/**
 * The program: `npm run conformance [-- --mode shim] [--family cs] [--filter text] [--list] [--json]`.
 *
 * Owns: what is printed where, and the exit code: 0, 1 when a test failed or a row of the contract is left out, 2 for a wrong
 * option.
 */
import { coverageOf } from './coverage.js';
import { runAll, runsOf } from './framework/run.js';
import type { Mode } from './framework/transport.js';
import { type Options, parseOptions, USAGE, UsageError } from './options.js';
import { relayObstacle } from './relay/relay-process.js';
import { renderFailure, renderJson, renderText } from './report.js';
import { TESTS } from './tests.js';

async function main({ modes, families, filter, list, json }: Options): Promise<number> {
  const tests = TESTS.filter(({ name, family }) => families.includes(family) && name.includes(filter));
  if (list) {
    console.log(tests.map(({ name }) => name).join('\n'));
    return 0;
  }
  const results = await runAll(runsOf(tests, possible(modes)), (result) => {
    if (result.error !== undefined) {
      console.error(renderFailure(result));
    }
  });
  // What the whole suite covers, whichever part of it was run.
  const coverage = coverageOf(TESTS);
  const report = { results, coverage };
  console.log(json ? renderJson(report) : renderText(report));
  return results.some(({ error }) => error !== undefined) || coverage.missing.length > 0 ? 1 : 0;
}

/** Where there is no C compiler, the rest of the suite runs all the same. */
function possible(modes: readonly Mode[]): Mode[] {
  const obstacle = relayObstacle();
  if (obstacle !== undefined && modes.includes('shim')) {
    console.error(`conformance: not run through the preload library: ${obstacle}`);
  }
  return modes.filter((mode) => mode !== 'shim' || obstacle === undefined);
}

try {
  const options = parseOptions(process.argv.slice(2));
  if (options.help) {
    console.log(USAGE);
  } else {
    process.exitCode = await main(options);
  }
} catch (error) {
  if (!(error instanceof UsageError)) {
    throw error;
  }
  console.error(`conformance: ${error.message}\n\n${USAGE}`);
  process.exitCode = 2;
}
