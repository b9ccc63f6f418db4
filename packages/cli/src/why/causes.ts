/**
 * What is to blame: from everything that waits to a few root causes.
 *
 * Owns: the walk from a waiting call or submission to the end of its chain, circles, and which waits have the same cause. Must
 * not know: how a cause is put into words (words.ts).
 */
import type { Cause, CauseKind, End, WaitGraph, WaitNode } from './document.js';
import { rankOf } from './fates.js';
import { lookNext, sentenceOf } from './words.js';

/** A way from a start to where it ends. */
interface Walk {
  chain: string[];
  /** Where in the chain the circle begins that it ends in; -1 when it ends in a leaf. */
  circle: number;
}

/** `isStart` chooses whose waits are asked about. */
export function findCauses(
  graph: WaitGraph,
  isStart: (node: WaitNode) => boolean,
  { withMoving }: { withMoving: boolean },
): { causes: Cause[]; moving: number } {
  const trails = new Trails(graph);
  const byKey = new Map<string, { longest: string; starts: string[] }>();
  let moving = 0;
  for (const start of new Set(graph.starts)) {
    const node = graph.nodes.get(start);
    if (node === undefined || !isStart(node)) continue;
    if (node.fate === 'moves') {
      moving++;
      if (!withMoving) continue;
    }
    const { key, length } = trails.from(start);
    const known = byKey.get(key);
    if (known === undefined) byKey.set(key, { longest: start, starts: [start] });
    else {
      known.starts.push(start);
      if (length > trails.from(known.longest).length) known.longest = start;
    }
  }
  const causes = [...byKey.values()].map(({ longest, starts }) => causeOf(graph, walkFrom(graph, longest), starts));
  return { causes: causes.sort(worstFirst), moving };
}

interface Trail {
  /** The same for everything with the same cause. */
  readonly key: string;
  /** Nodes up to the end, or once around the circle. */
  readonly length: number;
}

/** Where the decisive way from each node ends. It is the same for all that meet it, so each node is gone through once. */
class Trails {
  readonly #graph: WaitGraph;
  readonly #known = new Map<string, Trail>();

  constructor(graph: WaitGraph) {
    this.#graph = graph;
  }

  from(start: string): Trail {
    const fresh: string[] = [];
    const places = new Map<string, number>();
    let at: string | undefined = start;
    while (at !== undefined && !this.#known.has(at) && !places.has(at)) {
      places.set(at, fresh.length);
      fresh.push(at);
      at = decisive(this.#graph, at);
    }
    const circle = at === undefined ? undefined : places.get(at);
    if (circle !== undefined) {
      const round = fresh.splice(circle);
      const trail = { key: [...round].sort().join('|'), length: round.length };
      for (const id of round) this.#known.set(id, trail);
      at = round[0];
    }
    let trail = at === undefined ? { key: keyOfLeaf(this.#graph, fresh.at(-1) ?? ''), length: 0 } : this.#trail(at);
    for (const id of fresh.reverse()) {
      trail = { key: trail.key, length: trail.length + 1 };
      this.#known.set(id, trail);
    }
    return this.#trail(start);
  }

  #trail(id: string): Trail {
    return this.#known.get(id) as Trail;
  }
}

/** Waits for different values of one sync object have the same cause. */
function keyOfLeaf({ nodes }: WaitGraph, id: string): string {
  const last = nodes.get(id);
  return last?.kind === 'sync object' ? `${last.device} ${last.title}` : id;
}

/** From each node to the one that decides how its wait ends. */
function walkFrom(graph: WaitGraph, start: string): Walk {
  const chain: string[] = [];
  const places = new Map<string, number>();
  for (let at: string | undefined = start; at !== undefined; at = decisive(graph, at)) {
    const seen = places.get(at);
    if (seen !== undefined) return { chain, circle: seen };
    places.set(at, chain.length);
    chain.push(at);
  }
  return { chain, circle: -1 };
}

/** Needs all: the worst of them. Needs any: the best. Of equal ones the one that was so first: it is the reason, not a consequence. */
function decisive({ nodes, edges, settled }: WaitGraph, id: string): string | undefined {
  const all = nodes.get(id)?.needs === 'all';
  let found: WaitNode | undefined;
  for (const { to } of edges.get(id) ?? []) {
    const next = nodes.get(to);
    if (next === undefined) continue;
    if (found === undefined) found = next;
    else {
      const better = rankOf(next) - rankOf(found);
      const earlier = (settled.get(next.id) ?? 0) < (settled.get(found.id) ?? 0);
      if (better === 0 ? earlier : better > 0 !== all) found = next;
    }
  }
  return found?.id;
}

const ORDER: Record<CauseKind, number> = {
  device: 0,
  'hung engine': 1,
  deadlock: 2,
  'behind itself': 2,
  'nobody signals': 3,
  'stopped queue': 3,
  'not submitted': 4,
  'unread packets': 5,
  unknown: 6,
  running: 7,
};

function worstFirst(a: Cause, b: Cause): number {
  return ORDER[a.kind] - ORDER[b.kind] || b.waiting.length - a.waiting.length || (a.root < b.root ? -1 : 1);
}

const KIND_OF_END: Record<End, CauseKind> = {
  runs: 'running',
  'may act': 'not submitted',
  unread: 'unread packets',
  device: 'device',
  hung: 'hung engine',
  stopped: 'stopped queue',
  nobody: 'nobody signals',
  unknown: 'unknown',
};

function causeOf(graph: WaitGraph, { chain, circle }: Walk, waiting: string[]): Cause {
  const all = chain.flatMap((id) => graph.nodes.get(id) ?? []);
  const round = circle < 0 ? null : all.slice(circle);
  const kind = round === null ? KIND_OF_END[all.at(-1)?.end ?? 'unknown'] : kindOfCircle(round);
  const root = rootOf(kind, all, round);
  const pids = new Set(waiting.flatMap((id) => graph.nodes.get(id)?.pid ?? []));
  const facts = { graph, kind, root, chain: all, circle: round };
  return {
    kind,
    sentence: sentenceOf(facts),
    fate: root.fate,
    certain: isCertain(kind, round),
    root: root.id,
    cycle: round === null ? null : round.map(({ id }) => id),
    chain,
    waiting,
    pids: [...pids].sort((a, b) => a - b),
    lookNext: lookNext(facts),
  };
}

/** A circle through one process only is a process that waits for what it would have to do itself. */
function kindOfCircle(round: readonly WaitNode[]): CauseKind {
  const processes = round.filter(({ kind }) => kind === 'process');
  if (processes.length === 1) return 'nobody signals';
  if (processes.length > 1) return 'deadlock';
  const queues = new Set(round.filter(({ kind }) => kind === 'queue').map(({ id }) => id));
  return queues.size === 1 ? 'behind itself' : 'deadlock';
}

/** The sync object or fence that nobody raises says more than the process that does not. */
function rootOf(kind: CauseKind, chain: readonly WaitNode[], round: readonly WaitNode[] | null): WaitNode {
  const last = chain.at(-1) as WaitNode;
  if (round === null) return last;
  const signalled = (node: WaitNode) => node.kind === 'sync object' || node.kind === 'fence';
  const first = round[0] ?? last;
  return kind === 'nobody signals'
    ? (round.findLast(signalled) ?? first)
    : (round.find(({ kind }) => kind === 'queue') ?? first);
}

/** What goes through a process may be ended by another thread of it. */
function isCertain(kind: CauseKind, round: readonly WaitNode[] | null): boolean {
  if (kind === 'unread packets' || kind === 'unknown' || kind === 'not submitted') return false;
  return round === null || round.every((node) => node.kind !== 'process');
}
