/**
 * The driver's constants (uapi.md 2.7), grouped, with the C name each one has in <misc/habanalabs.h>.
 *
 * Owns: the values. Compared with the C header by c-parity.test.ts.
 * Must not know: what a call does with them. Limits of this project's own are in limits.ts.
 */

export const CB_OP = { CREATE: 0, DESTROY: 1, INFO: 2 } as const;
export const CB_FLAGS = { MAP: 0x1, GET_DEVICE_VA: 0x2 } as const;

export const CS_FLAGS = {
  FORCE_RESTORE: 0x1,
  SIGNAL: 0x2,
  WAIT: 0x4,
  COLLECTIVE_WAIT: 0x8,
  TIMESTAMP: 0x20,
  STAGED: 0x40,
  STAGED_FIRST: 0x80,
  STAGED_LAST: 0x100,
  CUSTOM_TIMEOUT: 0x200,
  SKIP_RESET_ON_TIMEOUT: 0x400,
  ENCAP_SIGNALS: 0x800,
  RESERVE_SIGNALS_ONLY: 0x1000,
  UNRESERVE_SIGNALS_ONLY: 0x2000,
  ENGINE_CORE_COMMAND: 0x4000,
} as const;

/** At most one of these bits may be set (uapi.md 4.1). */
export const CS_TYPE_MASK =
  CS_FLAGS.SIGNAL |
  CS_FLAGS.WAIT |
  CS_FLAGS.COLLECTIVE_WAIT |
  CS_FLAGS.RESERVE_SIGNALS_ONLY |
  CS_FLAGS.UNRESERVE_SIGNALS_ONLY |
  CS_FLAGS.ENGINE_CORE_COMMAND;

export const CS_CHUNK_FLAGS = { USER_ALLOC_CB: 0x1 } as const;
export const ENGINE_CORE_COMMAND = { HALT: 1, RUN: 2 } as const;
export const CS_STATUS = { SUCCESS: 0 } as const;

export const WAIT_FLAGS = {
  INTERRUPT: 0x2,
  MULTI_CS: 0x4,
  INTERRUPT_KERNEL_CQ: 0x10,
  REGISTER_INTERRUPT: 0x20,
} as const;
/** Interrupt id in bits 31:20 of the wait flags. */
export const WAIT_INTERRUPT = { MASK: 0xfff0_0000, ANY_CQ: 0xfff0_0000, ANY_DEC: 0xffe0_0000 } as const;
export const WAIT_STATUS = { COMPLETED: 0, BUSY: 1, TIMEDOUT: 2, ABORTED: 3 } as const;
export const WAIT_OUT_FLAGS = { GONE: 0x1, TIMESTAMP_VLD: 0x2 } as const;

export const MEM_OP = { ALLOC: 0, FREE: 1, MAP: 2, UNMAP: 3, MAP_BLOCK: 4, EXPORT_DMABUF_FD: 5, TS_ALLOC: 6 } as const;
export const MEM_FLAGS = { CONTIGUOUS: 0x1, SHARED: 0x2, USERPTR: 0x4, FORCE_HINT: 0x8, PREFETCH: 0x40 } as const;

export const INFO_OP = {
  HW_IP_INFO: 0,
  HW_EVENTS: 1,
  DRAM_USAGE: 2,
  HW_IDLE: 3,
  DEVICE_STATUS: 4,
  DEVICE_UTILIZATION: 6,
  HW_EVENTS_AGGREGATE: 7,
  CLK_RATE: 8,
  RESET_COUNT: 9,
  TIME_SYNC: 10,
  CS_COUNTERS: 11,
  PCI_COUNTERS: 12,
  CLK_THROTTLE_REASON: 13,
  SYNC_MANAGER: 14,
  TOTAL_ENERGY: 15,
  PLL_FREQUENCY: 16,
  POWER: 17,
  OPEN_STATS: 18,
  DRAM_REPLACED_ROWS: 21,
  DRAM_PENDING_ROWS: 22,
  LAST_ERR_OPEN_DEV_TIME: 23,
  CS_TIMEOUT_EVENT: 24,
  RAZWI_EVENT: 25,
  DEV_MEM_ALLOC_PAGE_SIZES: 26,
  SECURED_ATTESTATION: 27,
  REGISTER_EVENTFD: 28,
  UNREGISTER_EVENTFD: 29,
  GET_EVENTS: 30,
  UNDEFINED_OPCODE_EVENT: 31,
  ENGINE_STATUS: 32,
} as const;

export const DEBUG_OP = { ETR: 0, ETF: 1, STM: 2, FUNNEL: 3, BMON: 4, SPMU: 5, TIMESTAMP: 6, SET_MODE: 7 } as const;

/** uapi.md 1.6 */
export const DEVICE_STATUS = {
  OPERATIONAL: 0,
  IN_RESET: 1,
  MALFUNCTION: 2,
  NEEDS_RESET: 3,
  IN_DEVICE_CREATION: 4,
  IN_RESET_AFTER_DEVICE_RELEASE: 5,
} as const;

export const NOTIFIER_EVENT = {
  TPC_ASSERT: 0x1,
  UNDEFINED_OPCODE: 0x2,
  DEVICE_RESET: 0x4,
  CS_TIMEOUT: 0x8,
  DEVICE_UNAVAILABLE: 0x10,
  USER_ENGINE_ERR: 0x20,
  GENERAL_HW_ERR: 0x40,
} as const;

export const CLK_THROTTLE = { POWER: 0x1, THERMAL: 0x2 } as const;
export const PLL_INDEX = { CPU: 0, PCI: 1, SRAM: 2, HBM: 3, NIC: 4, DMA: 5, MESH: 6, MME: 7, TPC: 8, IF: 9 } as const;
/** Index into the arrays of INFO CLK_THROTTLE_REASON. */
export const CLK_THROTTLE_TYPE = { POWER: 0, THERMAL: 1 } as const;
/** Type of INFO RAZWI_EVENT; 0xff where there is none. */
export const RAZWI_TYPE = { PAGE_FAULT: 0, MMU_ACCESS_ERROR: 1 } as const;
/** uapi.md 2.5 */
export const SERVER_TYPE = { UNKNOWN: 0, HLS1: 1, HLS1H: 2, TYPE1: 3, TYPE2: 4, HLS2: 5 } as const;
/** Sync managers by the half of the die they serve. */
export const DCORE_ID = { WS: 0, WN: 1, EN: 2, ES: 3 } as const;

/** What is behind a descriptor of an open file. */
export const DMABUF_KIND = { MEMORY: 0, SYNC_OBJECTS: 1, HOST_MEMORY: 2, SYNC_FILE: 3 } as const;
/** Of DMABUF_TOKEN: good for one use; gives no more than reading. */
export const TOKEN_FLAGS = { ONCE: 0x1, READ_ONLY: 0x2 } as const;
/** Access mode and O_NONBLOCK stay with a file, O_CLOEXEC with its descriptor; everything else is dropped (uapi.md 6.2). */
export const FILE_FLAGS = { O_RDONLY: 0, O_WRONLY: 0x1, O_RDWR: 0x2, O_NONBLOCK: 0x800, O_CLOEXEC: 0x80000 } as const;
/** Of DMABUF_ATTACH. An importer that is not dynamic never gets peer-to-peer access (uapi.md 6.1). */
export const ATTACH_FLAGS = { DYNAMIC: 0x1, PEER2PEER: 0x2 } as const;
/** Who moves the bytes: to the device means that the device reads. */
export const DMA_DIRECTION = { BIDIRECTIONAL: 0, TO_DEVICE: 1, FROM_DEVICE: 2 } as const;
/** Flags of the calls that synchronize (uapi.md 6.2). END belongs to DMABUF_SYNC; no END is a start. */
export const DMABUF_SYNC_FLAGS = { READ: 0x1, WRITE: 0x2, END: 0x4 } as const;
/** Of DESCRIPTOR_POLL, as poll(2) numbers them. */
export const POLL_EVENTS = { IN: 0x1, OUT: 0x4 } as const;
export const SEEK_WHENCE = { SET: 0, CUR: 1, END: 2 } as const;
/** Of HOST_ALLOC: the buffer lies in memory of its own, and so can be exported. */
export const HOST_ALLOC_FLAGS = { SHAREABLE: 0x1 } as const;

/** Of IMPORTER_REG_MR, as verbs number them. */
export const MR_ACCESS = { LOCAL_WRITE: 0x1, REMOTE_WRITE: 0x2, REMOTE_READ: 0x4 } as const;
/** Of RDMA_POST. */
export const RDMA_OP = { WRITE: 0, READ: 1 } as const;
/** Outcome of a transfer, as verbs number them. */
export const RDMA_STATUS = {
  SUCCESS: 0,
  LOCAL_PROTECTION: 4,
  FLUSHED: 5,
  REMOTE_ACCESS: 10,
  REMOTE_OPERATION: 11,
  RETRY_EXCEEDED: 12,
} as const;

export interface ConstantGroup {
  readonly name: string;
  /** The C name of a member. */
  readonly c: (key: string) => string;
  readonly values: Readonly<Record<string, number>>;
}

const STAGED: Readonly<Record<string, string>> = {
  STAGED: 'STAGED_SUBMISSION',
  STAGED_FIRST: 'STAGED_SUBMISSION_FIRST',
  STAGED_LAST: 'STAGED_SUBMISSION_LAST',
};
const INTERRUPT: Readonly<Record<string, string>> = {
  MASK: 'INTERRUPT_MASK',
  ANY_CQ: 'ANY_CQ_INTERRUPT',
  ANY_DEC: 'ANY_DEC_INTERRUPT',
};

const SERVER: Readonly<Record<string, string>> = { UNKNOWN: 'HL_SERVER_TYPE_UNKNOWN', HLS2: 'HL_SERVER_GAUDI2_HLS2' };

const prefixed =
  (prefix: string) =>
  (key: string): string =>
    prefix + key;

/** Groups that have a counterpart in the C header. */
export const CONSTANT_GROUPS: readonly ConstantGroup[] = [
  { name: 'CB_OP', c: prefixed('HL_CB_OP_'), values: CB_OP },
  { name: 'CB_FLAGS', c: prefixed('HL_CB_FLAGS_'), values: CB_FLAGS },
  { name: 'CS_FLAGS', c: (key) => `HL_CS_FLAGS_${STAGED[key] ?? key}`, values: CS_FLAGS },
  { name: 'CS_CHUNK_FLAGS', c: prefixed('HL_CS_CHUNK_FLAGS_'), values: CS_CHUNK_FLAGS },
  { name: 'ENGINE_CORE_COMMAND', c: prefixed('HL_ENGINE_CORE_'), values: ENGINE_CORE_COMMAND },
  { name: 'CS_STATUS', c: prefixed('HL_CS_STATUS_'), values: CS_STATUS },
  { name: 'WAIT_FLAGS', c: prefixed('HL_WAIT_CS_FLAGS_'), values: WAIT_FLAGS },
  { name: 'WAIT_INTERRUPT', c: (key) => `HL_WAIT_CS_FLAGS_${INTERRUPT[key] ?? key}`, values: WAIT_INTERRUPT },
  { name: 'WAIT_STATUS', c: prefixed('HL_WAIT_CS_STATUS_'), values: WAIT_STATUS },
  { name: 'WAIT_OUT_FLAGS', c: prefixed('HL_WAIT_CS_STATUS_FLAG_'), values: WAIT_OUT_FLAGS },
  { name: 'MEM_OP', c: prefixed('HL_MEM_OP_'), values: MEM_OP },
  { name: 'MEM_FLAGS', c: prefixed('HL_MEM_'), values: MEM_FLAGS },
  { name: 'INFO_OP', c: prefixed('HL_INFO_'), values: INFO_OP },
  { name: 'DEBUG_OP', c: prefixed('HL_DEBUG_OP_'), values: DEBUG_OP },
  { name: 'DEVICE_STATUS', c: prefixed('HL_DEVICE_STATUS_'), values: DEVICE_STATUS },
  { name: 'NOTIFIER_EVENT', c: prefixed('HL_NOTIFIER_EVENT_'), values: NOTIFIER_EVENT },
  { name: 'CLK_THROTTLE', c: prefixed('HL_CLK_THROTTLE_'), values: CLK_THROTTLE },
  { name: 'CLK_THROTTLE_TYPE', c: prefixed('HL_CLK_THROTTLE_TYPE_'), values: CLK_THROTTLE_TYPE },
  { name: 'RAZWI_TYPE', c: prefixed('HL_RAZWI_'), values: RAZWI_TYPE },
  { name: 'SERVER_TYPE', c: (key) => SERVER[key] ?? `HL_SERVER_GAUDI_${key}`, values: SERVER_TYPE },
  { name: 'PLL_INDEX', c: (key) => `HL_GAUDI_${key}_PLL`, values: PLL_INDEX },
  { name: 'DCORE_ID', c: (key) => `HL_GAUDI_${key}_DCORE`, values: DCORE_ID },
];
