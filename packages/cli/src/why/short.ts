/**
 * What each open file waits for, in a few words: for lists that have one line for each.
 *
 * Owns: which of several waits is told, and the words. Must not know: the lists.
 */
import type { Snapshot } from '@pedrera/uapi';
import { findCauses } from './causes.js';
import type { CauseKind, WaitNode } from './document.js';
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

/** By `fileKey`. Files that wait for nothing have no entry; of several waits the worst is told. */
export function shortWaits(snapshot: Snapshot): ReadonlyMap<string, string> {
  const graph = buildGraph(snapshot);
  const { causes } = findCauses(graph, () => true, { withMoving: true });
  const told = new Map<string, string>();
  for (const { kind, waiting } of causes) {
    for (const id of waiting) {
      const node = graph.nodes.get(id);
      if (node === undefined || node.pid === null) continue;
      const key = fileKey(node.pid, node.device);
      if (!told.has(key)) told.set(key, MARKS[kind] + shortText(firstObstacle(graph.edges, graph.nodes, node)));
    }
  }
  return told;
}

export function fileKey(pid: number, device: number | null): string {
  return `${pid} ${device}`;
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
