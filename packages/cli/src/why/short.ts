/**
 * What each open file waits for, in a few words: for lists that have one line for each.
 *
 * Owns: which of several waits is told, and the words. Must not know: the lists.
 */
import type { Snapshot } from '@pedrera/uapi';
import { Books } from './books.js';
import { findCauses } from './causes.js';
import type { Cause, CauseKind, WaitNode, WhyDocument } from './document.js';
import { buildGraph } from './graph.js';

const MARKS: Readonly<Record<CauseKind, string>> = {
  deadlock: 'deadlock: ',
  'behind itself': 'deadlock: ',
  'nobody signals': 'nobody signals: ',
  'not submitted': '',
  'hung engine': 'hung: ',
  'stopped queue': 'stopped: ',
  device: '',
  'unread packets': '',
  unknown: '',
  running: '',
};

/**
 * By `fileKey`. Files that wait for nothing have no entry; of several waits the worst is told. `sure`: what two looks agree on, of which
 * the snapshot is the later one; any other wait is told without a verdict.
 */
export function shortWaits(snapshot: Snapshot, sure: WhyDocument): ReadonlyMap<string, string> {
  const seenTwice = new Set(sure.causes.map(identity));
  const graph = buildGraph(new Books(snapshot));
  const { causes } = findCauses(graph, () => true, { withMoving: true });
  const told = new Map<string, string>();
  for (const cause of causes) {
    const mark = seenTwice.has(identity(cause)) ? MARKS[cause.kind] : '';
    for (const id of cause.waiting) {
      const node = graph.nodes.get(id);
      if (node === undefined || node.pid === null) continue;
      for (const key of keysOf(node, graph.edges, graph.nodes)) {
        if (!told.has(key)) told.set(key, mark + shortText(firstObstacle(graph.edges, graph.nodes, node)));
      }
    }
  }
  return told;
}

function identity({ kind, chain }: Cause): string {
  return [kind, ...chain].join(' ');
}

/** A process may have a device open more than once: its contexts are told apart. */
export function fileKey(pid: number, device: number | null, asid: number | null): string {
  return `${pid} ${device} ${asid}`;
}

/** The files a wait is of: a call says nothing of its context, but what it waits for does, if it is the process's own. */
function keysOf(
  node: WaitNode,
  edges: ReadonlyMap<string, readonly { to: string }[]>,
  nodes: ReadonlyMap<string, WaitNode>,
): string[] {
  const { pid, device, asid } = node;
  if (asid !== null) return [fileKey(pid ?? 0, device, asid)];
  const below = (edges.get(node.id) ?? []).flatMap(({ to }) => nodes.get(to) ?? []);
  const own = below.filter((other) => other.pid === pid && other.asid !== null);
  const files = own.length === 0 ? [node] : own;
  return files.map((file) => fileKey(pid ?? 0, file.device, file.asid));
}

/** The first thing on the way that is not the waiting one's own machinery. */
function firstObstacle(
  edges: ReadonlyMap<string, readonly { to: string }[]>,
  nodes: ReadonlyMap<string, WaitNode>,
  start: WaitNode,
): WaitNode {
  let at = start;
  for (const seen = new Set<WaitNode>(); !seen.has(at); ) {
    seen.add(at);
    if (!['call', 'submission', 'queue', 'fence', 'monitor'].includes(at.kind)) return at;
    const below = (edges.get(at.id) ?? []).flatMap(({ to }) => nodes.get(to) ?? []);
    // Where there is a choice, what keeps it from going on.
    const next = below.find(({ fate }) => fate === at.fate) ?? below[0];
    if (next === undefined) return at;
    at = next;
  }
  return at;
}

function shortText({ kind, title, text }: WaitNode): string {
  if (kind === 'sync object')
    return `${title} ${text.replace(/; .*$/, '').replace(/^is (\d+), awaited (.*)$/, '$2, is $1')}`;
  if (kind === 'device') return `${title} ${text.replace(/; .*$/, '')}`;
  return title;
}
