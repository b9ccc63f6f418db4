/** DEBUG: the trace units (coresight). Ioctl 6, one entry an op (uapi.md 8). */
import { array, optional, type Shape, struct } from '../composite-kinds.js';
import { DEBUG_OP } from '../constants.js';
import { type AbiBinding, defineIoctl, type ErrorRow, row } from '../ioctl.js';
import { bool8, u32, u53, u64 } from '../kinds.js';
import type { StructLayout } from '../layout.js';
import { DEBUG_MAX_AUX_VALUES, MAX_DEBUG_WORDS } from '../limits.js';
import {
  HL_DEBUG_PARAMS_BMON,
  HL_DEBUG_PARAMS_ETF,
  HL_DEBUG_PARAMS_ETR,
  HL_DEBUG_PARAMS_SPMU,
  HL_DEBUG_PARAMS_STM,
} from '../structs-debug.js';
import { DEBUG_BLOCK, NR } from './blocks.js';

const EVIDENCE = { source: 'gaudi/gaudi_coresight.c', section: 'uapi.md 8' } as const;

const BUSY: ErrorRow = row('EBUSY', 'not-operational', 'the device is not operational');
const FORM = {
  block: DEBUG_BLOCK,
  words: { field: 'output', pointer: 'outputPtr', size: 'outputSize' },
  success: 'echo',
  failure: { start: 'echo', untouchedOn: ['EBUSY'] },
} as const satisfies Partial<AbiBinding<object, object>>;

/** What every unit is asked with. `output` is given back by a unit that has something to say when it is stopped. */
const REQ = { regIdx: u32, enable: bool8, outputSize: u32 } as const satisfies Shape;
const RES = { output: array(u53, MAX_DEBUG_WORDS) } as const satisfies Shape;
const IN = { regIdx: 'regIdx', enable: 'enable', outputSize: 'outputSize' } as const;
const OUT = { output: 'outputPtr' } as const;

const MODE: ErrorRow = row('EFAULT', 'not-in-debug-mode', 'the device is not in debug mode');
const INPUT: readonly ErrorRow[] = [row('EFAULT', 'input-pointer', 'the input is not readable')];
const OUTPUT: readonly ErrorRow[] = [
  row('ENOMEM', 'output-memory', 'an output buffer of more than 512 KiB'),
  row('EFAULT', 'output-pointer', 'the output is not writable'),
];
const REG_INDEX: ErrorRow = row('EINVAL', 'reg-index', 'no such unit');
const NO_INPUT: ErrorRow = row('EINVAL', 'no-input', 'a unit is enabled without its parameters');
const TIMEOUT: ErrorRow = row(
  'EFAULT',
  'unit-timeout',
  'the unit does not get ready',
  "the model's units are ready at once",
);

/** What all units have in common. */
const UNIT = { nr: NR.DEBUG, access: 'primary', duringReset: false, res: RES, evidence: EVIDENCE } as const;

/** A unit that is enabled with parameters. `errors` are its own, behind those all of them have. */
function unit<const N extends string, I extends Shape>({
  input,
  layout,
  errors,
  ...own
}: {
  readonly name: N;
  readonly op: number;
  readonly input: I;
  readonly layout: StructLayout;
  readonly errors: readonly ErrorRow[];
  readonly doc: string;
}) {
  return defineIoctl({
    ...UNIT,
    ...own,
    req: { ...REQ, input: optional(struct(input)) },
    abi: {
      ...FORM,
      in: { ...IN, input: { pointer: 'inputPtr', bytes: 'inputSize', struct: layout } },
      out: OUT,
    },
    errors: [BUSY, MODE, ...INPUT, ...OUTPUT, ...errors],
    level: 'functional',
  });
}

const SINK = { bufferAddress: u53, bufferSize: u53, sinkMode: u32 } as const satisfies Shape;

export const DEBUG_ETR = unit({
  name: 'DEBUG_ETR',
  op: DEBUG_OP.ETR,
  input: SINK,
  layout: HL_DEBUG_PARAMS_ETR,
  errors: [
    NO_INPUT,
    row('EINVAL', 'buffer', 'buffer size 0, or not wholly in host, device memory or SRAM addresses of the user'),
    TIMEOUT,
  ],
  doc: 'The sink of all traces. Stopped with an output of at least 8 bytes, it tells how far it wrote (uapi.md 8).',
});

export const DEBUG_ETF = unit({
  name: 'DEBUG_ETF',
  op: DEBUG_OP.ETF,
  input: SINK,
  layout: HL_DEBUG_PARAMS_ETF,
  errors: [REG_INDEX, NO_INPUT, TIMEOUT],
  doc: 'One of the trace buffers on the way to the sink; there are 48 (uapi.md 8).',
});

export const DEBUG_STM = unit({
  name: 'DEBUG_STM',
  op: DEBUG_OP.STM,
  input: { heMask: u64, spMask: u64, id: u32, frequency: u32 },
  layout: HL_DEBUG_PARAMS_STM,
  errors: [REG_INDEX, NO_INPUT, TIMEOUT],
  doc: 'One of the system trace units; there are 46 (uapi.md 8).',
});

export const DEBUG_FUNNEL = defineIoctl({
  ...UNIT,
  name: 'DEBUG_FUNNEL',
  op: DEBUG_OP.FUNNEL,
  req: REQ,
  abi: { ...FORM, in: IN, out: OUT },
  errors: [BUSY, MODE, ...OUTPUT, REG_INDEX],
  doc: 'One of the funnels that join traces; there are 76. It takes no parameters (uapi.md 8).',
  level: 'functional',
});

const BMON = {
  startAddr0: u64,
  addrMask0: u64,
  startAddr1: u64,
  addrMask1: u64,
  bwWin: u32,
  winCapture: u32,
  id: u32,
  control: u32,
  startAddr2: u64,
  endAddr2: u64,
  startAddr3: u64,
  endAddr3: u64,
} as const satisfies Shape;

export const DEBUG_BMON = unit({
  name: 'DEBUG_BMON',
  op: DEBUG_OP.BMON,
  input: BMON,
  layout: HL_DEBUG_PARAMS_BMON,
  errors: [REG_INDEX, NO_INPUT],
  doc: 'One of the bus monitors; there are 121. A 2021 program gives the first 48 bytes of the parameters, the rest is 0 (uapi.md 8).',
});

const SPMU = {
  eventTypes: array(u64, DEBUG_MAX_AUX_VALUES),
  eventTypesNum: u32,
  pmtrcVal: u32,
  trcCtrlHostVal: u32,
  trcEnHostVal: u32,
} as const satisfies Shape;

export const DEBUG_SPMU = unit({
  name: 'DEBUG_SPMU',
  op: DEBUG_OP.SPMU,
  input: SPMU,
  layout: HL_DEBUG_PARAMS_SPMU,
  errors: [
    REG_INDEX,
    NO_INPUT,
    row('EINVAL', 'event-count', 'enabled with fewer than 3 or more than 6 events'),
    row('EINVAL', 'output-words', 'stopped with an output of fewer than 3 or more than 8 u64'),
  ],
  doc: 'One of the performance counters; there are 40. Stopped, it gives the counters, then the overflow status, then 64 bits of cycles, as many as the output has room for (uapi.md 8).',
});

export const DEBUG_TIMESTAMP = defineIoctl({
  ...UNIT,
  name: 'DEBUG_TIMESTAMP',
  op: DEBUG_OP.TIMESTAMP,
  req: REQ,
  abi: { ...FORM, in: IN, out: OUT },
  errors: [BUSY, MODE, ...OUTPUT],
  doc: 'Does nothing; kept by the driver for old programs (uapi.md 8).',
  level: 'exact',
});

export const DEBUG_SET_MODE = defineIoctl({
  name: 'DEBUG_SET_MODE',
  nr: NR.DEBUG,
  op: DEBUG_OP.SET_MODE,
  access: 'primary',
  duringReset: false,
  req: { enable: bool8 },
  res: {},
  abi: { block: DEBUG_BLOCK, in: { enable: 'enable' }, out: {}, success: 'echo', failure: { start: 'echo' } },
  errors: [
    BUSY,
    row('EFAULT', 'mode-on-already', 'debug mode is on already'),
    row('EFAULT', 'mode-off-already', 'debug mode is off already'),
  ],
  doc: 'Turns the debug mode of the device on or off. Off stops all trace units; so does the end of the context (uapi.md 8).',
  level: 'exact',
  evidence: { source: 'common/device.c', section: 'uapi.md 8' },
});
