/**
 * Two recordings of the same thing: where they differ.
 *
 * Owns: which values may differ between two runs (times, pids, tokens, addresses as long as they differ consistently), the order of the
 * comparison. Pure: records in, the first difference out.
 */
import { type CallRecord, type DigestRecord, TRACE_KIND, type TraceRecord } from '@pedrera/uapi';
import { callText } from './strace-text.js';

export interface Difference {
  /** `client 2 (prog.mjs, hl0), call 7`. */
  readonly where: string;
  readonly what: string;
  readonly first: string;
  readonly second: string;
}

export interface Comparison {
  readonly schema: 'pedrera.trace-comparison/1';
  readonly identical: boolean;
  /** Without connections that only carry memory for others. */
  readonly clients: number;
  readonly calls: number;
  readonly submissions: number;
  readonly digests: number;
  /** Calls that were answered with the same error on both sides; the first few of them. */
  readonly failed: readonly string[];
  /** Calls that were not compared, because they cannot be made again. */
  readonly skipped: number;
  /** Memory of the programs themselves, which is in no recording: others were used for it, and no memory compared. */
  readonly standIns: number;
  readonly difference: Difference | null;
}

interface Story {
  readonly name: string;
  readonly calls: CallRecord[];
  readonly digests: DigestRecord[];
}

interface Sides {
  readonly clients: readonly Story[];
  /** What each context did: `hl0 #1` -> a line a submission. */
  readonly contexts: ReadonlyMap<string, readonly string[]>;
}

/** Answers that say how the machine is, not what the call did. */
const VOLATILE_CALLS =
  /^(INSPECT_|INFO_(TIME|CLK|POWER|PCI|DEVICE_UTIL|TOTAL|OPEN_STATS|CS_COUNTERS|ENGINE|HW_IDLE)|FILE_|TRACE_)/;
/**
 * An ASID is that of a context before it, or not: that depends on when the daemon was through with the other. A descriptor is the lowest
 * number that is free: where calls were left out that is another.
 */
const VOLATILE_FIELDS = /time|pid$|build|token|^flags$|^asid$|^fd$|^syncFile$|^process$/i;
const TOLD_FAILURES = 20;
/** Values from here on are addresses and handles: they may differ, if they do so everywhere. */
const FIRST_NAME = 2 ** 32;

/** Of a call that was not made on the second side: how many calls were made there in its place. */
type Skip = (call: CallRecord) => number | undefined;

export function compareTraces(
  first: Iterable<TraceRecord>,
  second: Iterable<TraceRecord>,
  skip: Skip = () => undefined,
): Comparison {
  const [one, two] = [sidesOf(first), sidesOf(second)];
  const counts = { calls: 0, submissions: 0, digests: 0, failed: [] as string[], skipped: 0, standIns: 0 };
  const difference = firstDifference(one, two, skip, counts);
  return {
    schema: 'pedrera.trace-comparison/1',
    identical: difference === null,
    clients: one.clients.filter(({ calls }) => calls.some(({ call }) => call !== 'SIDE_CHANNEL')).length,
    ...counts,
    difference,
  };
}

function firstDifference(
  one: Sides,
  two: Sides,
  skip: Skip,
  counts: { calls: number; submissions: number; digests: number; failed: string[]; skipped: number; standIns: number },
): Difference | null {
  const names = new Names();
  const pairs = Math.max(one.clients.length, two.clients.length);
  for (let i = 0; i < pairs; i++) {
    const [mine, theirs] = [one.clients[i], two.clients[i]];
    const where = `client ${i + 1} (${(mine ?? theirs)?.name ?? ''})`;
    if (mine === undefined || theirs === undefined) {
      return {
        where,
        what: 'one side has no such client',
        first: mine?.name ?? 'none',
        second: theirs?.name ?? 'none',
      };
    }
    const found = callDifference(mine.calls, theirs.calls, { where, names, skip, counts });
    if (found !== null) return found;
  }
  for (let i = 0; i < (counts.standIns === 0 ? pairs : 0); i++) {
    const [mine, theirs] = [one.clients[i]?.digests ?? [], two.clients[i]?.digests ?? []];
    counts.digests += mine.length;
    const [first, second] = [mine.map(digestText), theirs.map(digestText)];
    const at = first.findIndex((text, j) => text !== second[j]);
    if (at >= 0 || first.length !== second.length) {
      const place = at >= 0 ? at : Math.min(first.length, second.length);
      const where = `client ${i + 1} (${one.clients[i]?.name ?? ''})`;
      return { where, what: 'memory at its end', first: first[place] ?? 'none', second: second[place] ?? 'none' };
    }
  }
  for (const context of new Set([...one.contexts.keys(), ...two.contexts.keys()])) {
    const [mine, theirs] = [one.contexts.get(context) ?? [], two.contexts.get(context) ?? []];
    counts.submissions += mine.length;
    const length = Math.max(mine.length, theirs.length);
    for (let i = 0; i < length; i++) {
      if (mine[i] === theirs[i]) continue;
      return { where: context, what: 'submissions', first: mine[i] ?? 'none', second: theirs[i] ?? 'none' };
    }
  }
  return null;
}

interface CallComparison {
  readonly where: string;
  readonly names: Names;
  readonly skip: Skip;
  readonly counts: { calls: number; failed: string[]; skipped: number; standIns: number };
}

function callDifference(
  mine: readonly CallRecord[],
  theirs: readonly CallRecord[],
  { where, names, skip, counts }: CallComparison,
): Difference | null {
  const others = theirs[Symbol.iterator]();
  let number = 0;
  for (const call of mine) {
    number++;
    const instead = skip(call);
    if (instead !== undefined) {
      counts.skipped++;
      if (instead > 0) counts.standIns++;
      for (let i = 0; i < instead; i++) others.next();
      continue;
    }
    const other = others.next().value as CallRecord | undefined;
    counts.calls++;
    const what = other === undefined ? 'the call is missing' : differs(call, other, names);
    if (what !== undefined) {
      return {
        where: `${where}, call ${number}`,
        what,
        first: callText(call),
        second: other === undefined ? '' : callText(other),
      };
    }
    if (call.errno !== null && counts.failed.length < TOLD_FAILURES) {
      counts.failed.push(`${where}, call ${number}: ${callText(call)}`);
    }
  }
  const more = others.next().value as CallRecord | undefined;
  return more === undefined
    ? null
    : { where: `${where}, call ${number + 1}`, what: 'there is one more call', first: '', second: callText(more) };
}

function differs(call: CallRecord, other: CallRecord, names: Names): string | undefined {
  if (call.call !== other.call) return 'another call';
  if (!names.same(call.req, other.req, 'req')) return 'its arguments';
  // A call that was cut off by the end of the recording may have got its answer in the other.
  if (call.res === null && call.errno === null) return undefined;
  if (call.errno !== other.errno) return 'how it ended';
  if (call.errno !== null || VOLATILE_CALLS.test(call.call)) return undefined;
  // Whether the work was done yet when it was asked for depends on the machine.
  if (call.call === 'WAIT_CS') return undefined;
  // Where memory of the daemon lies is its own business.
  const [mine, theirs] =
    call.call === 'MMAP' ? [{ length: call.res?.length }, { length: other.res?.length }] : told(call.res, other.res);
  return names.same(mine, theirs, 'res') ? undefined : 'its result';
}

type Result = CallRecord['res'];

/** A C program's struct has a place for what the answer does not tell, too; in the replay it is not there. */
function told(mine: Result, theirs: Result): readonly [Result, Result] {
  if (mine === null || theirs === null) return [mine, theirs];
  const common = (one: object, two: object) => Object.fromEntries(Object.entries(one).filter(([key]) => key in two));
  return [common(mine, theirs), common(theirs, mine)];
}

/** Names of one run for those of the other: the first meeting decides, later ones must agree. */
class Names {
  readonly #known = new Map<string, string>();

  same(one: unknown, two: unknown, field: string): boolean {
    if (VOLATILE_FIELDS.test(field)) return true;
    if (one instanceof Uint8Array && two instanceof Uint8Array) {
      return one.length === 16 ? this.#named(hex(one), hex(two)) : Buffer.compare(one, two) === 0;
    }
    if (typeof one === 'bigint' && typeof two === 'bigint') return this.#named(`${one}`, `${two}`);
    if (typeof one === 'number' && typeof two === 'number') {
      return one === two || (one >= FIRST_NAME && two >= FIRST_NAME && this.#named(`${one}`, `${two}`));
    }
    if (Array.isArray(one) && Array.isArray(two)) {
      return one.length === two.length && one.every((value, i) => this.same(value, two[i], field));
    }
    if (typeof one === 'object' && typeof two === 'object' && one !== null && two !== null) {
      const [mine, theirs] = [one as Record<string, unknown>, two as Record<string, unknown>];
      return [...new Set([...Object.keys(mine), ...Object.keys(theirs)])].every((key) =>
        this.same(mine[key], theirs[key], key),
      );
    }
    return one === two;
  }

  #named(one: string, two: string): boolean {
    const known = this.#known.get(one);
    if (known === undefined) this.#known.set(one, two);
    return known === undefined || known === two;
  }
}

function sidesOf(records: Iterable<TraceRecord>): Sides {
  const clients = new Map<number, Story>();
  const contexts = new Map<string, string[]>();
  const names = new ContextNames();
  const submissions = new Map<string, { line: string; context: string; at: number }>();
  for (const record of records) {
    if (record.kind === 'client' || record.kind === 'call') {
      const story = clients.get(record.client) ?? { name: '', calls: [], digests: [] };
      const name = `${record.program || 'a program'}${record.node === '' ? '' : `, ${record.node}`}`;
      clients.set(record.client, { ...story, name: record.program === '' && story.name !== '' ? story.name : name });
      if (record.kind === 'call') {
        story.calls.push(record);
        if (record.call === 'OPEN' && record.res !== null) names.opened(record.res);
      }
    } else if (record.kind === 'digest') clients.get(record.client)?.digests.push(record);
    else if (record.kind === 'submit') {
      const context = names.of(record);
      const lines = contexts.get(context) ?? [];
      contexts.set(context, lines);
      const line = `submission ${record.seq} on queues ${record.queues.join(' ')}`;
      submissions.set(`${context}/${record.seq}`, { line, context, at: lines.length });
      lines.push(`${line}: not finished`);
    } else if (record.kind === 'finish') {
      const context = names.of(record);
      const begun = submissions.get(`${context}/${record.seq}`);
      const lines = contexts.get(context);
      if (begun !== undefined && lines !== undefined) lines[begun.at] = `${begun.line}: ${record.error ?? 'done'}`;
    }
  }
  for (const { calls } of clients.values()) calls.sort((a, b) => a.number - b.number);
  return { clients: [...clients.values()], contexts };
}

/** Contexts by the order in which they were opened: their address spaces may have other numbers, and those of contexts that are gone. */
class ContextNames {
  readonly #now = new Map<string, number>();
  #count = 0;

  opened({ device, asid }: Record<string, unknown>): void {
    this.#now.set(`${device}/${asid}`, ++this.#count);
  }

  of({ device, asid }: { device: number; asid: number }): string {
    const key = `${device}/${asid}`;
    const number = this.#now.get(key) ?? ++this.#count;
    this.#now.set(key, number);
    return `context ${number} on hl${device}`;
  }
}

function digestText({ of, bytes, digest }: DigestRecord): string {
  return `${of} of ${bytes} bytes: ${digest}`;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** Why a recording cannot be replayed; undefined when it can. */
export function whyNotReplayable({ kinds, lost }: { kinds: number; lost: number }): string | undefined {
  if ((kinds & TRACE_KIND.CONTENTS) === 0) return 'it was not recorded for that (trace record --replayable)';
  if (lost > 0) return `${lost} of its records were lost (record with more --memory)`;
  return undefined;
}
