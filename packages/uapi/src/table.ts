/**
 * The table: every call of the contract, once.
 *
 * Owns: the merge, and look-up by wire code and by the driver's numbers.
 * Must not know: what is derived from it.
 */

import type { ObjectOf } from './composite-kinds.js';
import { type AnyIoctl, callCode, OPS_PER_NR } from './ioctl.js';
import { CB_CREATE, CB_DESTROY, CB_INFO } from './ioctls/cb.js';
import { CS } from './ioctls/cs.js';
import { HOST_ALLOC, HOST_FREE, SRAM_LEASE, SYNC_LEASE } from './ioctls/host.js';
import {
  INFO_CS_COUNTERS,
  INFO_DEVICE_STATUS,
  INFO_DRAM_USAGE,
  INFO_HW_IDLE,
  INFO_HW_IP_INFO,
  INFO_OPEN_STATS,
  INFO_RESET_COUNT,
  INFO_SYNC_MANAGER,
  INFO_TIME_SYNC,
} from './ioctls/info.js';
import { INSPECT_BUFFERS, INSPECT_CLIENTS, INSPECT_DAEMON, INSPECT_QUEUES } from './ioctls/inspect.js';
import {
  MEMORY_ALLOC,
  MEMORY_EXPORT_DMABUF_FD,
  MEMORY_FREE,
  MEMORY_MAP_DEVICE,
  MEMORY_MAP_HOST,
  MEMORY_UNMAP,
} from './ioctls/memory.js';
import { HELLO, MMAP, MUNMAP, OPEN, SIDE_CHANNEL } from './ioctls/session.js';
import { DMABUF_CLOSE, DMABUF_IMPORT, DMABUF_TOKEN, SYNC_EXPORT } from './ioctls/sharing.js';
import { WAIT_CS } from './ioctls/wait.js';

export const TABLE = {
  HELLO,
  OPEN,
  SIDE_CHANNEL,
  MMAP,
  MUNMAP,
  INFO_HW_IP_INFO,
  INFO_DEVICE_STATUS,
  INFO_HW_IDLE,
  INFO_DRAM_USAGE,
  INFO_CS_COUNTERS,
  INFO_SYNC_MANAGER,
  INFO_TIME_SYNC,
  INFO_RESET_COUNT,
  INFO_OPEN_STATS,
  CB_CREATE,
  CB_DESTROY,
  CB_INFO,
  CS,
  WAIT_CS,
  MEMORY_ALLOC,
  MEMORY_FREE,
  MEMORY_MAP_HOST,
  MEMORY_MAP_DEVICE,
  MEMORY_UNMAP,
  MEMORY_EXPORT_DMABUF_FD,
  HOST_ALLOC,
  HOST_FREE,
  SYNC_LEASE,
  SRAM_LEASE,
  SYNC_EXPORT,
  DMABUF_TOKEN,
  DMABUF_CLOSE,
  DMABUF_IMPORT,
  INSPECT_QUEUES,
  INSPECT_CLIENTS,
  INSPECT_BUFFERS,
  INSPECT_DAEMON,
} as const;

export type Table = typeof TABLE;
export type IoctlName = keyof Table;
export type Req<N extends IoctlName> = ObjectOf<Table[N]['req']>;
export type Res<N extends IoctlName> = ObjectOf<Table[N]['res']>;

/** An entry as generic code sees it; its name is one of the table's. */
export type Entry = AnyIoctl & { readonly name: IoctlName };

/** All entries in table order. */
export const ENTRIES: readonly Entry[] = Object.values(TABLE) as unknown as readonly Entry[];

const BY_CODE = new Map<number, Entry>(ENTRIES.map((entry) => [entry.code, entry]));

export function byCode(code: number): Entry | undefined {
  return BY_CODE.get(code);
}

export function entryOf(name: IoctlName): Entry {
  return TABLE[name] as unknown as Entry;
}

const BY_OP = new Map<number, Entry[]>();
for (const entry of ENTRIES) {
  if (entry.abi === undefined) continue;
  const key = callCode(entry.nr, entry.op);
  const sharing = BY_OP.get(key) ?? [];
  // Those with a condition come first: the one without is what remains.
  if (entry.variant === undefined) sharing.push(entry);
  else sharing.unshift(entry);
  BY_OP.set(key, sharing);
}

/** The entries a C program's nr and op can mean; more than one when a flag decides. */
export function byOp(nr: number, op: number): readonly Entry[] {
  // A larger op would run into the codes of the next number.
  return op < OPS_PER_NR ? (BY_OP.get(callCode(nr, op)) ?? []) : [];
}
