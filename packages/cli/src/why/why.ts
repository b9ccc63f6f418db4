/**
 * From a snapshot to the answer of `pedrera why`.
 *
 * Owns: whose waits are asked about, and what of the graph goes into the document. Pure.
 */
import { SNAPSHOT_SECTION, type Snapshot } from '@pedrera/uapi';
import { Books } from './books.js';
import { findCauses } from './causes.js';
import type { WaitGraph, WaitNode, WhyDocument } from './document.js';
import { buildGraph } from './graph.js';

export const WHY_SECTIONS =
  SNAPSHOT_SECTION.DEVICES |
  SNAPSHOT_SECTION.ENGINES |
  SNAPSHOT_SECTION.CLIENTS |
  SNAPSHOT_SECTION.QUEUES |
  SNAPSHOT_SECTION.SUBMISSIONS |
  SNAPSHOT_SECTION.CALLS |
  SNAPSHOT_SECTION.SYNC |
  SNAPSHOT_SECTION.PRODUCERS;

/** `null`: everything that is stuck. */
export type Asked =
  | { readonly pid: number }
  /** Contexts count their submissions each for themselves: the number alone may be that of several. */
  | { readonly seq: number; readonly device?: number; readonly asid?: number }
  | null;

export function explain(snapshot: Snapshot, asked: Asked): WhyDocument {
  const books = new Books(snapshot);
  const graph = buildGraph(books);
  const { causes, moving } = findCauses(graph, startFilter(asked, graph), { withMoving: asked !== null });
  const shown = new Set(causes.flatMap(({ chain, waiting }) => [...chain, ...waiting]));
  const nodes = [...shown].flatMap((id) => graph.nodes.get(id) ?? []);
  const edges = nodes.flatMap(({ id }) => (graph.edges.get(id) ?? []).filter(({ to }) => shown.has(to)));
  const pids = new Set(nodes.flatMap(({ pid }) => pid ?? []));
  return {
    schema: 'pedrera.why/1',
    daemon: snapshot.daemon,
    asked: { pid: null, seq: null, ...asked },
    causes,
    notSearched: books.notSearched,
    moving,
    nodes,
    edges,
    programs: [...pids].sort((a, b) => a - b).map((pid) => ({ pid, program: books.program(pid) })),
  };
}

function startFilter(asked: Asked, graph: WaitGraph): (node: WaitNode) => boolean {
  if (asked === null) return () => true;
  if ('pid' in asked) return ({ pid }) => pid === asked.pid;
  const { seq, device, asid } = asked;
  const isIt = (node: WaitNode | undefined) =>
    node?.kind === 'submission' &&
    node.seq === seq &&
    (device === undefined || node.device === device) &&
    (asid === undefined || node.asid === asid);
  // A call that waits for it says who is waiting.
  const waitsForIt = ({ id, kind }: WaitNode) =>
    kind === 'call' && (graph.edges.get(id) ?? []).some(({ to }) => isIt(graph.nodes.get(to)));
  return (node) => isIt(node) || waitsForIt(node);
}
