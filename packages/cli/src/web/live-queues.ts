/**
 * Streams and held submissions, the blocked ones first.
 *
 * Owns: their rows, and which of them a view wants. Pure.
 */
import type { QueueState, Snapshot, SubmissionState } from '@pedrera/uapi';
import type { LiveQueue, ViewRequest } from '@pedrera/web';
import { heldText, obstacleText, stateOf } from '../inspect/waits.js';

/** Streams that never had work say nothing, and are left out. */
export function queueRows(
  { queues = [], submissions = [] }: Snapshot,
  { device: only, filter }: ViewRequest,
  programs: ReadonlyMap<number, string>,
): { rows: LiveQueue[]; blocked: number } {
  const wanted = filter.toLowerCase();
  const streams = queues.flatMap(({ index, queues: own }) =>
    own.filter(hasWork).map((queue) => streamRow(queue, index, programs)),
  );
  const held = submissions.filter(({ state }) => state === 'held').map((row) => heldRow(row, programs));
  const rows = [...held, ...streams].filter(
    ({ device, name, pid, program }) =>
      (only === null || device === only) && `${name} ${pid} ${program}`.toLowerCase().includes(wanted),
  );
  rows.sort(inOrder);
  return { rows, blocked: rows.filter(({ blocked }) => blocked !== null).length };
}

function hasWork({ pid, head, blockedOn, pending, inFlight, completed }: QueueState): boolean {
  return pid !== null && (head !== null || blockedOn !== null || pending + inFlight + completed > 0);
}

/** Broken ones, blocked ones by age, then the others where they were before: what comes and goes in a moment must not move them. */
function inOrder(a: LiveQueue, b: LiveQueue): number {
  const [first, second] = [rank(a), rank(b)];
  const byAge = first < 2 ? (b.oldestMs ?? 0) - (a.oldestMs ?? 0) : 0;
  return first - second || byAge || a.device - b.device || (a.asid ?? 0) - (b.asid ?? 0);
}

function rank({ blocked, state }: LiveQueue): number {
  if (state === 'hung' || state === 'stopped') return 0;
  return blocked !== null ? 1 : 2;
}

function streamRow(queue: QueueState, device: number, programs: ReadonlyMap<number, string>): LiveQueue {
  const { name, pid, asid, head, pending, inFlight, completed, oldestMs } = queue;
  return {
    device,
    name,
    pid,
    program: programs.get(pid ?? 0) ?? '',
    asid,
    seq: queue.seq ?? null,
    state: stateOf(queue),
    blocked: obstacleText(queue),
    head: head?.text ?? null,
    waiting: pending + inFlight,
    completed,
    oldestMs,
  };
}

function heldRow(submission: SubmissionState, programs: ReadonlyMap<number, string>): LiveQueue {
  const { device, asid, pid, seq, jobs, ageMs } = submission;
  return {
    device,
    name: [...new Set(jobs.map(({ queue }) => queue))].join(', '),
    pid,
    program: programs.get(pid) ?? '',
    asid,
    seq,
    state: 'held',
    blocked: heldText(submission),
    head: null,
    waiting: jobs.length,
    completed: 0,
    oldestMs: ageMs,
  };
}
