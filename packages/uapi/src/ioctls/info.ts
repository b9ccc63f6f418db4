/** INFO: what the device is and how it is used. Ioctl 1; the answer goes to a pointer in the arg block (uapi.md 2.3 to 2.5). */
import { array } from '../composite-kinds.js';
import { DEVICE_STATUS, INFO_OP } from '../constants.js';
import { defineIoctl, row } from '../ioctl.js';
import { bool8, bytes, choice, string, u8, u16, u32, u53, u64 } from '../kinds.js';
import { CARD_NAME_MAX_LEN, ENGINES_DATA_MAX_SIZE, VERSION_MAX_LEN } from '../limits.js';
import {
  HL_INFO_CS_COUNTERS,
  HL_INFO_DEV_MEMALLOC_PAGE_SIZES,
  HL_INFO_DEVICE_STATUS,
  HL_INFO_DRAM_USAGE,
  HL_INFO_HW_IDLE,
  HL_INFO_HW_IP_INFO,
  HL_INFO_RESET_COUNT,
  HL_INFO_SYNC_MANAGER,
  HL_INFO_TIME_SYNC,
  HL_OPEN_STATS_INFO,
} from '../structs-info.js';
import { INFO_BLOCK, NR } from './blocks.js';
import { answers, BUSY, NONE, NOT_IN_RESET, POINTER_ERRORS, SOURCE } from './info-form.js';

const HW_IP_RES = {
  sramBaseAddress: u53,
  dramBaseAddress: u53,
  dramSize: u53,
  sramSize: u32,
  numOfEvents: u32,
  deviceId: u32,
  moduleId: u32,
  decoderEnabledMask: u32,
  firstAvailableInterruptId: u16,
  serverType: u16,
  cpldVersion: u32,
  psocPciPllNr: u32,
  psocPciPllNf: u32,
  psocPciPllOd: u32,
  psocPciPllDivFactor: u32,
  tpcEnabledMask: u8,
  dramEnabled: bool8,
  securityEnabled: bool8,
  mmeMasterSlaveMode: u8,
  cpucpVersion: string(VERSION_MAX_LEN - 1),
  cardName: string(CARD_NAME_MAX_LEN - 1),
  tpcEnabledMaskExt: u53,
  dramPageSize: u53,
  edmaEnabledMask: u32,
  numberOfUserInterrupts: u16,
  deviceMemAllocDefaultPageSize: u53,
} as const;

export const INFO_HW_IP_INFO = defineIoctl({
  name: 'INFO_HW_IP_INFO',
  nr: NR.INFO,
  op: INFO_OP.HW_IP_INFO,
  access: 'both',
  duringReset: true,
  req: NONE,
  res: HW_IP_RES,
  abi: { in: {}, ...answers(HL_INFO_HW_IP_INFO, HW_IP_RES) },
  errors: POINTER_ERRORS,
  doc: 'What the device is and what of it belongs to user space: memories, engines, firmware versions (uapi.md 2.5). A 2021 program asks for the first 232 bytes.',
  level: 'exact',
  evidence: { source: SOURCE, section: 'uapi.md 2.5' },
});

const DEVICE_STATUS_RES = { status: choice(DEVICE_STATUS) } as const;

export const INFO_DEVICE_STATUS = defineIoctl({
  name: 'INFO_DEVICE_STATUS',
  nr: NR.INFO,
  op: INFO_OP.DEVICE_STATUS,
  access: 'both',
  duringReset: true,
  req: NONE,
  res: DEVICE_STATUS_RES,
  abi: { in: {}, ...answers(HL_INFO_DEVICE_STATUS, DEVICE_STATUS_RES) },
  errors: POINTER_ERRORS,
  doc: 'Whether the device works, is in reset or is broken (uapi.md 1.6). Answered in every state.',
  level: 'exact',
  evidence: { source: SOURCE, section: 'uapi.md 1.6' },
});

const HW_IDLE_RES = { isIdle: bool8, busyEnginesMask: u32, busyEnginesMaskExt: array(u53, 2) } as const;

export const INFO_HW_IDLE = defineIoctl({
  name: 'INFO_HW_IDLE',
  nr: NR.INFO,
  op: INFO_OP.HW_IDLE,
  access: 'both',
  duringReset: false,
  req: NONE,
  res: HW_IDLE_RES,
  abi: { in: {}, ...answers(HL_INFO_HW_IDLE, HW_IDLE_RES) },
  errors: NOT_IN_RESET,
  doc: 'Which engines are busy, one bit per engine id (uapi.md 2.4, 2.8); the short mask is the low half of the first long one.',
  level: 'functional',
  evidence: { source: SOURCE, section: 'uapi.md 2.4' },
});

const DRAM_USAGE_RES = { dramFreeMem: u53, ctxDramMem: u53 } as const;

export const INFO_DRAM_USAGE = defineIoctl({
  name: 'INFO_DRAM_USAGE',
  nr: NR.INFO,
  op: INFO_OP.DRAM_USAGE,
  access: 'both',
  duringReset: false,
  req: NONE,
  res: DRAM_USAGE_RES,
  abi: { in: {}, ...answers(HL_INFO_DRAM_USAGE, DRAM_USAGE_RES) },
  errors: NOT_IN_RESET,
  doc: 'Device memory not allocated by anyone, and what the asking context has allocated: 0 on a control node (uapi.md 2.4).',
  level: 'exact',
  evidence: { source: SOURCE, section: 'uapi.md 2.4' },
});

const CS_COUNTERS_RES = {
  totalOutOfMemDropCnt: u53,
  ctxOutOfMemDropCnt: u53,
  totalParsingDropCnt: u53,
  ctxParsingDropCnt: u53,
  totalQueueFullDropCnt: u53,
  ctxQueueFullDropCnt: u53,
  totalDeviceInResetDropCnt: u53,
  ctxDeviceInResetDropCnt: u53,
  totalMaxCsInFlightDropCnt: u53,
  ctxMaxCsInFlightDropCnt: u53,
  totalValidationDropCnt: u53,
  ctxValidationDropCnt: u53,
} as const;

export const INFO_CS_COUNTERS = defineIoctl({
  name: 'INFO_CS_COUNTERS',
  nr: NR.INFO,
  op: INFO_OP.CS_COUNTERS,
  access: 'both',
  duringReset: true,
  req: NONE,
  res: CS_COUNTERS_RES,
  abi: { in: {}, ...answers(HL_INFO_CS_COUNTERS, CS_COUNTERS_RES) },
  errors: POINTER_ERRORS,
  doc: 'Submissions dropped, by cause, for the device and for the asking context (0 on a control node). A failing submission moves at most one cause (uapi.md 4.17).',
  level: 'exact',
  evidence: { source: SOURCE, section: 'uapi.md 4.17' },
});

const SYNC_MANAGER_RES = { firstAvailableSyncObject: u32, firstAvailableMonitor: u32, firstAvailableCq: u32 } as const;

export const INFO_SYNC_MANAGER = defineIoctl({
  name: 'INFO_SYNC_MANAGER',
  nr: NR.INFO,
  op: INFO_OP.SYNC_MANAGER,
  access: 'both',
  duringReset: true,
  req: { dcore: u32 },
  res: SYNC_MANAGER_RES,
  abi: { in: { dcore: 'dcoreId' }, ...answers(HL_INFO_SYNC_MANAGER, SYNC_MANAGER_RES) },
  errors: [...POINTER_ERRORS, row('EINVAL', 'dcore', 'the dcore is 8 or more')],
  doc: 'The first sync object and monitor a program may use in a sync manager (uapi.md 2.4); under the shared policy, the start of its lease.',
  level: 'exact',
  evidence: { source: SOURCE, section: 'uapi.md 2.4' },
});

const TIME_SYNC_RES = { deviceTime: u64, hostTime: u64 } as const;

export const INFO_TIME_SYNC = defineIoctl({
  name: 'INFO_TIME_SYNC',
  nr: NR.INFO,
  op: INFO_OP.TIME_SYNC,
  access: 'both',
  duringReset: false,
  req: NONE,
  res: TIME_SYNC_RES,
  abi: { in: {}, ...answers(HL_INFO_TIME_SYNC, TIME_SYNC_RES) },
  errors: NOT_IN_RESET,
  doc: 'Device time and host monotonic time of the same moment, in nanoseconds (uapi.md 2.4).',
  level: 'functional',
  evidence: { source: SOURCE, section: 'uapi.md 2.4' },
});

const RESET_COUNT_RES = { hardResetCnt: u32, softResetCnt: u32 } as const;

export const INFO_RESET_COUNT = defineIoctl({
  name: 'INFO_RESET_COUNT',
  nr: NR.INFO,
  op: INFO_OP.RESET_COUNT,
  access: 'both',
  duringReset: true,
  req: NONE,
  res: RESET_COUNT_RES,
  abi: { in: {}, ...answers(HL_INFO_RESET_COUNT, RESET_COUNT_RES) },
  errors: POINTER_ERRORS,
  doc: 'Resets since the daemon started. Gaudi knows only hard ones, so the soft count stays 0 (uapi.md 7.1).',
  level: 'exact',
  evidence: { source: SOURCE, section: 'uapi.md 7.1' },
});

const OPEN_STATS_RES = {
  openCounter: u53,
  lastOpenPeriodMs: u53,
  isComputeCtxActive: bool8,
  computeCtxInRelease: bool8,
} as const;

export const INFO_OPEN_STATS = defineIoctl({
  name: 'INFO_OPEN_STATS',
  nr: NR.INFO,
  op: INFO_OP.OPEN_STATS,
  access: 'both',
  duringReset: true,
  req: NONE,
  res: OPEN_STATS_RES,
  abi: { in: {}, ...answers(HL_OPEN_STATS_INFO, OPEN_STATS_RES) },
  errors: POINTER_ERRORS,
  doc: 'How often the primary node was opened, how long the last closed session lasted, and whether a context is active or being released (uapi.md 7.8).',
  level: 'exact',
  evidence: { source: SOURCE, section: 'uapi.md 7.8' },
});

const PAGE_SIZES_RES = { pageOrderBitmask: u53 } as const;

export const INFO_DEV_MEM_ALLOC_PAGE_SIZES = defineIoctl({
  name: 'INFO_DEV_MEM_ALLOC_PAGE_SIZES',
  nr: NR.INFO,
  op: INFO_OP.DEV_MEM_ALLOC_PAGE_SIZES,
  access: 'both',
  duringReset: true,
  req: NONE,
  res: PAGE_SIZES_RES,
  abi: { in: {}, ...answers(HL_INFO_DEV_MEMALLOC_PAGE_SIZES, PAGE_SIZES_RES) },
  errors: POINTER_ERRORS,
  doc: 'Page sizes an allocation of device memory may ask for, one bit per log2 of a size: none on Gaudi, whose device memory has no pages (uapi.md 2.4).',
  level: 'exact',
  evidence: { source: SOURCE, section: 'uapi.md 2.4' },
});

export const INFO_ENGINE_STATUS = defineIoctl({
  name: 'INFO_ENGINE_STATUS',
  nr: NR.INFO,
  op: INFO_OP.ENGINE_STATUS,
  access: 'both',
  duringReset: false,
  req: { bufferSize: u32 },
  res: { text: bytes(ENGINES_DATA_MAX_SIZE) },
  abi: {
    block: INFO_BLOCK,
    in: { bufferSize: 'returnSize' },
    out: { text: 'returnPointer' },
    text: { field: 'text', actualSize: 'userBufferActualSize' },
    success: 'echo',
    failure: { start: 'echo' },
  },
  errors: [
    BUSY,
    row('EINVAL', 'size-range', 'room for less than 1 KiB or more than 1 MiB is offered, or return_pointer is 0'),
    row('ENOMEM', 'does-not-fit', 'the text is longer than the room; it is not cut'),
    row('EFAULT', 'pointer', 'return_pointer is not writable'),
  ],
  doc: 'The registers that say whether each engine is idle, as a table in text. Every formatted piece of it ends with a NUL byte, which counts; a C program finds the actual size in its arg block (uapi.md 2.4, 9.4).',
  level: 'exact',
  evidence: { source: SOURCE, section: 'uapi.md 9.4' },
});
