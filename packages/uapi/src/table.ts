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
import {
  DEBUG_BMON,
  DEBUG_ETF,
  DEBUG_ETR,
  DEBUG_FUNNEL,
  DEBUG_SET_MODE,
  DEBUG_SPMU,
  DEBUG_STM,
  DEBUG_TIMESTAMP,
} from './ioctls/debug.js';
import {
  DMABUF_ATTACH,
  DMABUF_DETACH,
  DMABUF_EXPORT_SYNC_FILE,
  DMABUF_IMPORT_SYNC_FILE,
  DMABUF_INFO,
  DMABUF_MAP,
  DMABUF_MMAP,
  DMABUF_MUNMAP,
  DMABUF_SEEK,
  DMABUF_SET_NAME,
  DMABUF_SYNC,
  DMABUF_UNMAP,
} from './ioctls/dma-buf.js';
import { FILE_LIST, FILE_READ, FILE_STAT, FILE_WRITE } from './ioctls/files.js';
import { HOST_ALLOC, HOST_FREE, SRAM_LEASE, SYNC_LEASE } from './ioctls/host.js';
import {
  IMPORTER_DEREG_MR,
  IMPORTER_READ_MR,
  IMPORTER_REG_MR,
  IMPORTER_WRITE_MR,
  MR_GET,
  MR_KEY,
  MR_PUT,
  RDMA_POLL,
  RDMA_POST,
} from './ioctls/importer.js';
import {
  INFO_CS_COUNTERS,
  INFO_DEV_MEM_ALLOC_PAGE_SIZES,
  INFO_DEVICE_STATUS,
  INFO_DRAM_USAGE,
  INFO_ENGINE_STATUS,
  INFO_HW_IDLE,
  INFO_HW_IP_INFO,
  INFO_OPEN_STATS,
  INFO_RESET_COUNT,
  INFO_SYNC_MANAGER,
  INFO_TIME_SYNC,
} from './ioctls/info.js';
import {
  INFO_CS_TIMEOUT_EVENT,
  INFO_GET_EVENTS,
  INFO_HW_EVENTS,
  INFO_HW_EVENTS_AGGREGATE,
  INFO_LAST_ERR_OPEN_DEV_TIME,
  INFO_RAZWI_EVENT,
  INFO_REGISTER_EVENTFD,
  INFO_UNDEFINED_OPCODE_EVENT,
  INFO_UNREGISTER_EVENTFD,
} from './ioctls/info-events.js';
import {
  INFO_CLK_RATE,
  INFO_CLK_THROTTLE_REASON,
  INFO_DEVICE_UTILIZATION,
  INFO_DRAM_PENDING_ROWS,
  INFO_DRAM_REPLACED_ROWS,
  INFO_PCI_COUNTERS,
  INFO_PLL_FREQUENCY,
  INFO_POWER,
  INFO_SECURED_ATTESTATION,
  INFO_TOTAL_ENERGY,
} from './ioctls/info-firmware.js';
import { INJECT, INJECT_ARM, INJECT_CLEAR, INJECT_LIST } from './ioctls/inject.js';
import {
  INSPECT_BUFFERS,
  INSPECT_CLIENTS,
  INSPECT_DAEMON,
  INSPECT_QUEUES,
  INSPECT_RING,
  INSPECT_SNAPSHOT,
} from './ioctls/inspect.js';
import {
  MEMORY_ALLOC,
  MEMORY_EXPORT_DMABUF_FD,
  MEMORY_FREE,
  MEMORY_MAP_BLOCK,
  MEMORY_MAP_DEVICE,
  MEMORY_MAP_HOST,
  MEMORY_TS_ALLOC,
  MEMORY_UNMAP,
} from './ioctls/memory.js';
import { CALL_INTERRUPT, HELLO, JOIN, MMAP, MUNMAP, OPEN, SIDE_CHANNEL } from './ioctls/session.js';
import {
  DESCRIPTOR_POLL,
  DMABUF_CLOSE,
  DMABUF_EXPORT,
  DMABUF_IMPORT,
  DMABUF_OPEN,
  DMABUF_RECEIVE,
  DMABUF_SEND,
  DMABUF_TOKEN,
  SYNC_EXPORT,
} from './ioctls/sharing.js';
import { CS_SYNCED, SYNC_FILE_CREATE, SYNC_FILE_INFO, SYNC_FILE_MERGE } from './ioctls/sync-file.js';
import { TRACE_READ, TRACE_START, TRACE_STOP } from './ioctls/trace.js';
import { WAIT_CS } from './ioctls/wait.js';

export const TABLE = {
  HELLO,
  OPEN,
  SIDE_CHANNEL,
  JOIN,
  CALL_INTERRUPT,
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
  INFO_DEV_MEM_ALLOC_PAGE_SIZES,
  INFO_ENGINE_STATUS,
  INFO_HW_EVENTS,
  INFO_HW_EVENTS_AGGREGATE,
  INFO_LAST_ERR_OPEN_DEV_TIME,
  INFO_CS_TIMEOUT_EVENT,
  INFO_RAZWI_EVENT,
  INFO_UNDEFINED_OPCODE_EVENT,
  INFO_GET_EVENTS,
  INFO_REGISTER_EVENTFD,
  INFO_UNREGISTER_EVENTFD,
  INFO_DEVICE_UTILIZATION,
  INFO_CLK_RATE,
  INFO_PCI_COUNTERS,
  INFO_CLK_THROTTLE_REASON,
  INFO_TOTAL_ENERGY,
  INFO_PLL_FREQUENCY,
  INFO_POWER,
  INFO_DRAM_REPLACED_ROWS,
  INFO_DRAM_PENDING_ROWS,
  INFO_SECURED_ATTESTATION,
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
  MEMORY_MAP_BLOCK,
  MEMORY_TS_ALLOC,
  DEBUG_ETR,
  DEBUG_ETF,
  DEBUG_STM,
  DEBUG_FUNNEL,
  DEBUG_BMON,
  DEBUG_SPMU,
  DEBUG_TIMESTAMP,
  DEBUG_SET_MODE,
  HOST_ALLOC,
  HOST_FREE,
  SYNC_LEASE,
  SRAM_LEASE,
  SYNC_EXPORT,
  DMABUF_TOKEN,
  DMABUF_CLOSE,
  DMABUF_IMPORT,
  DMABUF_EXPORT,
  DMABUF_OPEN,
  DMABUF_RECEIVE,
  DMABUF_SEND,
  DESCRIPTOR_POLL,
  DMABUF_ATTACH,
  DMABUF_MAP,
  DMABUF_UNMAP,
  DMABUF_DETACH,
  DMABUF_SYNC,
  DMABUF_SET_NAME,
  DMABUF_EXPORT_SYNC_FILE,
  DMABUF_IMPORT_SYNC_FILE,
  DMABUF_SEEK,
  DMABUF_INFO,
  DMABUF_MMAP,
  DMABUF_MUNMAP,
  SYNC_FILE_CREATE,
  SYNC_FILE_MERGE,
  SYNC_FILE_INFO,
  CS_SYNCED,
  IMPORTER_REG_MR,
  IMPORTER_DEREG_MR,
  IMPORTER_WRITE_MR,
  IMPORTER_READ_MR,
  MR_PUT,
  MR_GET,
  MR_KEY,
  RDMA_POST,
  RDMA_POLL,
  INSPECT_QUEUES,
  INSPECT_CLIENTS,
  INSPECT_BUFFERS,
  INSPECT_DAEMON,
  INSPECT_SNAPSHOT,
  INSPECT_RING,
  TRACE_START,
  TRACE_READ,
  TRACE_STOP,
  FILE_STAT,
  FILE_LIST,
  FILE_READ,
  FILE_WRITE,
  INJECT,
  INJECT_ARM,
  INJECT_LIST,
  INJECT_CLEAR,
} as const;

export type Table = typeof TABLE;
export type IoctlName = keyof Table;
export type Req<N extends IoctlName> = ObjectOf<Table[N]['req']>;
export type Res<N extends IoctlName> = ObjectOf<Table[N]['res']>;

/** An entry as generic code sees it; its name is one of the table's. */
export type Entry = AnyIoctl & { readonly name: IoctlName };

/** All entries, ordered by number and op. */
export const ENTRIES: readonly Entry[] = (Object.values(TABLE) as unknown as Entry[]).sort((a, b) => a.code - b.code);

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
