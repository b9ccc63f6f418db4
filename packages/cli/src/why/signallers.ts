/**
 * Who could end a wait for a sync object or a stream's fence.
 *
 * Owns: the order of belief. Queued packets and armed monitors will signal by themselves; a process with the right to signal
 * may or may not, so it counts only when nothing is queued. Must not know: the rest of the graph.
 */
import type { AwaitedMonitor, ProducersOfObject } from '@pedrera/uapi';
import { formatDuration, plural } from '../text/units.js';
import type { Books, Holder } from './books.js';
import { type Expanded, leaf, waiting } from './node.js';
import type { Ref } from './refs.js';

export function expandFence(books: Books, ref: Ref & { kind: 'fence' }): Expanded {
  const { device, asid, pid, queue } = ref;
  const blocked = books.queue(device, asid, queue)?.blockedOn ?? null;
  if (blocked === null) return leaf('fence', 'fence', 'released', 'runs', ref);
  const { id, target, value } = blocked.fence;
  const row = books.producers(device, { kind: 'fence', asid, queue, fence: id });
  const monitors = blocked.monitors.map((monitor) => {
    return { to: { kind: 'monitor', device, asid, pid, monitor } as const, text: null };
  });
  const edges = [...monitors, ...packetEdges(row), ...unreadEdges(row)];
  const title = `fence ${id}`;
  const needs = `needs ${target}, has ${value}`;
  if (edges.length > 0) return waiting('fence', title, needs, { ...ref, needs: 'any', edges });
  if (row === undefined && books.notSearched > 0) {
    return leaf('fence', title, `${needs}; who could release it was not searched for`, 'unknown', ref);
  }
  // Only packets of the same context reach a stream's fence.
  const text = `${needs}; no armed monitor and no queued packet points at it`;
  return waiting('fence', title, text, { ...ref, edges: [{ to: { kind: 'process', pid }, text: 'its own context' }] });
}

export function expandSob(books: Books, ref: Ref & { kind: 'sob' }): Expanded {
  const { device, dcore, sob, value, mode, awaited } = ref;
  const row = books.producers(device, { kind: 'sob', dcore, sob });
  const title = `SOB ${dcore} ${sob}`;
  const now = `is ${value}, awaited ${mode} ${awaited}`;
  const helps = ({ sets }: Packet) => {
    return typeof sets !== 'number' || (mode === '==' ? sets === awaited : sets >= awaited);
  };
  const edges = [...packetEdges(row, helps), ...monitorEdges(books, device, row), ...unreadEdges(row)];
  const holders = row?.holders ?? [];
  const notes = holders.filter(({ alive }) => !alive).map(goneText);
  if (edges.length > 0) {
    const short = shortfall(row, ref);
    const at = { device, asid: ref.asid, pid: ref.pid, needs: 'any' as const, edges };
    return waiting('sync object', title, `${now}${short}`, { ...at, notes });
  }
  const alive = new Set(holders.filter(({ alive }) => alive).map(({ pid }) => pid));
  const at = { device, asid: ref.asid, pid: ref.pid, notes };
  if (row === undefined) {
    const text = books.notSearched > 0 ? 'who could signal was not searched for' : 'who could signal is not known';
    return leaf('sync object', title, `${now}; ${text}`, 'unknown', at);
  }
  if (alive.size === 0) return leaf('sync object', title, `${now}; nothing queued signals it`, 'nobody', at);
  const people = [...alive].map((pid) => ({ to: { kind: 'process', pid } as const, text: rightOf(holders, pid) }));
  return waiting('sync object', title, `${now}; nothing queued signals it`, { ...at, needs: 'any', edges: people });
}

function rightOf(holders: readonly Holder[], pid: number): string {
  const roles = new Set(holders.filter((holder) => holder.pid === pid).map(({ role }) => role));
  return roles.has('owner') ? 'its owner' : 'an importer';
}

function goneText({ pid, program, role, endedMs }: Holder): string {
  const when = endedMs === undefined || endedMs === null ? 'is gone' : `ended ${formatDuration(endedMs)} ago`;
  return `pid ${pid} ${program}, ${role === 'owner' ? 'its owner' : 'who had imported it'}, ${when}`;
}

/** What is queued is not enough. Only told when every packet says what it adds. */
function shortfall(row: ProducersOfObject | undefined, { value, mode, awaited }: Ref & { kind: 'sob' }): string {
  const packets = row?.packets ?? [];
  if (row === undefined || mode === '==' || row.monitors.length > 0 || row.unread.length > 0) return '';
  let sum = value;
  for (const { adds, sets } of packets) {
    if (typeof sets === 'number' && sets < awaited) continue;
    if (typeof adds !== 'number') return '';
    sum += adds;
  }
  return sum >= awaited ? '' : `; all that is queued makes it ${sum}`;
}

type Packet = ProducersOfObject['packets'][number];

/** Of a fence all packets count; a sync object that one of them only clears is none the nearer to what is awaited. */
function packetEdges(
  row: ProducersOfObject | undefined,
  helps: (packet: Packet) => boolean = () => true,
): Expanded['edges'] {
  // One of a submission on a queue is enough: the others wait for the same.
  return (row?.packets ?? []).filter(helps).map(({ device, asid, pid, seq, queue, text, ahead }) => ({
    to: { kind: 'job', device, asid, pid, seq, queue },
    text: `${text}, in submission ${seq} of pid ${pid}${ahead === 0 ? '' : ` behind ${plural(ahead, 'job')}`}`,
  }));
}

function unreadEdges(row: ProducersOfObject | undefined): Expanded['edges'] {
  const unread: Expanded['edges'] = (row?.unread ?? []).map((name) => {
    return { to: { kind: 'unread', ...name }, text: 'may signal' };
  });
  if (row?.cut === true) unread.push({ to: { kind: 'cut', device: row.device }, text: 'may signal' });
  return unread;
}

function monitorEdges(books: Books, device: number, row: ProducersOfObject | undefined): Expanded['edges'] {
  return (row?.monitors ?? []).flatMap(({ dcore, monitor, device: other }) => {
    const where = other ?? device;
    const armed = books.monitor(where, dcore, monitor);
    if (armed === undefined) return [];
    const { asid, pid, mode, awaited, objects } = armed;
    const watched: AwaitedMonitor = { dcore, monitor, mode, awaited, objects };
    return [
      { to: { kind: 'monitor', device: where, asid, pid, monitor: watched }, text: `monitor ${dcore} ${monitor}` },
    ];
  });
}
