/**
 * Two looks at what waits: only what both have seen is stuck.
 *
 * Owns: when a wait is the same in both. A snapshot looks at one device after the other, so a signal that is on its way between two of them
 * may be in neither; a program that moves is past it when it is looked at again. Pure.
 */
import type { Snapshot } from '@pedrera/uapi';
import type { Cause, WaitNode, WhyDocument } from './document.js';

/** What `explain` finds in what `look` sees: once, or twice where the first look found something that may pass by itself. */
export async function explainSure(
  look: () => Promise<Snapshot>,
  explain: (snapshot: Snapshot) => WhyDocument,
): Promise<{ readonly document: WhyDocument; readonly snapshot: Snapshot }> {
  const snapshot = await look();
  const first = explain(snapshot);
  if (!needsAnotherLook(first)) return { document: first, snapshot };
  const second = await look();
  return { document: confirmed(first, explain(second)), snapshot: second };
}

/** Whether a second look is needed at all. */
export function needsAnotherLook({ causes }: WhyDocument): boolean {
  return causes.some(({ kind }) => kind !== 'running' && kind !== 'device');
}

/** The second look, without causes that the first one has not seen standing at the same place. */
export function confirmed(first: WhyDocument, second: WhyDocument): WhyDocument {
  const places = new Set(first.nodes.flatMap((node) => placeOf(node) ?? []));
  const nodes = new Map(second.nodes.map((node) => [node.id, node]));
  const stands = ({ kind, chain }: Cause) => {
    const ways = chain.map((id) => placeOf(nodes.get(id) as WaitNode));
    return kind === 'running' || kind === 'device' || ways.every((place) => place === undefined || places.has(place));
  };
  const causes = second.causes.filter(stands);
  const gone = second.causes.length - causes.length;
  return gone === 0 ? second : { ...second, causes, moving: second.moving + gone };
}

/** Where a stream stands, or what a counter has come to; undefined for what says nothing about moving. */
function placeOf({ id, kind, seq, text }: WaitNode): string | undefined {
  if (kind === 'queue') return `${id} ${seq} ${text}`;
  return kind === 'sync object' || kind === 'fence' ? `${id} ${text}` : undefined;
}
