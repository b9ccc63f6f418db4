/**
 * What of a long list is shown, and in which order. Pure.
 *
 * Owns: sorting and cutting, and how it is said that something was cut. Must not know: what the rows are.
 */
import type { Output } from '../output.js';
import type { Style } from '../text/style.js';
import { formatCount } from '../text/units.js';

/** What is asked about; undefined: all there is. */
export interface Scope {
  readonly device: number | undefined;
  readonly pid: number | undefined;
}

/** By the name a user gives to --sort. Numbers: the largest first; words: in the order of the alphabet. */
export type SortKeys<Row> = Readonly<Record<string, (row: Row) => number | string>>;

/** As many lines as somebody still reads. */
const SHOWN_AS_TEXT = 100;

export interface Cut<Row> {
  readonly rows: Row[];
  /** How many more there are. */
  readonly notShown: number;
}

/** A program gets all it did not ask to be spared; a person the first hundred. */
export function limitOf(output: Output, given: number | undefined): number {
  return given ?? (output.kind === 'json' ? Number.POSITIVE_INFINITY : SHOWN_AS_TEXT);
}

export function isIn(
  { device, pid }: Scope,
  row: { readonly device: number | null; readonly pid: number | null },
): boolean {
  return (device === undefined || row.device === device) && (pid === undefined || row.pid === pid);
}

/** Rows of equal rank stay in their order. */
export function sortRows<Row>(rows: readonly Row[], key: (row: Row) => number | string): Row[] {
  return [...rows].sort((a, b) => {
    const [x, y] = [key(a), key(b)];
    if (typeof x === 'number' && typeof y === 'number') return x === y ? 0 : y > x ? 1 : -1;
    return String(x) < String(y) ? -1 : String(x) > String(y) ? 1 : 0;
  });
}

export function cutRows<Row>(rows: readonly Row[], limit: number): Cut<Row> {
  const shown = rows.slice(0, limit);
  return { rows: shown, notShown: rows.length - shown.length };
}

/** A line that says what is missing; none if nothing is. */
export function notShownLines(notShown: number, what: string, style: Style): string[] {
  return notShown === 0 ? [] : [style.dim(`${formatCount(notShown)} more ${what} not shown (--limit, --pid)`)];
}
