/** The text of `pedrera leaks`. Owns the layout; must not know the rules. */
import type { LiveObjectState } from '@pedrera/uapi';
import { printable, type Style } from '../text/style.js';
import { type Column, drawTable, wrap } from '../text/table.js';
import { formatDuration, formatSize, orDash, plural } from '../text/units.js';
import type { LeakedObject, LeaksDocument, OwnerRow, Suspicion } from './find.js';

/** More of a kind are counted only. */
const SHOWN = 30;

const KINDS: readonly [LiveObjectState['kind'], string][] = [
  ['file', 'FILES'],
  ['context', 'CTX'],
  ['command buffer', 'CB'],
  ['host buffer', 'HOST'],
  ['allocation', 'HBM'],
  ['dma-buf', 'DMABUF'],
  ['mapping', 'MAP'],
  ['sync file', 'SYNC'],
  ['submission', 'CS'],
  ['signals', 'SIG'],
];

const LEAK_COLUMNS: readonly Column<LeakedObject>[] = [
  ...objectColumns<LeakedObject>(),
  { title: 'KEPT BY', shrink: true, value: ({ keptBy }) => keptBy.map(printable).join(', ') || 'nobody' },
];

function objectColumns<Row extends LiveObjectState>(): Column<Row>[] {
  return [
    { title: '  KIND', value: ({ kind }) => `  ${kind}` },
    { title: 'ID', align: 'right', value: ({ id }) => id },
    { title: 'DEV', align: 'right', value: ({ device }) => orDash(device) },
    { title: 'SIZE', align: 'right', value: ({ bytes }) => (bytes === 0 ? '-' : formatSize(bytes)) },
    { title: 'AGE', align: 'right', value: ({ ageMs }) => formatDuration(ageMs) },
    { title: 'BORN', shrink: true, value: ({ born }) => born?.replace(/ of this file$/, '') ?? '-' },
  ];
}

const OWNER_COLUMNS: readonly Column<OwnerRow>[] = [
  { title: 'PID', align: 'right', value: ({ pid }) => String(pid) },
  ...KINDS.map(([kind, title]): Column<OwnerRow> => {
    return { title, align: 'right', optional: true, value: ({ counts }) => String(counts[kind] ?? 0) };
  }),
  { title: 'MEMORY', align: 'right', value: ({ bytes }) => formatSize(bytes) },
  { title: 'OLDEST', align: 'right', value: ({ oldestMs }) => formatDuration(oldestMs) },
  { title: 'PROGRAM', shrink: true, value: ({ program, alive }) => `${printable(program)}${alive ? '' : ' (gone)'}` },
];

interface LeaksOptions {
  readonly all: boolean;
  /** The process that was asked about. */
  readonly pid?: number | undefined;
}

export function renderLeaks(document: LeaksDocument, style: Style, { all, pid }: LeaksOptions): string {
  const { leaked, suspicions, objects } = document;
  // Of one process, what it left is a list already.
  const owners = document.owners.filter(({ alive }) => alive || pid === undefined);
  const blocks = [headline(document, style), ...leakBlocks(leaked, style, all)];
  if (suspicions.length > 0) blocks.push(suspicionLines(suspicions, style, all).join('\n'));
  if (owners.length > 0) blocks.push(table(owners, OWNER_COLUMNS, { style, all, title: 'alive, by owner' }));
  if (all) {
    for (const owner of owners.filter(({ alive }) => alive)) {
      const own = objects.filter((object) => object.pid === owner.pid && object.ownerAlive);
      const title = `pid ${owner.pid} ${printable(owner.program)}`;
      blocks.push(table(own, objectColumns(), { style, all, title }));
    }
  }
  return blocks.join('\n\n');
}

function headline({ leaked, leakedBytes, suspicions, objects }: LeaksDocument, style: Style): string {
  const guess = suspicions.length === 0 ? '' : `; ${plural(suspicions.length, 'suspicion')}`;
  if (leaked.length > 0) {
    const memory = leakedBytes === 0 ? '' : `, ${formatSize(leakedBytes)}`;
    return style.bold(style.red(`${plural(leaked.length, 'leak')}${memory}: alive though the owner is gone${guess}`));
  }
  if (objects.length === 0) return 'no leaks: nothing is alive';
  return `no leaks: the owners of all ${plural(objects.length, 'object')} are there${guess}`;
}

function leakBlocks(leaked: readonly LeakedObject[], style: Style, all: boolean): string[] {
  const owners = new Map<number, LeakedObject[]>();
  for (const object of leaked) owners.set(object.pid, [...(owners.get(object.pid) ?? []), object]);
  return [...owners].map(([pid, rows]) => {
    const title = `pid ${pid} ${printable(rows[0]?.program ?? '')} is gone and left`;
    return table(rows, LEAK_COLUMNS, { style, all, title });
  });
}

function table<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  { style, all, title }: { style: Style; all: boolean; title: string },
): string {
  const shown = all ? rows : rows.slice(0, SHOWN);
  const more = moreLines(rows.length - shown.length, style);
  return [style.bold(title), ...drawTable(shown, columns, style), ...more].join('\n');
}

function suspicionLines(suspicions: readonly Suspicion[], style: Style, all: boolean): string[] {
  const shown = all ? suspicions : suspicions.slice(0, SHOWN);
  const lines = shown.flatMap(({ text, lookNext }) => {
    const sentence = `${printable(text)} (look next: ${lookNext})`;
    return wrap(sentence, style.width, { first: '  ', rest: '    ' }).map(style.yellow);
  });
  return [style.bold('suspicious'), ...lines, ...moreLines(suspicions.length - shown.length, style)];
}

function moreLines(left: number, style: Style): string[] {
  return left === 0 ? [] : [style.dim(`  and ${left} more (--all)`)];
}
