/**
 * Why a test says nothing in a mode.
 *
 * Owns: the reason, and what can be said of a test before it is run. Must not know how a mode works.
 */
import { entryOf, type IoctlName, TABLE } from '@pedrera/uapi';
import type { ConformanceTest } from './conformance-test.js';
import type { Mode } from './transport.js';

/** Thrown where a test turns out to need what its mode has not. */
export class DoesNotApply extends Error {}

/** Calls of this project's own that stand for one of Linux, which a C program makes. */
const SPOKEN_IN_C: ReadonlySet<IoctlName> = new Set<IoctlName>([
  'HELLO',
  'OPEN',
  'MMAP',
  'DMABUF_CLOSE',
  'DMABUF_SEEK',
  'FILE_STAT',
  'FILE_LIST',
  'FILE_READ',
  'FILE_WRITE',
]);

export function ownCall(name: IoctlName): string {
  return `needs a call of this project’s own, which no C program makes: ${name}`;
}

/** Of a test that is for one mode alone. */
const ONLY: Readonly<Record<Mode, string>> = {
  'in-process': 'needs virtual time, or more of something than a machine has',
  sockets: 'receives descriptors over a socket by itself',
  shim: 'is about memory and signals of a C program',
};

/** Undefined: it may be run. */
export function whyNot({ modes, covers, notInC }: ConformanceTest, mode: Mode): string | undefined {
  if (!modes.includes(mode)) {
    return ONLY[modes[0] ?? mode];
  }
  if (mode !== 'shim' || notInC !== undefined) {
    return mode === 'shim' ? notInC : undefined;
  }
  for (const key of covers) {
    const [name = ''] = key.split('/');
    if (isCall(name) && entryOf(name).abi === undefined && !SPOKEN_IN_C.has(name)) {
      return ownCall(name);
    }
  }
  return undefined;
}

function isCall(name: string): name is IoctlName {
  return Object.hasOwn(TABLE, name);
}
