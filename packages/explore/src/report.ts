/** Explorations for people. Owns the text; must not know how anything was found. */
import type { Exploration } from './explore.js';
import type { Failure } from './lab.js';
import type { Step } from './run.js';
import { choices, formatSchedule } from './schedule.js';

/** Moves before the failure that are shown. */
const SHOWN_STEPS = 60;
const STEP_DIGITS = 5;

export function renderExploration({ scenario, runs, moves, answers, covered, failure }: Exploration): string {
  const head = `${scenario}: ${runs} ${runs === 1 ? 'schedule' : 'schedules'}, ${moves} moves`;
  if (failure === undefined) {
    const seen = Object.entries(answers).map(([answer, times]) => `${answer} ${times}`);
    const all = covered === undefined ? '' : `; these are all with at most ${covered} choices`;
    return `${head}, nothing found${all}\n  ${seen.join(', ')}`;
  }
  return `${head}\n${renderFailure(scenario, failure)}`;
}

export function renderFailure(scenario: string, { seed, kind, message, schedule, trace }: Failure): string {
  const text = formatSchedule(schedule);
  return [
    `${kind}: ${message}`,
    '',
    ...renderTrace(trace),
    '',
    ...(seed === undefined ? [] : [`found by  pedrera explore ${scenario} --seed ${seed} --runs 1`]),
    `again by  pedrera explore ${scenario} --replay '${text}'`,
    `(${choices(schedule)} of ${trace.length} moves chosen, marked with *; the others are what an undisturbed machine does)`,
  ].join('\n');
}

export function renderTrace(trace: readonly Step[]): string[] {
  const from = Math.max(0, trace.length - SHOWN_STEPS);
  const lines = trace
    .slice(from)
    .map(({ what, chosen }, i) => `${String(from + i).padStart(STEP_DIGITS)} ${chosen ? '*' : ' '} ${what}`);
  return from === 0 ? lines : [`      ${from} moves before`, ...lines];
}
