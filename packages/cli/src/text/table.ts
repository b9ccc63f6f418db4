/**
 * Aligned columns of text. Pure; knows no command.
 *
 * A table is as wide as its contents. When that is wider than there is room, the columns marked `shrink` are cut, ending in
 * an ellipsis; everything else stays whole.
 */

export interface Column<Row> {
  readonly title: string;
  readonly align?: 'left' | 'right';
  readonly shrink?: boolean;
  value(row: Row): string;
}

const GAP = '  ';
const NARROWEST = 8;

/** The lines of a table, the first of them the titles. */
export function tableLines<Row>(rows: readonly Row[], columns: readonly Column<Row>[], width: number): string[] {
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

/** Joins pieces with spaces into lines no longer than `width` with their indent; no piece is broken. */
export function wrap(
  pieces: readonly string[],
  width: number,
  indent: { readonly first: string; readonly rest: string },
): string[] {
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
