/**
 * What became of the tests, for people and for programs.
 *
 * Owns: the two forms of the report. Must not know how tests are run.
 */
import type { Coverage, RowCoverage } from './coverage.js';
import { FAMILIES, type Family } from './framework/conformance-test.js';
import type { Result } from './framework/run.js';

export interface Report {
  readonly results: readonly Result[];
  readonly coverage: Coverage;
}

interface FamilyRow {
  readonly family: Family | 'all';
  readonly tests: number;
  readonly passed: number;
  readonly failed: number;
  readonly covered: number;
  readonly rows: number;
}

/** A row counts once it is provoked by a test, or said to be out of reach with a reason. */
function counts({ tests, unreachable }: RowCoverage): boolean {
  return tests.length > 0 || unreachable !== undefined;
}

function row(family: Family | 'all', results: readonly Result[], rows: readonly RowCoverage[]): FamilyRow {
  const failed = results.filter(({ error }) => error !== undefined).length;
  return {
    family,
    tests: results.length,
    passed: results.length - failed,
    failed,
    covered: rows.filter(counts).length,
    rows: rows.length,
  };
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

export function renderJson(report: Report): string {
  const { results, coverage } = report;
  return JSON.stringify(
    {
      schema: 'pedrera.conformance/1',
      families: familyRows(report),
      tests: results.map(({ test, mode, policy, error }) => ({
        name: test.name,
        mode,
        policy,
        passed: error === undefined,
        ...(error === undefined ? {} : { error: error.message }),
      })),
      rows: coverage.rows,
    },
    null,
    2,
  );
}

export function renderText(report: Report): string {
  const { coverage } = report;
  const lines = [
    `${'family'.padEnd(12)}${['tests', 'passed', 'failed', 'errno rows'].map((name) => name.padStart(12)).join('')}`,
  ];
  for (const { family, tests, passed, failed, covered, rows } of familyRows(report)) {
    const figures = [tests, passed, failed, `${covered}/${rows}`].map((figure) => String(figure).padStart(12));
    lines.push(`${family.padEnd(12)}${figures.join('')}`);
  }
  const outOfReach = coverage.rows.filter(({ tests, unreachable }) => tests.length === 0 && unreachable !== undefined);
  if (outOfReach.length > 0) {
    lines.push('', `${outOfReach.length} rows cannot be reached, by reason:`, ...byReason(outOfReach));
  }
  if (coverage.missing.length > 0) {
    lines.push('', 'No test provokes:', ...coverage.missing.map(({ key, when }) => `  ${key}: ${when}`));
  }
  return lines.join('\n');
}

function byReason(rows: readonly RowCoverage[]): string[] {
  const reasons = new Map<string, string[]>();
  for (const { key, unreachable = '' } of rows) {
    reasons.set(unreachable, [...(reasons.get(unreachable) ?? []), key]);
  }
  return [...reasons].map(([reason, keys]) =>
    keys.length > 3 ? `  ${keys.length} rows: ${reason}` : `  ${keys.join(', ')}: ${reason}`,
  );
}

/** One line for a test that failed. */
export function renderFailure({ test, mode, policy, error }: Result): string {
  const why = (error?.message ?? '').split('\n').slice(0, 12).join('\n    ');
  return `FAILED ${test.name} (${mode}, ${policy})\n    ${why}`;
}
