/**
 * Calls counted: what `pedrera strace -c` shows.
 *
 * Owns: the sums, and their table in the manner of strace(1). Pure.
 */
import type { CallRecord } from '@pedrera/uapi';
import type { Style } from '../text/style.js';
import { type Column, tableLines } from '../text/table.js';

interface Row {
  readonly call: string;
  readonly calls: number;
  readonly errors: number;
  /** Calls that were never answered. */
  readonly unanswered: number;
  readonly totalNs: number;
  readonly longestNs: number;
}

export interface StraceSummary {
  readonly schema: 'pedrera.strace-summary/1';
  readonly calls: readonly Row[];
  readonly lost: number;
}

export class CallCounts {
  readonly #rows = new Map<string, Row>();

  add({ call, errno, res, durationNs }: CallRecord): void {
    const row = this.#rows.get(call) ?? { call, calls: 0, errors: 0, unanswered: 0, totalNs: 0, longestNs: 0 };
    this.#rows.set(call, {
      call,
      calls: row.calls + 1,
      errors: row.errors + (errno === null ? 0 : 1),
      unanswered: row.unanswered + (errno === null && res === null ? 1 : 0),
      totalNs: row.totalNs + durationNs,
      longestNs: Math.max(row.longestNs, durationNs),
    });
  }

  summary(lost: number): StraceSummary {
    const calls = [...this.#rows.values()].sort((a, b) => b.totalNs - a.totalNs || a.call.localeCompare(b.call));
    return { schema: 'pedrera.strace-summary/1', calls, lost };
  }
}

export function renderSummary({ calls, lost }: StraceSummary, style: Style): string {
  const total = calls.reduce((sum, { totalNs }) => sum + totalNs, 0);
  const share = (ns: number) => (total === 0 ? '0.00' : ((100 * ns) / total).toFixed(2));
  const number = (value: number) => (value === 0 ? '' : String(value));
  const right = { align: 'right' } as const;
  const columns: Column<Row>[] = [
    { title: '% time', ...right, value: ({ totalNs }) => share(totalNs) },
    { title: 'seconds', ...right, value: ({ totalNs }) => (totalNs / 1e9).toFixed(6) },
    { title: 'usecs/call', ...right, value: (row) => String(Math.round(row.totalNs / Math.max(1, row.calls) / 1000)) },
    { title: 'longest', ...right, value: ({ longestNs }) => (longestNs / 1e9).toFixed(6) },
    { title: 'calls', ...right, value: (row) => String(row.calls) },
    { title: 'errors', ...right, value: ({ errors }) => number(errors) },
    { title: 'call', value: ({ call }) => call },
  ];
  const sum: Row = {
    call: 'total',
    calls: calls.reduce((all, row) => all + row.calls, 0),
    errors: calls.reduce((all, row) => all + row.errors, 0),
    unanswered: calls.reduce((all, row) => all + row.unanswered, 0),
    totalNs: total,
    longestNs: calls.reduce((longest, row) => Math.max(longest, row.longestNs), 0),
  };
  const lines = tableLines([...calls, sum], columns, style.width);
  const rule = '-'.repeat(Math.max(...lines.map(({ length }) => length)));
  const notes = [
    ...(sum.unanswered === 0 ? [] : [`${sum.unanswered} of them were not answered`]),
    ...(lost === 0 ? [] : [`${lost} records were lost: the counts are too low`]),
  ];
  return [style.bold(lines[0] ?? ''), rule, ...lines.slice(1, -1), rule, lines.at(-1) ?? '', ...notes].join('\n');
}
