/**
 * A root cause in one sentence, and where to look next.
 *
 * Owns: the wording. Must not know: how the cause was found. The commands it names have to exist.
 */
import { plural } from '../text/units.js';
import type { Cause, CauseKind, WaitGraph, WaitNode } from './document.js';

interface Facts {
  readonly graph: WaitGraph;
  readonly kind: CauseKind;
  readonly root: WaitNode;
  readonly chain: readonly WaitNode[];
  readonly circle: readonly WaitNode[] | null;
}

export function sentenceOf(facts: Facts): string {
  const { kind, root } = facts;
  switch (kind) {
    case 'deadlock':
      return deadlock(facts);
    case 'behind itself':
      return behindItself(facts);
    case 'nobody signals':
      return nobody(facts);
    case 'not submitted':
      return notSubmitted(facts);
    case 'hung engine':
      return `Engine ${root.title.replace('engine ', '')} of device ${root.device} hangs; only a reset of the device frees it.`;
    case 'stopped queue':
      return `Queue ${root.queue} of ${owner(root)} was stopped and runs nothing more.`;
    case 'device':
      return `Device ${root.device} is ${root.text}.`;
    case 'unread packets':
      return `Whether anything queued signals cannot be told: ${root.text}.`;
    case 'unknown':
      return `The trail ends at ${root.title}: ${root.text}.`;
    case 'running':
      return `Not stuck: it waits for ${root.title}${root.device === null ? '' : ` of device ${root.device}`}, which ${root.text}.`;
  }
}

function owner({ pid, device }: WaitNode): string {
  return pid === null ? `device ${device}` : `pid ${pid} (device ${device})`;
}

/** The nodes that stand for somebody in a circle: its queues, or its processes where there are some. */
function deadlock({ circle }: Facts): string {
  const round = circle ?? [];
  const processes = round.filter(({ kind }) => kind === 'process');
  const members = processes.length > 0 ? processes : round.filter(({ kind }) => kind === 'queue');
  const parties = new Set(members.map(({ pid }) => pid));
  const names = members.map((node) => (processes.length > 0 ? node.title : `${node.queue} of ${owner(node)}`));
  const [first = '', ...others] = names;
  const links = others.map((name) => ` waits for ${name}`).join(', which');
  const who = plural(parties.size, 'process', 'processes');
  const where = new Set(round.flatMap(({ kind, device }) => (kind === 'queue' && device !== null ? [device] : [])));
  const devices = where.size > 1 ? ` on ${where.size} devices` : '';
  const may = processes.length > 0 ? ' unless another thread of one of them signals' : '';
  return `Deadlock of ${who}${devices}: ${first}${links}, which waits for ${first} again${may}.`;
}

function behindItself({ circle }: Facts): string {
  const round = circle ?? [];
  const queue = round.find(({ kind }) => kind === 'queue');
  const awaited = round.find(({ kind }) => kind === 'sync object') ?? round.find(({ kind }) => kind === 'fence');
  const behind = round.find(({ kind }) => kind === 'submission');
  const head = queue?.seq ?? null;
  const waiter = head === null ? 'what' : `submission ${head}, which`;
  const signals = behind === undefined ? 'what would signal it' : `submission ${behind.seq}, which would signal it,`;
  const same = behind !== undefined && behind.seq === head;
  const place = same ? 'comes after the wait in the same submission' : `is queued behind ${waiter} waits for it`;
  return `Deadlock on one queue (${queue?.queue} of ${queue === undefined ? '?' : owner(queue)}): it waits for ${awaited === undefined ? '?' : named(awaited)}, and ${signals} ${place}.`;
}

function nobody({ root, circle }: Facts): string {
  const self = circle?.find(({ kind }) => kind === 'process')?.pid ?? null;
  const gone = root.notes.length > 0 ? `${root.notes.join('; ')}; ` : '';
  const queued = root.kind === 'fence' ? 'no monitor and no queued packet points at it' : 'nothing queued signals it';
  const only = self === null ? '' : `, and pid ${self}, who alone still could, waits for it itself`;
  const isObject = root.kind === 'sync object' || root.kind === 'fence';
  return isObject
    ? `Nobody signals ${named(root)}: ${gone}${queued}${only}.`
    : `Nobody signals ${root.title}: ${root.text}.`;
}

/** `SOB E_N 8 (is 0, awaited >= 1)`: of its text what counts. */
function named({ title, text }: WaitNode): string {
  return `${title} (${text.replace(/; .*$/, '')})`;
}

function notSubmitted({ chain, root, graph }: Facts): string {
  const before = chain.at(-2);
  const how = before === undefined ? null : edgeText(graph, before.id, root.id);
  const reason = how === null ? '' : ` (${how})`;
  const what = before === undefined ? 'it' : named(before);
  const gone = before === undefined || before.notes.length === 0 ? '' : ` ${before.notes.join('; ')}.`;
  const program = root.text.replace(/ is alive.*$/, '');
  return `It is up to pid ${root.pid} ${program}${reason}: it has queued nothing that signals ${what}.${gone}`;
}

function edgeText({ edges }: WaitGraph, from: string, to: string): string | null {
  return edges.get(from)?.find((edge) => edge.to === to)?.text ?? null;
}

/** At most four, the most telling first. */
export function lookNext({ kind, root, chain, circle }: Facts): Cause['lookNext'] {
  const rows: Cause['lookNext'] = [];
  const add = (command: string, why: string) => {
    if (!rows.some((row) => row.command === command)) rows.push({ command, why });
  };
  const relevant = circle ?? chain;
  if (kind === 'device') {
    add('pedrera events', 'what happened to the device');
    add('pedrera status', 'whether it is back');
  }
  if (kind === 'hung engine') {
    add(`pedrera engines --device ${root.device}`, 'which engines hang');
    add(`pedrera inject reset --device ${root.device}`, 'resets the device: all its work ends with an error');
  }
  if (kind === 'nobody signals') add('pedrera events', 'how those who could have signalled ended');
  const queue = relevant.findLast(({ kind: is }) => is === 'queue');
  if (queue?.queue && queue.pid !== null) {
    add(`pedrera queues --device ${queue.device} --pid ${queue.pid} --ring ${queue.queue}`, 'packets at the head');
  }
  if (root.kind === 'process') add(`pedrera strace -p ${root.pid}`, 'what that process is doing');
  const pid = relevant.findLast(({ pid: of }) => of !== null)?.pid ?? null;
  if (pid !== null) add(`pedrera cs --pid ${pid}`, 'its submissions');
  return rows.slice(0, 4);
}
