/**
 * The support matrix, whole: what the table of calls and the model of the device say of themselves, side by side.
 *
 * Owns: the document and its counts. Must not know: where the levels come from, or how they are shown.
 */
import { HARDWARE_SUPPORT } from '@pedrera/hw';
import { SUPPORT } from '@pedrera/uapi';

export const LEVELS = ['exact', 'functional', 'refused'] as const;
type Level = (typeof LEVELS)[number];

export interface SupportEntry {
  readonly kind: 'call' | 'flag' | 'value' | 'packet' | 'queue' | 'engine';
  readonly name: string;
  /** Names in the C header of the user API. */
  readonly c: readonly string[];
  readonly level: Level;
  /** With what it is refused. */
  readonly errno?: string;
  readonly note?: string;
  readonly evidence: {
    /** File of Linux 6.1; absent for what this project has of its own. */
    readonly source?: string;
    /** Section of the reference. */
    readonly section: string;
    readonly tests?: readonly string[];
  };
}

export interface SupportMatrix {
  readonly schema: 'pedrera.support/1';
  readonly counts: Readonly<Record<Level, number>>;
  readonly rows: readonly SupportEntry[];
}

const DRIVER = 'drivers/misc/habanalabs';

/** `testsOf` names the tests of a row, where they are known. */
export function supportMatrix(testsOf: (row: SupportEntry) => readonly string[] = () => []): SupportMatrix {
  const rows = [...SUPPORT, ...HARDWARE_SUPPORT].map(({ source, section, ...row }): SupportEntry => {
    const entry = { ...row, evidence: { ...(source === undefined ? {} : { source: `${DRIVER}/${source}` }), section } };
    const tests = testsOf(entry);
    return tests.length === 0 ? entry : { ...entry, evidence: { ...entry.evidence, tests } };
  });
  return { schema: 'pedrera.support/1', counts: countLevels(rows), rows };
}

export function countLevels(rows: readonly SupportEntry[]): Record<Level, number> {
  const counts = { exact: 0, functional: 0, refused: 0 };
  for (const { level } of rows) counts[level]++;
  return counts;
}

/** The matrix as a section of docs/uapi.md; the calls' own levels are in that document already. */
export function renderSupportMarkdown({ counts, rows }: SupportMatrix): string {
  const titles: readonly (readonly [SupportEntry['kind'], string])[] = [
    ['flag', 'Flags'],
    ['value', 'Values'],
    ['packet', 'Packets'],
    ['queue', 'Queues'],
    ['engine', 'Engines'],
  ];
  const sections = titles.flatMap(([kind, title]) => [
    `### ${title}`,
    '',
    '| name | in C | level | remark | evidence |',
    '|---|---|---|---|---|',
    ...rows.filter((row) => row.kind === kind).map(markdownRow),
    '',
  ]);
  return [
    '## Support matrix',
    '',
    `${counts.exact} exact, ${counts.functional} functional, ${counts.refused} refused, calls included; all rows with their evidence are in`,
    '[support-matrix.json](support-matrix.json), and `pedrera doctor` prints what is refused. A source is a file of Linux 6.1 below',
    `\`${DRIVER}\`.`,
    '',
    ...sections,
  ].join('\n');
}

function markdownRow({ name, c, level, errno, note, evidence }: SupportEntry): string {
  const remark = [...(errno === undefined ? [] : [errno]), ...(note === undefined ? [] : [note])].join(': ');
  const source = evidence.source === undefined ? '' : `, ${evidence.source.slice(DRIVER.length + 1)}`;
  const cells = [name, c.map((known) => `\`${known}\``).join(' '), level, remark, `${evidence.section}${source}`];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}
