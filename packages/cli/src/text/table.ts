/**
 * Aligned columns of text. Pure; knows no command.
 *
 * A table is as wide as its contents. When that is wider than there is room, the columns marked `optional` are left out, the
 * last first, then those marked `shrink` are cut, ending in an ellipsis; everything else stays whole.
 */
import type { Style } from './style.js';

export interface Column<Row> {
  readonly title: string;
  readonly align?: 'left' | 'right';
  readonly shrink?: boolean;
  /** Left out where there is no room for it. */
  readonly optional?: boolean;
  value(row: Row): string;
}

const GAP = '  ';
const NARROWEST = 8;
/** What a column that can be cut is worth before another one is left out for it. */
const READABLE = 20;

/** The lines of a table, the first of them the titles. */
export function tableLines<Row>(rows: readonly Row[], all: readonly Column<Row>[], width: number): string[] {
  const columns = thatFit(rows, all, width);
  const cells = [columns.map((column) => column.title), ...rows.map((row) => columns.map((c) => c.value(row)))];
  const widths = columns.map((_, i) => Math.max(...cells.map((line) => line[i]?.length ?? 0)));
  shrinkToFit(widths, columns, width);
  return cells.map((line) =>
    columns
      .map((column, i) => pad(line[i] ?? '', widths[i] ?? 0, column.align ?? 'left'))
      .join(GAP)
      .trimEnd(),
  );
}

/** The same with dim titles; `draw` paints a row's line, or says what stands below it. */
export function drawTable<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  style: Style,
  draw: (line: string, row: Row) => string | readonly string[] = (line) => line,
): string[] {
  const [titles = '', ...lines] = tableLines(rows, columns, style.width);
  return [style.dim(titles), ...lines.flatMap((line, i) => draw(line, rows[i] as Row))];
}

function thatFit<Row>(rows: readonly Row[], all: readonly Column<Row>[], width: number): readonly Column<Row>[] {
  if (!all.some(({ optional }) => optional === true)) return all;
  const widths = new Map(
    all.map((column) => {
      const natural = rows.reduce((widest, row) => Math.max(widest, column.value(row).length), column.title.length);
      return [column, column.shrink === true ? Math.min(natural, READABLE) : natural];
    }),
  );
  const columns = [...all];
  const needed = () => columns.reduce((sum, column) => sum + (widths.get(column) ?? 0) + GAP.length, -GAP.length);
  for (let i = columns.length - 1; i >= 0 && needed() > width; i--) {
    if (columns[i]?.optional === true) columns.splice(i, 1);
  }
  return columns;
}

function shrinkToFit<Row>(widths: number[], columns: readonly Column<Row>[], width: number): void {
  let excess = widths.reduce((sum, w) => sum + w + GAP.length, -GAP.length) - width;
  for (let i = columns.length - 1; i >= 0 && excess > 0; i--) {
    if (columns[i]?.shrink !== true) continue;
    const old = widths[i] ?? 0;
    const now = Math.max(Math.min(old, NARROWEST), old - excess);
    widths[i] = now;
    excess -= old - now;
  }
}

function pad(text: string, width: number, align: 'left' | 'right'): string {
  const cut = text.length > width ? `${text.slice(0, Math.max(0, width - 1))}…` : text;
  return align === 'right' ? cut.padStart(width) : cut.padEnd(width);
}

export interface Indent {
  readonly first: string;
  readonly rest: string;
}

/** Joins words, or pieces that must not be broken, with spaces into lines no longer than `width` with their indent. */
export function wrap(
  text: string | readonly string[],
  width: number,
  indent: Indent = { first: '', rest: '  ' },
): string[] {
  const pieces = typeof text === 'string' ? text.split(' ') : text;
  const lines: string[] = [];
  let line = '';
  let before = indent.first;
  for (const piece of pieces) {
    if (line !== '' && before.length + line.length + 1 + piece.length > width) {
      lines.push(before + line);
      line = piece;
      before = indent.rest;
    } else {
      line = line === '' ? piece : `${line} ${piece}`;
    }
  }
  return [...lines, before + line];
}
