/**
 * The support matrix of the user API: how faithful each call, flag and value is, and what says so.
 *
 * Owns: the levels of flags and values (those of calls are in their entries), and the form of a row. Must not know: packets and queues
 * (the hw package has those rows), or who shows the matrix.
 */
import type { ErrnoCode } from '@pedrera/base';
import * as constants from './constants.js';
import type { Level } from './ioctl.js';
import { BLOCK_BY_NR } from './ioctls/blocks.js';
import { ENTRIES, type Entry } from './table.js';

export interface SupportRow {
  readonly kind: 'call' | 'flag' | 'value';
  readonly name: string;
  /** Names in the C header; empty for what it does not have. */
  readonly c: readonly string[];
  readonly level: Level;
  /** With what it is refused. */
  readonly errno?: ErrnoCode;
  readonly note?: string;
  /** File below drivers/misc/habanalabs of Linux 6.1; absent for this project's own. */
  readonly source?: string;
  /** Section of the reference. */
  readonly section: string;
}

interface Support {
  readonly level: Level;
  readonly errno?: ErrnoCode;
  readonly note?: string;
}

const exact: Support = { level: 'exact' };
const noted = (level: Level, note: string): Support => ({ level, note });
const refused = (errno: ErrnoCode, note: string): Support => ({ level: 'refused', errno, note });
const ignored: Support = noted('exact', 'no effect, as on Gaudi');

const NO_INTERRUPTS = refused('EPERM', 'Gaudi has no user interrupts');
const NO_CORES = refused('EINVAL', 'Gaudi has no engine cores');
const RESERVATION = noted('functional', 'a reservation left over at close is given up; attaching one twice is EINVAL');

interface Group<V extends Readonly<Record<string, number>>> {
  readonly name: string;
  readonly kind: 'flag' | 'value';
  readonly values: V;
  readonly source: string;
  readonly section: string;
  readonly support: { readonly [K in keyof V]: Support };
}

/** A group without a row for each member does not compile. */
function group<V extends Readonly<Record<string, number>>>(of: Group<V>): Group<Readonly<Record<string, number>>> {
  return of as unknown as Group<Readonly<Record<string, number>>>;
}

function all<V extends Readonly<Record<string, number>>>(values: V, support: Support): { [K in keyof V]: Support } {
  return Object.fromEntries(Object.keys(values).map((name) => [name, support])) as { [K in keyof V]: Support };
}

const IOCTL = 'common/habanalabs_ioctl.c';
const SUBMISSION = 'common/command_submission.c';

const GROUPS = [
  group({
    name: 'CB_FLAGS',
    kind: 'flag',
    values: constants.CB_FLAGS,
    source: 'common/command_buffer.c',
    section: 'uapi.md 3.2',
    support: {
      MAP: refused('ENOMEM', 'Gaudi maps no command buffers'),
      GET_DEVICE_VA: refused('EINVAL', 'no command buffer on Gaudi has a device address'),
    },
  }),
  group({
    name: 'CS_FLAGS',
    kind: 'flag',
    values: constants.CS_FLAGS,
    source: SUBMISSION,
    section: 'uapi.md 4.1 to 4.12',
    support: {
      FORCE_RESTORE: exact,
      SIGNAL: exact,
      WAIT: exact,
      COLLECTIVE_WAIT: noted('exact', 'EINVAL unless the daemon enables NIC ports, as upstream has it'),
      TIMESTAMP: exact,
      STAGED: exact,
      STAGED_FIRST: exact,
      STAGED_LAST: exact,
      CUSTOM_TIMEOUT: exact,
      SKIP_RESET_ON_TIMEOUT: exact,
      ENCAP_SIGNALS: RESERVATION,
      RESERVE_SIGNALS_ONLY: RESERVATION,
      UNRESERVE_SIGNALS_ONLY: RESERVATION,
      ENGINE_CORE_COMMAND: NO_CORES,
    },
  }),
  group({
    name: 'CS_CHUNK_FLAGS',
    kind: 'flag',
    values: constants.CS_CHUNK_FLAGS,
    source: SUBMISSION,
    section: 'uapi.md 4.3',
    support: { USER_ALLOC_CB: ignored },
  }),
  group({
    name: 'ENGINE_CORE_COMMAND',
    kind: 'value',
    values: constants.ENGINE_CORE_COMMAND,
    source: SUBMISSION,
    section: 'uapi.md 4.12',
    support: all(constants.ENGINE_CORE_COMMAND, NO_CORES),
  }),
  group({
    name: 'CS_STATUS',
    kind: 'value',
    values: constants.CS_STATUS,
    source: SUBMISSION,
    section: 'uapi.md 4.1',
    support: all(constants.CS_STATUS, exact),
  }),
  group({
    name: 'WAIT_FLAGS',
    kind: 'flag',
    values: constants.WAIT_FLAGS,
    source: SUBMISSION,
    section: 'uapi.md 4.14 to 4.16',
    support: {
      INTERRUPT: NO_INTERRUPTS,
      MULTI_CS: noted('functional', 'wakes when any of the list is complete, signal and wait submissions included'),
      INTERRUPT_KERNEL_CQ: NO_INTERRUPTS,
      REGISTER_INTERRUPT: NO_INTERRUPTS,
    },
  }),
  group({
    name: 'WAIT_INTERRUPT',
    kind: 'flag',
    values: constants.WAIT_INTERRUPT,
    source: SUBMISSION,
    section: 'uapi.md 4.16',
    support: all(constants.WAIT_INTERRUPT, NO_INTERRUPTS),
  }),
  group({
    name: 'WAIT_STATUS',
    kind: 'value',
    values: constants.WAIT_STATUS,
    source: SUBMISSION,
    section: 'uapi.md 4.14',
    support: all(constants.WAIT_STATUS, exact),
  }),
  group({
    name: 'WAIT_OUT_FLAGS',
    kind: 'flag',
    values: constants.WAIT_OUT_FLAGS,
    source: SUBMISSION,
    section: 'uapi.md 4.14, 4.15',
    support: all(constants.WAIT_OUT_FLAGS, exact),
  }),
  group({
    name: 'MEM_FLAGS',
    kind: 'flag',
    values: constants.MEM_FLAGS,
    source: 'common/memory.c',
    section: 'uapi.md 5.1 to 5.4',
    support: {
      CONTIGUOUS: noted('functional', 'no effect under the exclusive policy, as on Gaudi'),
      SHARED: noted('functional', 'no effect under the exclusive policy, as on Gaudi'),
      USERPTR: exact,
      FORCE_HINT: exact,
      PREFETCH: ignored,
    },
  }),
  group({
    name: 'DEVICE_STATUS',
    kind: 'value',
    values: constants.DEVICE_STATUS,
    source: 'common/device.c',
    section: 'uapi.md 1.6',
    support: {
      ...all(constants.DEVICE_STATUS, exact),
      IN_DEVICE_CREATION: noted('exact', 'never seen: a device answers once it is there'),
      IN_RESET_AFTER_DEVICE_RELEASE: noted('exact', 'never seen: on Gaudi such a reset is a hard one'),
    },
  }),
  group({
    name: 'NOTIFIER_EVENT',
    kind: 'flag',
    values: constants.NOTIFIER_EVENT,
    source: 'gaudi/gaudi.c',
    section: 'uapi.md 7.4, 7.5',
    support: {
      ...all(constants.NOTIFIER_EVENT, exact),
      TPC_ASSERT: noted('functional', 'comes by injection only: no TPC kernels run'),
      DEVICE_UNAVAILABLE: noted('exact', 'never seen: the simulated device is not secured'),
    },
  }),
  group({
    name: 'CLK_THROTTLE',
    kind: 'flag',
    values: constants.CLK_THROTTLE,
    source: IOCTL,
    section: 'uapi.md 2.4',
    support: all(constants.CLK_THROTTLE, noted('functional', 'starts and ends by injection')),
  }),
  group({
    name: 'CLK_THROTTLE_TYPE',
    kind: 'value',
    values: constants.CLK_THROTTLE_TYPE,
    source: IOCTL,
    section: 'uapi.md 2.4',
    support: all(constants.CLK_THROTTLE_TYPE, exact),
  }),
  group({
    name: 'RAZWI_TYPE',
    kind: 'value',
    values: constants.RAZWI_TYPE,
    source: 'gaudi/gaudi.c',
    section: 'uapi.md 7.6',
    support: all(constants.RAZWI_TYPE, exact),
  }),
  group({
    name: 'PLL_INDEX',
    kind: 'value',
    values: constants.PLL_INDEX,
    source: 'common/firmware_if.c',
    section: 'uapi.md 2.7',
    support: all(constants.PLL_INDEX, noted('functional', 'frequencies are those of a model')),
  }),
  group({
    name: 'DCORE_ID',
    kind: 'value',
    values: constants.DCORE_ID,
    source: IOCTL,
    section: 'uapi.md 2.7',
    support: all(constants.DCORE_ID, exact),
  }),
  group({
    name: 'SERVER_TYPE',
    kind: 'value',
    values: constants.SERVER_TYPE,
    source: IOCTL,
    section: 'uapi.md 2.5',
    support: all(constants.SERVER_TYPE, noted('exact', 'the simulated server is of no known type')),
  }),
] as const;

const OP_GROUPS: ReadonlyMap<number, string> = new Map([
  [1, 'INFO_OP'],
  [2, 'CB_OP'],
  [5, 'MEM_OP'],
  [6, 'DEBUG_OP'],
]);

/** Macro of the number and name of the op, as a C program writes them. */
function cNames({ nr, op }: Entry): readonly string[] {
  const block = BLOCK_BY_NR.get(nr);
  if (block === undefined) return [];
  const ops = constants.CONSTANT_GROUPS.find(({ name }) => name === OP_GROUPS.get(nr));
  const key = Object.entries(ops?.values ?? {}).find(([, value]) => value === op)?.[0];
  return ops === undefined || key === undefined ? [block.macro] : [block.macro, ops.c(key)];
}

function callSupport(entry: Entry): SupportRow {
  const { name, level, errors, evidence } = entry;
  // The last cause of a refusal is the one that is always met.
  const cause = level === 'refused' ? errors.at(-1) : undefined;
  const refusal = cause === undefined ? {} : { errno: cause.errno, note: cause.when };
  return { kind: 'call', name, c: cNames(entry), level, ...refusal, ...evidence };
}

function memberSupport({ name, kind, values, source, section, support }: (typeof GROUPS)[number]): SupportRow[] {
  const c = constants.CONSTANT_GROUPS.find((known) => known.name === name)?.c ?? ((key: string) => key);
  return Object.keys(values).map((key) => ({
    kind,
    name: `${name}.${key}`,
    c: [c(key)],
    ...(support[key] ?? exact),
    source,
    section,
  }));
}

/** Every call, then every flag and value, each once. */
export const SUPPORT: readonly SupportRow[] = [...ENTRIES.map(callSupport), ...GROUPS.flatMap(memberSupport)];
