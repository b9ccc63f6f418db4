/** A node with what it waits for, before it has its place in the graph. */
import type { WaitNode } from './document.js';
import type { Ref } from './refs.js';

export interface Expanded extends Omit<WaitNode, 'id' | 'fate'> {
  edges: { to: Ref; text: string | null }[];
}

type Place = Partial<Pick<WaitNode, 'device' | 'asid' | 'pid' | 'seq' | 'queue' | 'ageMs'>>;

/** A node that waits for `edges`, all of them unless it says otherwise. */
export function waiting(
  kind: WaitNode['kind'],
  title: string,
  text: string,
  { edges, needs = 'all', notes = [], ...place }: Place & Pick<Partial<Expanded>, 'edges' | 'needs' | 'notes'>,
): Expanded {
  const { device = null, asid = null, pid = null, seq = null, queue = null, ageMs = null } = place;
  const at = { device, asid, pid, seq, queue, ageMs };
  const end = edges === undefined || edges.length === 0 ? 'unknown' : null;
  return { kind, title, text, ...at, needs, end, notes, edges: edges ?? [] };
}

export function leaf(
  kind: WaitNode['kind'],
  title: string,
  text: string,
  end: WaitNode['end'],
  place: Place & { notes?: string[] },
): Expanded {
  return { ...waiting(kind, title, text, place), end };
}
