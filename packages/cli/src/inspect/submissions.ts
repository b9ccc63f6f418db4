/**
 * `pedrera cs`: submissions, with what each waits for.
 *
 * Owns: the document `pedrera.cs/1` and its text form. Must not know: how the daemon finds these things out.
 */
import {
  type ClientState,
  type QueuesOfDevice,
  SNAPSHOT_SECTION,
  type Snapshot,
  type SubmissionState,
} from '@pedrera/uapi';
import { printable, type Style } from '../text/style.js';
import { type Column, drawTable, wrap } from '../text/table.js';
import { formatDuration, formatSize, plural } from '../text/units.js';
import type { Inspection } from './inspection.js';
import { cutRows, isIn, notShownLines, type Scope, type SortKeys, sortRows } from './rows.js';
import { heldNote, isUnfinished, jobText } from './waits.js';

export interface SubmissionsDocument {
  schema: 'pedrera.cs/1';
  /** Of all the daemon knows, on the devices and of the process asked for. */
  counts: { unfinished: number; done: number; failed: number };
  submissions: SubmissionRow[];
  /** How many more match. */
  notShown: number;
}

export interface SubmissionRow extends SubmissionState {
  program: string | null;
  /** What an unfinished one waits for, in words; null when it is being worked on. */
  waitsFor: string | null;
}

interface SubmissionOptions extends Scope {
  readonly stuck: boolean;
  readonly all: boolean;
  readonly sort: keyof typeof SORT_KEYS;
  readonly limit: number;
}

/** Nothing on a healthy device takes so long without the program meaning it. */
const STUCK_MS = 1000;

const SORT_KEYS = {
  age: (row) => row.ageMs,
  timeout: (row) => -(row.timeoutLeftMs ?? Number.POSITIVE_INFINITY),
  jobs: (row) => row.jobsLeft,
  pid: (row) => -row.pid,
} as const satisfies SortKeys<SubmissionRow>;

const COLUMNS: readonly Column<SubmissionRow>[] = [
  { title: 'DEV', align: 'right', value: (row) => String(row.device) },
  { title: 'PID', align: 'right', value: (row) => String(row.pid) },
  { title: 'ASID', align: 'right', value: (row) => String(row.asid) },
  { title: 'SEQ', align: 'right', value: (row) => String(row.seq) },
  { title: 'TYPE', shrink: true, value: (row) => (row.staged ? `${row.type}, staged` : row.type) },
  { title: 'STATE', value: (row) => row.state },
  { title: 'LEFT', align: 'right', value: (row) => `${row.jobsLeft}/${row.jobs.length}` },
  { title: 'WAITERS', align: 'right', optional: true, value: (row) => String(row.waiters) },
  { title: 'AGE', align: 'right', value: (row) => formatDuration(row.ageMs) },
  { title: 'TIME-OUT', align: 'right', value: timeoutText },
  { title: 'ENDED', align: 'right', optional: true, value: endedText },
  { title: 'BYTES', align: 'right', optional: true, value: bytesText },
  { title: 'PROGRAM', optional: true, value: (row) => printable(row.program ?? '-') },
  { title: 'QUEUES', shrink: true, value: queuesText },
];

const NOTE_INDENT = { first: '      ', rest: '        ' };

export function submissionsInspection(options: SubmissionOptions): Inspection<SubmissionsDocument> {
  const { SUBMISSIONS, QUEUES, CLIENTS } = SNAPSHOT_SECTION;
  return {
    fetch: async (session) => {
      const { device, pid } = options;
      const snapshot = await session.inspect({ sections: SUBMISSIONS | QUEUES | CLIENTS, device, pid });
      return submissionsDocument(snapshot, options);
    },
    render: (document, style) => renderSubmissions(document, style, options),
  };
}

export function submissionsDocument(snapshot: Snapshot, options: SubmissionOptions): SubmissionsDocument {
  const known = (snapshot.submissions ?? []).filter((row) => isIn(options, row));
  const programs = programsByPid(snapshot.clients ?? []);
  const rows = known
    .filter((row) => isWanted(row, options))
    .map((row) => ({
      ...row,
      program: programs.get(row.pid) ?? null,
      waitsFor: isUnfinished(row) ? waitText(row, snapshot.queues ?? []) : null,
    }));
  const { rows: submissions, notShown } = cutRows(sortRows(rows, SORT_KEYS[options.sort]), options.limit);
  const count = (matches: (row: SubmissionState) => boolean) => known.filter(matches).length;
  return {
    schema: 'pedrera.cs/1',
    counts: {
      unfinished: count(isUnfinished),
      done: count(({ state }) => state === 'done'),
      failed: count(({ state }) => state === 'failed'),
    },
    submissions,
    notShown,
  };
}

/** Without --all and --stuck: what runs, and what failed. */
function isWanted(row: SubmissionState, { all, stuck }: SubmissionOptions): boolean {
  if (stuck) return isUnfinished(row) && row.ageMs >= STUCK_MS;
  return all || row.state !== 'done';
}

function programsByPid(clients: readonly ClientState[]): ReadonlyMap<number, string> {
  return new Map(clients.map(({ pid, program }) => [pid, program]));
}

function waitText(row: SubmissionState, devices: readonly QueuesOfDevice[]): string | null {
  if (row.state === 'held') return heldNote(row);
  const queues = devices.find(({ index }) => index === row.device)?.queues ?? [];
  const reasons = row.jobs
    .filter(({ state }) => state !== 'done')
    .flatMap((job) => {
      const queue = queues.find(({ name, asid }) => name === job.queue && asid === row.asid);
      return queue === undefined ? [] : (jobText(queue, row) ?? []);
    });
  return reasons.length === 0 ? null : [...new Set(reasons)].join('; ');
}

export function renderSubmissions(
  document: SubmissionsDocument,
  style: Style,
  { stuck }: Pick<SubmissionOptions, 'stuck'>,
): string {
  const { submissions, notShown } = document;
  if (submissions.length === 0) return nothingText(document, stuck);
  return [
    ...drawTable(submissions, COLUMNS, style, (line, row) => [line, ...noteLines(row, style)]),
    '',
    countsText(document),
    ...notShownLines(notShown, 'submissions', style),
    ...(stuck ? [style.dim(`to see who should move: pedrera why ${submissions[0]?.pid}`)] : []),
  ].join('\n');
}

function nothingText({ counts }: SubmissionsDocument, stuck: boolean): string {
  if (stuck) return `nothing is stuck: ${plural(counts.unfinished, 'submission')} under way, none of them for a second`;
  const over = counts.done + counts.failed;
  return over === 0 ? 'no submissions' : `no unfinished submissions (finished ones, ${over} of them: --all)`;
}

function countsText({ counts: { unfinished, done, failed } }: SubmissionsDocument): string {
  return `${unfinished} under way, ${done} done and ${failed} failed of those still known`;
}

function noteLines(row: SubmissionRow, style: Style): string[] {
  const note = (text: string) => wrap(printable(text), style.width, NOTE_INDENT);
  if (row.error !== null) {
    const text = row.detail === null ? row.error : `${row.error}: ${row.detail}`;
    return note(text).map(style.red);
  }
  return row.waitsFor === null ? [] : note(row.waitsFor).map(style.yellow);
}

function timeoutText({ timeoutLeftMs }: SubmissionRow): string {
  if (timeoutLeftMs === null) return '-';
  return timeoutLeftMs <= 0 ? 'over' : `in ${formatDuration(timeoutLeftMs)}`;
}

function endedText({ finishedMs }: SubmissionRow): string {
  return finishedMs === null ? '-' : `${formatDuration(finishedMs)} ago`;
}

/** What is over has forgotten how much it was. */
function bytesText({ jobs }: SubmissionRow): string {
  const sizes = jobs.flatMap(({ bytes }) => bytes ?? []);
  return sizes.length < jobs.length ? '-' : formatSize(sizes.reduce((sum, bytes) => sum + bytes, 0));
}

/** Those that are not through first. */
function queuesText({ jobs }: SubmissionRow): string {
  const rank = { running: 0, queued: 1, dropped: 2, done: 3 };
  return [...jobs]
    .sort((a, b) => rank[a.state] - rank[b.state])
    .map(({ queue, state }) => (state === 'queued' ? queue : `${queue} ${state}`))
    .join(', ');
}
