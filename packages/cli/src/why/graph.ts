/**
 * The wait graph of a snapshot: every call and submission that waits, and what for, as far as it goes.
 *
 * Owns: going from node to node until nothing is new. Must not know: what one node waits for (expand.ts), what is to blame
 * (causes.ts).
 */
import type { Snapshot } from '@pedrera/uapi';
import { isUnfinished } from '../inspect/waits.js';
import type { Books } from './books.js';
import type { WaitGraph } from './document.js';
import { expand } from './expand.js';
import { settleFates } from './fates.js';
import { idOf, type Ref } from './refs.js';

export function buildGraph(books: Books): WaitGraph {
  const graph: WaitGraph = { nodes: new Map(), edges: new Map(), starts: [], settled: new Map() };
  const open: Ref[] = startsOf(books.snapshot);
  graph.starts = open.map(idOf);
  for (let ref = open.pop(); ref !== undefined; ref = open.pop()) {
    const id = idOf(ref);
    if (graph.nodes.has(id)) continue;
    const { edges, ...node } = expand(books, ref);
    graph.nodes.set(id, { id, ...node, fate: 'stuck' });
    const unique = new Map(edges.map(({ to, text }) => [idOf(to), text]));
    graph.edges.set(
      id,
      [...unique].map(([to, text]) => ({ from: id, to, text })),
    );
    open.push(...edges.map(({ to }) => to));
  }
  settleFates(graph);
  return graph;
}

/** Calls first: a chain that begins with a call says most. */
function startsOf({ calls = [], submissions = [] }: Snapshot): Ref[] {
  return [
    ...calls.flatMap(({ on }, index): Ref[] => (on === null ? [] : [{ kind: 'call', index }])),
    ...submissions.filter(isUnfinished).map(({ device, asid, pid, seq }): Ref => {
      return { kind: 'submission', device, asid, pid, seq };
    }),
  ];
}
