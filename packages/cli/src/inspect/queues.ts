/**
 * `pedrera queues`: the streams of each device, what blocks them, and work that is held back before them.
 *
 * Owns: the document `pedrera.queues/1` as the command prints it, and its text form.
 * Must not know: how the daemon finds these things out.
 */
import {
  type QueueState,
  type QueuesOfDevice,
  type QueuesSnapshot,
  SNAPSHOT_SECTION,
  type Snapshot,
  type SubmissionState,
} from '@pedrera/uapi';
import type { Style } from '../text/style.js';
import { type Column, drawTable, wrap } from '../text/table.js';
import { formatDuration, orDash, plural } from '../text/units.js';
import type { Inspection } from './inspection.js';
import { isIn, notShownLines, type Scope, type SortKeys, sortRows } from './rows.js';
import { arbitrationPieces, blockagePieces, heldLine, stateOf } from './waits.js';

export interface QueuesDocument extends QueuesSnapshot {
  devices: QueuesOfOneDevice[];
  /** How many more streams match. */
  notShown: number;
}

interface QueuesOfOneDevice extends QueuesOfDevice {
  /** In words: `operational`, `in reset`. */
  status: string;
  /** Submissions that wait for fences before they get to their queues. */
  held: SubmissionState[];
}

interface QueueOptions extends Scope {
  /** What the stream does, or `any`. */
  readonly state: string;
  readonly all: boolean;
  readonly sort: keyof typeof SORT_KEYS;
  readonly limit: number;
}

const SORT_KEYS = {
  queue: (queue) => -queue.id,
  age: (queue) => queue.oldestMs ?? -1,
  pending: (queue) => queue.pending + queue.inFlight,
  pid: (queue) => -(queue.pid ?? Number.MAX_SAFE_INTEGER),
} as const satisfies SortKeys<QueueState>;

const COLUMNS: readonly Column<QueueState>[] = [
  { title: 'ID', align: 'right', optional: true, value: (queue) => String(queue.id) },
  { title: 'QUEUE', value: (queue) => queue.name },
  { title: 'KIND', optional: true, value: (queue) => queue.kind },
  { title: 'PID', align: 'right', value: (queue) => orDash(queue.pid) },
  { title: 'ASID', align: 'right', value: (queue) => orDash(queue.asid) },
  { title: 'STATE', value: stateOf },
  { title: 'PI', align: 'right', value: (queue) => String(queue.pi) },
  { title: 'CI', align: 'right', value: (queue) => String(queue.ci) },
  { title: 'PEND', align: 'right', value: (queue) => String(queue.pending) },
  { title: 'FLIGHT', align: 'right', optional: true, value: (queue) => String(queue.inFlight) },
  { title: 'DONE', align: 'right', optional: true, value: (queue) => String(queue.completed) },
  { title: 'AGE', align: 'right', value: (queue) => (queue.oldestMs === null ? '-' : formatDuration(queue.oldestMs)) },
  { title: 'CS', align: 'right', optional: true, value: (queue) => orDash(queue.seq) },
  { title: 'HEAD', shrink: true, value: (queue) => queue.head?.text ?? '-' },
];

const NOTE_INDENT = { first: '      ', rest: '        ' };

export function queuesInspection(options: QueueOptions): Inspection<QueuesDocument> {
  const { QUEUES, SUBMISSIONS, DEVICES } = SNAPSHOT_SECTION;
  return {
    fetch: async (session) => {
      const { device } = options;
      return queuesDocument(await session.inspect({ sections: QUEUES | SUBMISSIONS | DEVICES, device }), options);
    },
    render: (document, style) => renderQueues(document, style, options.all),
  };
}

/** Every stream that matches, in use or not: what is worth a line of text is the renderer's decision. */
export function queuesDocument(
  snapshot: Snapshot,
  { device: only, pid, state, sort, limit }: Omit<QueueOptions, 'all'>,
): QueuesDocument {
  let room = limit;
  let notShown = 0;
  const devices = (snapshot.queues ?? [])
    .filter(({ index }) => only === undefined || index === only)
    .map(({ index, queues }) => {
      const matching = queues.filter(
        (queue) => (pid === undefined || queue.pid === pid) && (state === 'any' || stateOf(queue) === state),
      );
      // What is worth a line must not lose its place to what is not.
      const inOrder = sortRows(matching, SORT_KEYS[sort]);
      const busy = inOrder.filter(hasSomethingToSay);
      const shown = new Set([...busy, ...inOrder.filter((queue) => !hasSomethingToSay(queue))].slice(0, room));
      room -= shown.size;
      notShown += matching.length - shown.size;
      return {
        index,
        status: snapshot.devices?.find((device) => device.index === index)?.status ?? 'operational',
        queues: inOrder.filter((queue) => shown.has(queue)),
        held: heldOn(snapshot, { device: index, pid }),
      };
    });
  return { schema: 'pedrera.queues/1', devices, notShown };
}

function heldOn({ submissions = [] }: Snapshot, scope: Scope): SubmissionState[] {
  return submissions.filter((row) => row.state === 'held' && isIn(scope, row));
}

/** What can be rendered: a document without what only the command asks for will do. */
interface RenderedQueues {
  readonly devices: readonly (QueuesOfDevice & Partial<QueuesOfOneDevice>)[];
  readonly notShown?: number;
}

/** `all` shows streams with nothing to say, too. */
export function renderQueues({ devices, notShown = 0 }: RenderedQueues, style: Style, all: boolean): string {
  const lines: string[] = [];
  for (const device of devices) {
    const shown = all ? device.queues : device.queues.filter(hasSomethingToSay);
    if (lines.length > 0) lines.push('');
    lines.push(headLine(device, shown, style));
    if (shown.length > 0)
      lines.push(...drawTable(shown, COLUMNS, style, (line, queue) => queueLines(line, queue, style)));
    for (const row of device.held ?? []) lines.push(...noteLines(heldLine(row, formatDuration(row.ageMs)), style));
  }
  return [...lines, ...notShownLines(notShown, 'streams', style)].join('\n');
}

function headLine(
  { index, status = 'operational', held = [] }: RenderedQueues['devices'][number],
  shown: readonly QueueState[],
  style: Style,
): string {
  const blocked = shown.filter((queue) => queue.blockedOn !== null).length;
  const counts = [
    shown.length === 0 ? 'no work' : plural(shown.length, 'stream'),
    ...(blocked === 0 ? [] : [style.yellow(`${blocked} blocked`)]),
    ...(held.length === 0 ? [] : [style.yellow(`${plural(held.length, 'submission')} held back`)]),
  ];
  const condition = status === 'operational' ? '' : ` ${style.red(status)}`;
  return `${style.bold(`device ${index}`)}${condition}: ${counts.join(', ')}`;
}

function queueLines(line: string, { state, blockedOn, arbitration }: QueueState, style: Style): string[] {
  const notes = [
    ...(blockedOn === null ? [] : blockagePieces(blockedOn)),
    ...(arbitration?.waiting === true ? [arbitrationPieces(arbitration)] : []),
  ];
  return [state === 'hung' ? style.red(line) : line, ...notes.flatMap((pieces) => noteLines(pieces, style))];
}

function hasSomethingToSay(queue: QueueState): boolean {
  return (
    queue.blockedOn !== null ||
    queue.head !== null ||
    queue.pending + queue.inFlight + queue.completed + (queue.held ?? 0) > 0
  );
}

/** Below the line of what they are about. */
function noteLines(pieces: string | readonly string[], style: Style): string[] {
  return wrap(pieces, style.width, NOTE_INDENT).map(style.yellow);
}
