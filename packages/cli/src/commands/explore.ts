/** `pedrera explore`: the one place of this package that knows the schedule explorer, which it loads only when it runs. */
import { availableParallelism } from 'node:os';
import type { Exploration, Failure, Scenario, Step } from '@pedrera/explore';
import { type Context, defineCommand, flag, integer, text } from '../command.js';
import { EXIT, type ExitCode, usageError } from '../exit.js';
import { jsonOption } from './inspection-options.js';

/** What `pedrera explore --json` prints for each scenario. */
export interface ExploreDocument extends Exploration {
  readonly schema: 'pedrera.explore/1';
  /** The schedule of the failure, for --replay. */
  readonly replay: string | undefined;
}

/** What `pedrera explore --replay --json` prints. */
export interface ReplayDocument {
  readonly schema: 'pedrera.explore-replay/1';
  readonly scenario: string;
  readonly failure: Failure | undefined;
  readonly trace: readonly Step[];
}

const MAX_NUMBER = 1e9;
const MAX_JOBS = 256;

export const explore = defineCommand({
  name: 'explore',
  summary: 'look for races: run a scenario under many orders of events',
  details:
    'Runs driver and devices in this process, without a daemon, under virtual time: each seed is one order in which messages, ' +
    'packets, interrupts and time-outs happen. After every step it checks that nobody waits in vain, reaches what was freed or ' +
    'sees bytes of others, and at the end that nothing is left. Stops at the first order that fails, makes it as short as it ' +
    'can, prints it and ends with 1; with several threads that is still the lowest seed that fails. Without a scenario all of them run, one after the other.',
  arguments: [{ name: 'scenario', summary: 'one of those --list shows', required: false }],
  options: {
    seed: integer({ metavar: 'n', summary: 'the first seed', min: 0, max: MAX_NUMBER, initial: 1 }),
    runs: integer({
      metavar: 'n',
      summary: 'how many seeds, from that one on',
      min: 1,
      max: MAX_NUMBER,
      initial: 1000,
    }),
    jobs: integer({
      metavar: 'n',
      summary: 'threads that share the seeds (default: one for each processor); the result is the same with any number',
      min: 1,
      max: MAX_JOBS,
      initial: undefined,
    }),
    systematic: flag('every order instead of seeds, those closest to the undisturbed one first'),
    list: flag('list the scenarios'),
    replay: text('schedule', 'run this schedule, as a failure prints it, and show every step'),
    json: jsonOption,
  },
  example: { line: 'pedrera explore unmap-dma --runs 10000', meaning: 'Ten thousand orders of one race.' },
  async run(context, { seed, runs, jobs, systematic, list, replay }, [name]) {
    const explorer = await import('@pedrera/explore');
    const { SCENARIOS } = explorer;
    if (list) {
      const scenarios = SCENARIOS.map((known) => ({ name: known.name, summary: known.summary, policy: known.policy }));
      context.output.result({ schema: 'pedrera.explore-list/1', scenarios }, (_, style) =>
        scenarios.map((known) => `${style.bold(known.name.padEnd(NAME_WIDTH))} ${known.summary}`).join('\n'),
      );
      return EXIT.ok;
    }
    const chosen = name === undefined ? SCENARIOS : SCENARIOS.filter((known) => known.name === name);
    if (chosen.length === 0) {
      throw usageError(`no scenario is called ${name}`, 'see them with: pedrera explore --list');
    }
    if (replay !== undefined) {
      if (chosen.length > 1) {
        throw usageError('a schedule belongs to one scenario; name it');
      }
      return replayOne(context, explorer, chosen[0] as Scenario, replay);
    }
    if (systematic && jobs !== undefined) {
      throw usageError('--systematic goes from order to order in one thread; --jobs shares seeds');
    }
    await using workers = new explorer.Workers(jobs ?? availableParallelism());
    for (const scenario of chosen) {
      const found = await explorer.explore({ scenario, seed, runs, systematic, workers });
      const schedule = found.failure === undefined ? undefined : explorer.formatSchedule(found.failure.schedule);
      const document: ExploreDocument = { schema: 'pedrera.explore/1', ...found, replay: schedule };
      context.output.result(document, () => explorer.renderExploration(found));
      if (found.failure !== undefined) {
        return EXIT.deviceError;
      }
    }
    return EXIT.ok;
  },
});

const NAME_WIDTH = 18;

async function replayOne(
  { output }: Context,
  explorer: typeof import('@pedrera/explore'),
  scenario: Scenario,
  schedule: string,
): Promise<ExitCode> {
  const parsed = explorer.parseSchedule(schedule);
  if (parsed === undefined) {
    throw usageError(`${JSON.stringify(schedule)} is no schedule`);
  }
  let replayed: Awaited<ReturnType<typeof explorer.replay>>;
  try {
    replayed = await explorer.replay(scenario, parsed);
  } catch (error) {
    throw usageError(error instanceof Error ? error.message : String(error));
  }
  const { failure, trace } = replayed;
  const document: ReplayDocument = { schema: 'pedrera.explore-replay/1', scenario: scenario.name, failure, trace };
  output.result(document, () =>
    failure === undefined
      ? [...explorer.renderTrace(trace), 'nothing fails'].join('\n')
      : explorer.renderFailure(scenario.name, failure),
  );
  return failure === undefined ? EXIT.ok : EXIT.deviceError;
}
