/**
 * How each wait will end if nobody does anything new.
 *
 * Owns: the rule for `fate`. Everything counts as stuck until something shows otherwise, so what only waits in a circle
 * stays stuck. A node that goes on with any of what it waits for has the best of their fates, one that needs all the worst.
 */
import type { End, Fate, WaitGraph, WaitNode } from './document.js';

const RANK: Record<Fate, number> = { stuck: 0, depends: 1, moves: 2 };

const FATE_OF_END: Record<End, Fate> = {
  runs: 'moves',
  'may act': 'depends',
  unread: 'depends',
  unknown: 'depends',
  device: 'depends',
  hung: 'stuck',
  stopped: 'stuck',
  nobody: 'stuck',
};

export function rankOf({ fate }: WaitNode): number {
  return RANK[fate];
}

export function settleFates({ nodes, edges, settled }: WaitGraph): void {
  const waiters = new Map<string, WaitNode[]>();
  for (const [from, list] of edges) {
    const node = nodes.get(from);
    if (node === undefined) continue;
    for (const { to } of list) {
      const known = waiters.get(to);
      if (known === undefined) waiters.set(to, [node]);
      else known.push(node);
    }
  }
  const changed = [...nodes.values()];
  let order = 0;
  for (let node = changed.pop(); node !== undefined; node = changed.pop()) {
    const fate = fateOf(node, { nodes, edges });
    if (RANK[fate] <= RANK[node.fate]) continue;
    node.fate = fate;
    settled.set(node.id, order++);
    changed.push(...(waiters.get(node.id) ?? []));
  }
}

function fateOf(node: WaitNode, { nodes, edges }: Pick<WaitGraph, 'nodes' | 'edges'>): Fate {
  if (node.end !== null) return FATE_OF_END[node.end];
  const fates = (edges.get(node.id) ?? []).map(({ to }) => nodes.get(to)?.fate ?? 'stuck');
  if (fates.length === 0) return 'stuck';
  const wanted = fates.reduce((a, b) => (RANK[a] < RANK[b] === (node.needs === 'all') ? a : b));
  // A program that is through with its call may do what is needed, or not.
  return node.kind === 'process' && wanted === 'moves' ? 'depends' : wanted;
}
