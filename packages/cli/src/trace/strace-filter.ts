/**
 * Which calls `pedrera strace` shows: what -e means.
 *
 * Owns: the grammar of an expression, and the families of calls. Pure.
 */
import { type CallRecord, ENTRIES } from '@pedrera/uapi';
import { usageError } from '../exit.js';

export type CallFilter = (call: CallRecord) => boolean;

/** Families, by how the names of their calls begin; the first that fits is the call's. */
const FAMILIES: readonly (readonly [string, RegExp])[] = [
  ['session', /^(HELLO|OPEN|SIDE_CHANNEL|MMAP|MUNMAP)$/],
  ['info', /^INFO_/],
  ['cb', /^CB_/],
  ['cs', /^CS(_|$)/],
  ['wait', /^(WAIT_|DESCRIPTOR_POLL)/],
  ['memory', /^(MEMORY_|HOST_)/],
  ['debug', /^DEBUG_/],
  ['lease', /_LEASE$/],
  ['dmabuf', /^(DMABUF_|SYNC_EXPORT|MEMORY_EXPORT)/],
  ['sync', /^SYNC_/],
  ['rdma', /^(IMPORTER_|MR_|RDMA_)/],
  ['inspect', /^INSPECT_/],
  ['file', /^FILE_/],
  ['inject', /^INJECT/],
  ['trace', /^TRACE_/],
];

const LEVELS = new Map(ENTRIES.map(({ name, level }) => [name as string, level]));

/**
 * What has to hold of a call, all of it: `fault` (it failed), `ok`, or a list of calls and %families, with or without `trace=` in front.
 * `!` in front of a name takes it out; a list of such names only means all the others. With `unsupported`, what no program is served. Throws a usage error for what names no call and no family.
 */
export function callFilter(expressions: readonly string[], unsupported: boolean): CallFilter {
  const tests = expressions.map(testOf);
  if (unsupported) tests.push(isUnsupported);
  return (call) => tests.every((test) => test(call));
}

/** Calls that only ever fail, and those nobody serves. */
function isUnsupported({ call, errno }: CallRecord): boolean {
  const level = LEVELS.get(call);
  return level === 'refused' || (level === undefined && errno !== null) || errno === 'ENOTTY';
}

function testOf(expression: string): CallFilter {
  if (expression === 'fault' || expression === 'failed') return ({ errno }) => errno !== null;
  if (expression === 'ok') return ({ errno, res }) => errno === null && res !== null;
  const list = expression.replace(/^trace=/, '');
  const tests = list.split(',').map((word) => ({
    not: word.trim().startsWith('!'),
    names: namesOf(word.trim().replace(/^!/, ''), expression),
  }));
  const wanted = tests.filter(({ not }) => !not);
  const refused = tests.filter(({ not }) => not);
  return ({ call }) =>
    (wanted.length === 0 || wanted.some(({ names }) => names(call))) && !refused.some(({ names }) => names(call));
}

function namesOf(word: string, expression: string): (call: string) => boolean {
  if (word === 'all') return () => true;
  if (word === 'none') return () => false;
  if (word.startsWith('%')) {
    const family = FAMILIES.find(([name]) => name === word.slice(1));
    if (family === undefined) {
      throw usageError(`-e '${expression}': no family is called ${word}; families are ${familyNames()}`);
    }
    return (call) => familyOf(call) === family[0];
  }
  const name = word.toUpperCase();
  if (!LEVELS.has(name)) {
    throw usageError(
      `-e '${expression}': no call is called ${word}`,
      `families are ${familyNames()}; calls: docs/uapi.md`,
    );
  }
  return (call) => call === name;
}

function familyNames(): string {
  return FAMILIES.map(([name]) => `%${name}`).join(' ');
}

function familyOf(call: string): string {
  return FAMILIES.find(([, pattern]) => pattern.test(call))?.[0] ?? 'other';
}
