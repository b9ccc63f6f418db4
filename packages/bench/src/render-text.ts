/**
 * The report as a table for people.
 *
 * Must not know: where the figures come from.
 */
import type { Figure, Machine, Report, Section, Target } from './report.js';
import { digits, formatSize, formatValue } from './units.js';

type Row = readonly string[];

const TITLES: Row = ['FIGURE', 'OURS', 'REFERENCE', '', 'RATIO', 'TARGET', ''];
const RIGHT = [false, true, true, false, true, true, false];
const INDENT = '  ';
const NOTE_WIDTH = 112;
/** Load a processor. */
const BUSY = 0.25;

export function renderText(report: Report): string {
  const { machine, benchmarks } = report;
  const tables = benchmarks.map((section) => section.figures.map(rowOf));
  const widths = TITLES.map((title, column) =>
    Math.max(title.length, ...tables.flat().map((row) => (row[column] ?? '').length)),
  );
  const lines = [
    `${machine.cpus} x ${machine.cpu}, ${formatSize(machine.memoryBytes)}, ${machine.platform}, Node ${machine.node}`,
    ...warning(machine),
    '',
    INDENT + align(TITLES, widths),
  ];
  benchmarks.forEach((section, i) => {
    lines.push('', `${section.title}  [${section.name}, ${digits(section.seconds)} s]`);
    lines.push(...(tables[i] ?? []).map((row) => INDENT + align(row, widths)));
    lines.push(...remarks(section));
  });
  const judged = benchmarks.flatMap((section) => section.figures).flatMap(({ target }) => target ?? []);
  const met = judged.filter((target) => target.met).length;
  lines.push('', `${met} of ${judged.length} targets met in ${digits(report.seconds)} s${quickly(report)}`);
  return lines.join('\n');
}

function warning({ cpus, loadBefore }: Machine): string[] {
  if (loadBefore < BUSY * cpus) return [];
  return [`the machine was busy before the run (load ${digits(loadBefore)}): latencies and their ratios say little`];
}

function rowOf({ name, unit, ours, reference, ratio, target }: Figure): Row {
  return [
    name,
    formatValue(ours, unit),
    reference === null ? '' : formatValue(reference.value, unit),
    reference?.name ?? '',
    ratio === null ? '' : `${digits(ratio)}x`,
    target === null ? '' : targetText(target, unit),
    target === null ? '' : target.met ? 'met' : 'missed',
  ];
}

function targetText(target: Target, unit: Figure['unit']): string {
  const [sign, bound] = 'atMost' in target ? ['<=', target.atMost] : ['>=', target.atLeast];
  return `${sign} ${target.of === 'ratio' ? `${digits(bound)}x` : formatValue(bound, unit)}`;
}

function remarks({ notes, skipped, error }: Section): string[] {
  const lack = skipped === null ? [] : [`not measured: ${skipped}`];
  const failure = error === null ? [] : [`no figures: ${error}`];
  return [...notes, ...lack, ...failure].flatMap((note) => wrap(note).map((line) => `${INDENT}${line}`));
}

function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = '-';
  for (const word of text.split(/\s+/)) {
    if (line.length + 1 + word.length > NOTE_WIDTH) {
      lines.push(line);
      line = ' ';
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}

function align(row: Row, widths: readonly number[]): string {
  const cells = row.map((cell, column) => {
    const width = widths[column] ?? 0;
    return RIGHT[column] === true ? cell.padStart(width) : cell.padEnd(width);
  });
  return cells.join('  ').trimEnd();
}

function quickly({ quick }: Report): string {
  return quick ? '; a quick run: the figures are rough' : '';
}
