/**
 * The program: `npm run bench [-- --json] [--quick] [--only NAME]`.
 *
 * Owns: what is printed where, and the exit code: 0, 1 when a benchmark could not be run, 2 for a wrong option, 130 after Ctrl-C.
 * No figure decides it.
 */
import { BENCHMARKS } from './benchmarks/all.js';
import { type Options, parseOptions, UsageError, usage } from './options.js';
import { renderText } from './render-text.js';
import type { Report } from './report.js';
import { Interrupted, interruption, Resources } from './resources.js';
import { runBenchmarks } from './run.js';

async function main(options: Options): Promise<number> {
  const resources = new Resources();
  const { interrupted, release } = interruption();
  let report: Report;
  try {
    const running = runBenchmarks(select(options), { quick: options.quick, resources, progress });
    // If the interruption wins, what is running fails under its hands; that is no news.
    running.catch(() => {});
    report = await Promise.race([running, interrupted]);
  } catch (error) {
    if (!(error instanceof Interrupted)) throw error;
    await resources.close();
    console.error(`bench: ${error.message}; everything is cleaned up`);
    return 130;
  } finally {
    release();
  }
  console.log(options.json ? JSON.stringify(report, null, 2) : renderText(report));
  return report.benchmarks.some(({ error }) => error !== null) ? 1 : 0;
}

function select({ only }: Options) {
  return BENCHMARKS.filter(({ name }) => only.length === 0 || only.includes(name));
}

function progress({ name }: { readonly name: string }): void {
  console.error(`bench: ${name}`);
}

try {
  const options = parseOptions(
    process.argv.slice(2),
    BENCHMARKS.map(({ name }) => name),
  );
  if (options.help) console.log(usage(BENCHMARKS));
  else process.exitCode = await main(options);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  console.error(`bench: ${error.message}`);
  process.exitCode = 2;
}
// What an interrupted benchmark was waiting for never comes.
if (process.exitCode === 130) process.exit();
