/**
 * What became of the tests, for people and for programs.
 *
 * Owns: the two forms of the report. Must not know how tests are run.
 */
import type { Coverage, RowCoverage } from './coverage.js';
import { FAMILIES, type Family } from './framework/conformance-test.js';
import type { Result } from './framework/run.js';
import { MODES, type Mode } from './framework/transport.js';

const FIRST_WIDTH = 12;
/** More of them are counted. */
const MOST_NAMES = 3;

export interface Report {
  readonly results: readonly Result[];
  readonly coverage: Coverage;
}

/** A test in a mode, under a policy, counts once. */
interface Counts {
  readonly tests: number;
  readonly passed: number;
  readonly failed: number;
  /** They say nothing in that mode, and why. */
  readonly notApplicable: number;
}

interface FamilyRow extends Counts {
  readonly family: Family | 'all';
  readonly covered: number;
  readonly rows: number;
}

interface ModeRow extends Counts {
  readonly mode: Mode;
}

/** A row counts once it is provoked by a test, or said to be out of reach with a reason. */
function isAccountedFor({ tests, unreachable }: RowCoverage): boolean {
  return tests.length > 0 || unreachable !== undefined;
}

function count(results: readonly Result[]): Counts {
  const failed = results.filter(({ error }) => error !== undefined).length;
  const notApplicable = results.filter((result) => result.notApplicable !== undefined).length;
  return { tests: results.length, passed: results.length - failed - notApplicable, failed, notApplicable };
}

function row(family: Family | 'all', results: readonly Result[], rows: readonly RowCoverage[]): FamilyRow {
  return { family, ...count(results), covered: rows.filter(isAccountedFor).length, rows: rows.length };
}

function familyRows({ results, coverage }: Report): FamilyRow[] {
  const families = FAMILIES.map((family) =>
    row(
      family,
      results.filter(({ test }) => test.family === family),
      coverage.rows.filter((one) => one.family === family),
    ),
  );
  return [...families.filter(({ tests, rows }) => tests > 0 || rows > 0), row('all', results, coverage.rows)];
}

function modeRows({ results }: Report): ModeRow[] {
  return MODES.map((mode) => ({ mode, ...count(results.filter((result) => result.mode === mode)) })).filter(
    ({ tests }) => tests > 0,
  );
}

export function renderJson(report: Report): string {
  const { results, coverage } = report;
  return JSON.stringify(
    {
      schema: 'pedrera.conformance/1',
      families: familyRows(report),
      modes: modeRows(report),
      tests: results.map(({ test, mode, policy, error, notApplicable }) => ({
        name: test.name,
        mode,
        policy,
        passed: error === undefined && notApplicable === undefined,
        ...(error === undefined ? {} : { error: error.message }),
        ...(notApplicable === undefined ? {} : { notApplicable }),
      })),
      rows: coverage.rows,
    },
    null,
    2,
  );
}

export function renderText(report: Report): string {
  const { results, coverage } = report;
  const families = familyRows(report).map(({ family, covered, rows, ...counts }) => [
    family,
    ...spell(counts),
    `${covered}/${rows}`,
  ]);
  const modes = modeRows(report).map(({ mode, ...counts }) => [mode, ...spell(counts)]);
  const lines = [
    table([['family', ...COLUMNS, 'errno rows'], ...families]),
    '',
    table([['mode', ...COLUMNS], ...modes]),
    ...section('do not apply, by mode and reason', silent(results)),
  ];
  const outOfReach = coverage.rows.filter(({ tests, unreachable }) => tests.length === 0 && unreachable !== undefined);
  const reasons = byReason(outOfReach.map(({ key, unreachable = '' }) => [unreachable, key]));
  lines.push(...section(`${outOfReach.length} rows cannot be reached, by reason`, reasons));
  const missing = coverage.missing.map(({ key, when }) => `${key}: ${when}`);
  return [...lines, ...section('No test provokes', missing)].join('\n');
}

const COLUMNS = ['tests', 'passed', 'failed', 'not applicable'];

function spell({ tests, passed, failed, notApplicable }: Counts): string[] {
  return [tests, passed, failed, notApplicable].map(String);
}

function table(rows: readonly (readonly string[])[]): string {
  const [titles = []] = rows;
  const widths = titles.map((title, i) => (i === 0 ? FIRST_WIDTH : Math.max(title.length + 2, 10)));
  const line = (cells: readonly string[]) =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('');
  return rows.map(line).join('\n');
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length === 0 ? [] : ['', `${title}:`, ...lines.map((one) => `  ${one}`)];
}

/** Why tests say nothing; a test that says nothing under either policy is named once. */
function silent(results: readonly Result[]): string[] {
  return MODES.flatMap((mode) => {
    const names = new Map<string, string>();
    for (const { test, notApplicable, mode: where } of results) {
      if (where === mode && notApplicable !== undefined) {
        names.set(test.name, notApplicable);
      }
    }
    // Which call it is says the run of the test.
    return byReason([...names].map(([name, why]) => [why.replace(/: [A-Z_]+$/, ''), name])).map(
      (line) => `${mode}: ${line}`,
    );
  });
}

function byReason(pairs: readonly (readonly [reason: string, what: string])[]): string[] {
  const reasons = new Map<string, string[]>();
  for (const [reason, what] of pairs) {
    reasons.set(reason, [...(reasons.get(reason) ?? []), what]);
  }
  return [...reasons].map(([reason, names]) =>
    names.length > MOST_NAMES ? `${names.length}: ${reason}` : `${names.join(', ')}: ${reason}`,
  );
}

/** One line for a test that failed. */
export function renderFailure({ test, mode, policy, error }: Result): string {
  const why = (error?.message ?? '').split('\n').slice(0, 12).join('\n    ');
  return `FAILED ${test.name} (${mode}, ${policy})\n    ${why}`;
}
