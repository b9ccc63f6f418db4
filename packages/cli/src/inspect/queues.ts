/**
 * `pedrera queues`: the streams of each device, and what blocks them.
 *
 * Owns: the text form of QueuesSnapshot. Must not know: how the daemon finds these things out.
 */
import type { AwaitedMonitor, Blockage, QueueState, QueuesSnapshot } from '@pedrera/uapi';
import type { Style } from '../text/style.js';
import { type Column, tableLines, wrap } from '../text/table.js';
import { formatDuration, plural } from '../text/units.js';
import type { Inspection } from './inspection.js';

const COLUMNS: readonly Column<QueueState>[] = [
  { title: 'ID', align: 'right', value: (queue) => String(queue.id) },
  { title: 'QUEUE', value: (queue) => queue.name },
  { title: 'KIND', value: (queue) => queue.kind },
  { title: 'PID', align: 'right', value: (queue) => orDash(queue.pid) },
  { title: 'ASID', align: 'right', value: (queue) => orDash(queue.asid) },
  { title: 'PI', align: 'right', value: (queue) => String(queue.pi) },
  { title: 'CI', align: 'right', value: (queue) => String(queue.ci) },
  { title: 'PEND', align: 'right', value: (queue) => String(queue.pending) },
  { title: 'FLIGHT', align: 'right', value: (queue) => String(queue.inFlight) },
  { title: 'DONE', align: 'right', value: (queue) => String(queue.completed) },
  { title: 'AGE', align: 'right', value: (queue) => (queue.oldestMs === null ? '-' : formatDuration(queue.oldestMs)) },
  { title: 'HEAD', shrink: true, value: (queue) => queue.head?.text ?? '-' },
];

const BLOCKED_INDENT = { first: '      ', rest: '        ' };

export function queuesInspection(options: { device: number | undefined; all: boolean }): Inspection<QueuesSnapshot> {
  return {
    fetch: (session) => session.inspectQueues(options.device),
    render: (snapshot, style) => renderQueues(snapshot, style, options.all),
  };
}

/** `all` shows streams with nothing to say, too. */
export function renderQueues(snapshot: QueuesSnapshot, style: Style, all: boolean): string {
  const lines: string[] = [];
  for (const device of snapshot.devices) {
    const shown = all ? device.queues : device.queues.filter(hasSomethingToSay);
    if (lines.length > 0) lines.push('');
    const blocked = shown.filter((queue) => queue.blockedOn !== null).length;
    const summary =
      shown.length === 0
        ? 'no work'
        : `${plural(shown.length, 'stream')}${blocked === 0 ? '' : `, ${style.yellow(`${blocked} blocked`)}`}`;
    lines.push(`${style.bold(`device ${device.index}`)}: ${summary}`);
    if (shown.length > 0) lines.push(...deviceLines(shown, style));
  }
  return lines.join('\n');
}

function deviceLines(queues: readonly QueueState[], style: Style): string[] {
  const [titles, ...rows] = tableLines(queues, COLUMNS, style.width);
  const lines = [style.dim(titles ?? '')];
  rows.forEach((row, i) => {
    lines.push(row);
    const blockage = queues[i]?.blockedOn;
    if (blockage) lines.push(...blockageLines(blockage, style));
  });
  return lines;
}

function hasSomethingToSay(queue: QueueState): boolean {
  return queue.blockedOn !== null || queue.head !== null || queue.pending + queue.inFlight + queue.completed > 0;
}

function blockageLines({ fence, monitors }: Blockage, style: Style): string[] {
  const head = [`blocked at fence ${fence.id}:`, `needs ${fence.target}, has ${fence.value};`];
  const reasons = monitors.length === 0 ? [['no armed monitor points at it']] : monitors.map(monitorPieces);
  return reasons.flatMap((reason) =>
    wrap([...head, ...reason], style.width, BLOCKED_INDENT).map((line) => style.yellow(line)),
  );
}

function monitorPieces({ dcore, monitor, mode, objects }: AwaitedMonitor): string[] {
  const conditions = objects.map(({ sob, value, awaited }) => [
    `SOB ${dcore} ${sob}`,
    `${mode} ${awaited}, now ${value}`,
  ]);
  return [`monitor ${dcore} ${monitor}`, 'waits for', ...conditions.flatMap((c, i) => (i === 0 ? c : ['and', ...c]))];
}

function orDash(value: number | null): string {
  return value === null ? '-' : String(value);
}
