/** INFO: events, the notifier that tells of them, and the first errors that were captured (uapi.md 2.4, 7.4 to 7.6). */
import { array } from '../composite-kinds.js';
import { INFO_OP } from '../constants.js';
import { defineIoctl, row } from '../ioctl.js';
import { bool8, s32, u8, u16, u32, u53 } from '../kinds.js';
import { NUMBER_OF_EVENTS, UNDEFINED_OPCODE_ADDRESSES, UNDEFINED_OPCODE_STREAMS } from '../limits.js';
import {
  EVENT_MASK,
  HL_INFO_CS_TIMEOUT_EVENT,
  HL_INFO_LAST_ERR_OPEN_DEV_TIME,
  HL_INFO_RAZWI_EVENT,
  HL_INFO_UNDEFINED_OPCODE_EVENT,
  HW_EVENT_COUNTERS,
} from '../structs-info.js';
import { INFO_BLOCK, NR } from './blocks.js';
import { answers, BUSY, NONE, POINTER_ERRORS, SOURCE } from './info-form.js';

const HW_EVENTS_RES = { counters: array(u32, NUMBER_OF_EVENTS) } as const;

export const INFO_HW_EVENTS = defineIoctl({
  name: 'INFO_HW_EVENTS',
  nr: NR.INFO,
  op: INFO_OP.HW_EVENTS,
  access: 'both',
  duringReset: true,
  req: NONE,
  res: HW_EVENTS_RES,
  abi: { in: {}, ...answers(HW_EVENT_COUNTERS, HW_EVENTS_RES) },
  errors: POINTER_ERRORS,
  doc: 'How often each event came since the last hard reset, one counter per event id (uapi.md 2.4, 7.5).',
  level: 'exact',
  evidence: { source: SOURCE, section: 'uapi.md 7.5' },
});

const HW_EVENTS_AGGREGATE_RES = { counters: array(u32, NUMBER_OF_EVENTS) } as const;

export const INFO_HW_EVENTS_AGGREGATE = defineIoctl({
  name: 'INFO_HW_EVENTS_AGGREGATE',
  nr: NR.INFO,
  op: INFO_OP.HW_EVENTS_AGGREGATE,
  access: 'both',
  duringReset: true,
  req: NONE,
  res: HW_EVENTS_AGGREGATE_RES,
  abi: { in: {}, ...answers(HW_EVENT_COUNTERS, HW_EVENTS_AGGREGATE_RES) },
  errors: POINTER_ERRORS,
  doc: 'How often each event came since the daemon started; no reset clears it (uapi.md 2.4, 7.5).',
  level: 'exact',
  evidence: { source: SOURCE, section: 'uapi.md 7.5' },
});

const LAST_ERR_OPEN_DEV_TIME_RES = { timestamp: u53 } as const;

export const INFO_LAST_ERR_OPEN_DEV_TIME = defineIoctl({
  name: 'INFO_LAST_ERR_OPEN_DEV_TIME',
  nr: NR.INFO,
  op: INFO_OP.LAST_ERR_OPEN_DEV_TIME,
  access: 'both',
  duringReset: true,
  req: NONE,
  res: LAST_ERR_OPEN_DEV_TIME_RES,
  abi: { in: {}, ...answers(HL_INFO_LAST_ERR_OPEN_DEV_TIME, LAST_ERR_OPEN_DEV_TIME_RES) },
  errors: POINTER_ERRORS,
  doc: 'When the device was last opened, in nanoseconds of the monotonic clock; the name misleads (uapi.md 2.4).',
  level: 'exact',
  evidence: { source: SOURCE, section: 'uapi.md 2.4' },
});

const CS_TIMEOUT_EVENT_RES = { timestamp: u53, seq: u53 } as const;

export const INFO_CS_TIMEOUT_EVENT = defineIoctl({
  name: 'INFO_CS_TIMEOUT_EVENT',
  nr: NR.INFO,
  op: INFO_OP.CS_TIMEOUT_EVENT,
  access: 'both',
  duringReset: true,
  req: NONE,
  res: CS_TIMEOUT_EVENT_RES,
  abi: { in: {}, ...answers(HL_INFO_CS_TIMEOUT_EVENT, CS_TIMEOUT_EVENT_RES) },
  errors: POINTER_ERRORS,
  doc: 'The first submission that timed out since the device was opened: when, and its sequence number (uapi.md 4.7, 7.6).',
  level: 'exact',
  evidence: { source: SOURCE, section: 'uapi.md 7.6' },
});

const RAZWI_EVENT_RES = {
  timestamp: u53,
  addr: u53,
  engineId1: u16,
  engineId2: u16,
  noEngineId: bool8,
  errorType: u8,
} as const;

export const INFO_RAZWI_EVENT = defineIoctl({
  name: 'INFO_RAZWI_EVENT',
  nr: NR.INFO,
  op: INFO_OP.RAZWI_EVENT,
  access: 'both',
  duringReset: true,
  req: NONE,
  res: RAZWI_EVENT_RES,
  abi: { in: {}, ...answers(HL_INFO_RAZWI_EVENT, RAZWI_EVENT_RES) },
  errors: POINTER_ERRORS,
  doc: 'The first bad access since the device was opened: when, where, by which engines, and whether it was a page fault (0), an access right (1) or something else (0xff) (uapi.md 7.6).',
  level: 'exact',
  evidence: { source: SOURCE, section: 'uapi.md 7.6' },
});

const UNDEFINED_OPCODE_EVENT_RES = {
  timestamp: u53,
  cbAddrStreams: array(array(u53, UNDEFINED_OPCODE_ADDRESSES), UNDEFINED_OPCODE_STREAMS),
  cqAddr: u53,
  cqSize: u32,
  cbAddrStreamsLen: u32,
  engineId: u32,
  streamId: u32,
} as const;

export const INFO_UNDEFINED_OPCODE_EVENT = defineIoctl({
  name: 'INFO_UNDEFINED_OPCODE_EVENT',
  nr: NR.INFO,
  op: INFO_OP.UNDEFINED_OPCODE_EVENT,
  access: 'both',
  duringReset: true,
  req: NONE,
  res: UNDEFINED_OPCODE_EVENT_RES,
  abi: { in: {}, ...answers(HL_INFO_UNDEFINED_OPCODE_EVENT, UNDEFINED_OPCODE_EVENT_RES) },
  errors: POINTER_ERRORS,
  doc: 'The first packet with an unknown opcode since the device was opened: where the queue stood, and its newest command buffers (uapi.md 7.6).',
  level: 'exact',
  evidence: { source: SOURCE, section: 'uapi.md 7.6' },
});

const GET_EVENTS_RES = { events: u53 } as const;

export const INFO_GET_EVENTS = defineIoctl({
  name: 'INFO_GET_EVENTS',
  nr: NR.INFO,
  op: INFO_OP.GET_EVENTS,
  access: 'both',
  duringReset: true,
  req: NONE,
  res: GET_EVENTS_RES,
  abi: { in: {}, ...answers(EVENT_MASK, GET_EVENTS_RES), minReturn: 8 },
  errors: [
    row('EINVAL', 'no-room', 'return_size is less than 8, or return_pointer is 0'),
    row('EFAULT', 'pointer', 'return_pointer is not writable; the events are gone all the same'),
  ],
  doc: 'The notifier events (NOTIFIER_EVENT) since the last such call on this open file. Reading clears them, also when the answer then cannot be written (uapi.md 2.4, 7.4).',
  level: 'exact',
  evidence: { source: SOURCE, section: 'uapi.md 7.4' },
});

export const INFO_REGISTER_EVENTFD = defineIoctl({
  name: 'INFO_REGISTER_EVENTFD',
  nr: NR.INFO,
  op: INFO_OP.REGISTER_EVENTFD,
  access: 'both',
  duringReset: false,
  req: { eventfd: s32 },
  res: NONE,
  abi: { block: INFO_BLOCK, in: { eventfd: 'eventfd' }, out: {}, success: 'echo', failure: { start: 'echo' } },
  errors: [
    BUSY,
    row('EINVAL', 'registered', 'this open file has an eventfd already'),
    row('EBADF', 'descriptor', 'not an open descriptor of the caller'),
    row('EINVAL', 'not-an-eventfd', 'a descriptor of another kind'),
  ],
  doc: 'Every notifier event of the device adds 1 to this eventfd from now on; events that are already pending do not. Pointer and size of the arg block are not looked at (uapi.md 2.4, 7.4).',
  level: 'exact',
  evidence: { source: SOURCE, section: 'uapi.md 7.4' },
});

export const INFO_UNREGISTER_EVENTFD = defineIoctl({
  name: 'INFO_UNREGISTER_EVENTFD',
  nr: NR.INFO,
  op: INFO_OP.UNREGISTER_EVENTFD,
  access: 'both',
  duringReset: false,
  req: NONE,
  res: NONE,
  abi: { block: INFO_BLOCK, in: {}, out: {}, success: 'echo', failure: { start: 'echo' } },
  errors: [BUSY, row('EINVAL', 'not-registered', 'this open file has no eventfd')],
  doc: 'Takes back INFO_REGISTER_EVENTFD. Events go on being recorded for INFO_GET_EVENTS (uapi.md 2.4).',
  level: 'exact',
  evidence: { source: SOURCE, section: 'uapi.md 7.4' },
});
