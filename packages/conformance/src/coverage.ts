/**
 * Which causes of failure the suite provokes.
 *
 * Owns: the account of the table's error rows: covered by a test, unreachable for a reason, or missing.
 * Must not know how tests are run.
 */
import { ENTRIES } from '@pedrera/uapi';
import type { ConformanceTest, Family } from './framework/conformance-test.js';

export interface RowCoverage {
  /** `${entry}/${errno}/${id}` */
  readonly key: string;
  readonly family: Family;
  readonly when: string;
  /** Names of the tests that provoke it. */
  readonly tests: readonly string[];
  /** Why nothing can, where the table says so. */
  readonly unreachable: string | undefined;
}

export interface Coverage {
  readonly rows: readonly RowCoverage[];
  /** Neither covered nor unreachable. */
  readonly missing: readonly RowCoverage[];
  /** What tests claim to cover and the table does not have. */
  readonly unknown: readonly string[];
}

const FAMILY_OF: readonly (readonly [RegExp, Family])[] = [
  [/^INFO_/, 'info'],
  [/^(CB_|MUNMAP|MMAP)/, 'cb'],
  [/^CS$/, 'cs'],
  [/^WAIT_/, 'wait'],
  [/^(MEMORY_EXPORT|DMABUF_)/, 'export'],
  [/^MEMORY_/, 'memory'],
  [/^DEBUG_/, 'debug'],
  [/^(HELLO|OPEN|SIDE_CHANNEL|JOIN|CALL_INTERRUPT)$/, 'node'],
  [/^FILE_/, 'files'],
];

function familyOf(entry: string): Family {
  return FAMILY_OF.find(([pattern]) => pattern.test(entry))?.[1] ?? 'own';
}

export function coverageOf(tests: readonly ConformanceTest[]): Coverage {
  const byRow = new Map<string, string[]>();
  for (const { name, covers } of tests) {
    for (const key of covers) {
      byRow.set(key, [...(byRow.get(key) ?? []), name]);
    }
  }
  const rows = ENTRIES.flatMap((entry) =>
    entry.errors.map(({ errno, id, when, unreachable }): RowCoverage => {
      const key = `${entry.name}/${errno}/${id}`;
      return { key, family: familyOf(entry.name), when, tests: byRow.get(key) ?? [], unreachable };
    }),
  );
  const known = new Set(rows.map(({ key }) => key));
  return {
    rows,
    missing: rows.filter((row) => row.tests.length === 0 && row.unreachable === undefined),
    unknown: [...byRow.keys()].filter((key) => !known.has(key)),
  };
}
