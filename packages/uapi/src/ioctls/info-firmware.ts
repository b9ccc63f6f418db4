/** INFO: what only the firmware knows (uapi.md 2.4). Without an answer in time the calls end with ETIMEDOUT, then EIO until a hard reset. */
import { array } from '../composite-kinds.js';
import { CLK_THROTTLE, INFO_OP, PLL_INDEX } from '../constants.js';
import { defineIoctl, row } from '../ioctl.js';
import { bytes, choice, flags, u8, u16, u32, u53 } from '../kinds.js';
import { PLL_OUTPUTS, SEC_ATTEST } from '../limits.js';
import {
  CPUCP_HBM_ROW_INFO,
  HL_INFO_CLK_RATE,
  HL_INFO_CLK_THROTTLE,
  HL_INFO_DEVICE_UTILIZATION,
  HL_INFO_ENERGY,
  HL_INFO_PCI_COUNTERS,
  HL_INFO_SEC_ATTEST,
  HL_PLL_FREQUENCY_INFO,
  HL_POWER_INFO,
  PENDING_ROWS,
} from '../structs-info.js';
import { NR } from './blocks.js';
import { answers, FIRMWARE_ERRORS, NONE, NOT_IN_RESET, POINTER_ERRORS, SOURCE } from './info-form.js';

const DEVICE_UTILIZATION_RES = { utilization: u32 } as const;

export const INFO_DEVICE_UTILIZATION = defineIoctl({
  name: 'INFO_DEVICE_UTILIZATION',
  nr: NR.INFO,
  op: INFO_OP.DEVICE_UTILIZATION,
  access: 'both',
  duringReset: false,
  req: { periodMs: u32 },
  res: DEVICE_UTILIZATION_RES,
  abi: { in: { periodMs: 'periodMs' }, ...answers(HL_INFO_DEVICE_UTILIZATION, DEVICE_UTILIZATION_RES) },
  errors: [...NOT_IN_RESET, row('EINVAL', 'firmware', 'the firmware does not tell the power')],
  doc: 'How busy the device is, in percent: where its power lies between idle and the allowed maximum. The period is ignored (uapi.md 2.4).',
  level: 'functional',
  evidence: { source: SOURCE, section: 'uapi.md 2.4' },
});

const CLK_RATE_RES = { curClkRateMhz: u32, maxClkRateMhz: u32 } as const;

export const INFO_CLK_RATE = defineIoctl({
  name: 'INFO_CLK_RATE',
  nr: NR.INFO,
  op: INFO_OP.CLK_RATE,
  access: 'both',
  duringReset: false,
  req: NONE,
  res: CLK_RATE_RES,
  abi: { in: {}, ...answers(HL_INFO_CLK_RATE, CLK_RATE_RES) },
  errors: [
    ...FIRMWARE_ERRORS,
    row(
      'ENODEV',
      'stopped-meanwhile',
      'the device stopped between the test at entry and the question to the firmware',
      'the daemon asks at once',
    ),
  ],
  doc: 'Present and maximal clock of the device in MHz (uapi.md 2.4).',
  level: 'functional',
  evidence: { source: SOURCE, section: 'uapi.md 2.4' },
});

const PCI_COUNTERS_RES = { rxThroughput: u53, txThroughput: u53, replayCnt: u53 } as const;

export const INFO_PCI_COUNTERS = defineIoctl({
  name: 'INFO_PCI_COUNTERS',
  nr: NR.INFO,
  op: INFO_OP.PCI_COUNTERS,
  access: 'both',
  duringReset: false,
  req: NONE,
  res: PCI_COUNTERS_RES,
  abi: { in: {}, ...answers(HL_INFO_PCI_COUNTERS, PCI_COUNTERS_RES) },
  errors: FIRMWARE_ERRORS,
  doc: 'Throughput of the PCI link each way, and how often a packet was sent again (uapi.md 2.4).',
  level: 'functional',
  evidence: { source: SOURCE, section: 'uapi.md 2.4' },
});

const CLK_THROTTLE_REASON_RES = {
  clkThrottlingReason: flags(CLK_THROTTLE),
  clkThrottlingStartUs: array(u53, 2),
  clkThrottlingDurationNs: array(u53, 2),
} as const;

export const INFO_CLK_THROTTLE_REASON = defineIoctl({
  name: 'INFO_CLK_THROTTLE_REASON',
  nr: NR.INFO,
  op: INFO_OP.CLK_THROTTLE_REASON,
  access: 'both',
  duringReset: true,
  req: NONE,
  res: CLK_THROTTLE_REASON_RES,
  abi: { in: {}, ...answers(HL_INFO_CLK_THROTTLE, CLK_THROTTLE_REASON_RES) },
  errors: POINTER_ERRORS,
  doc: 'Why the clock is reduced now, and for power and heat each: when the last period began (microseconds) and how long it lasted or has lasted so far (nanoseconds); zeros for what never happened (uapi.md 2.4). A 2021 program gets the reason only.',
  level: 'functional',
  evidence: { source: SOURCE, section: 'uapi.md 2.4' },
});

const TOTAL_ENERGY_RES = { totalEnergyConsumption: u53 } as const;

export const INFO_TOTAL_ENERGY = defineIoctl({
  name: 'INFO_TOTAL_ENERGY',
  nr: NR.INFO,
  op: INFO_OP.TOTAL_ENERGY,
  access: 'both',
  duringReset: false,
  req: NONE,
  res: TOTAL_ENERGY_RES,
  abi: { in: {}, ...answers(HL_INFO_ENERGY, TOTAL_ENERGY_RES) },
  errors: FIRMWARE_ERRORS,
  doc: 'Energy used so far, as the firmware counts it (uapi.md 2.4).',
  level: 'functional',
  evidence: { source: SOURCE, section: 'uapi.md 2.4' },
});

const PLL_FREQUENCY_RES = { output: array(u16, PLL_OUTPUTS) } as const;

export const INFO_PLL_FREQUENCY = defineIoctl({
  name: 'INFO_PLL_FREQUENCY',
  nr: NR.INFO,
  op: INFO_OP.PLL_FREQUENCY,
  access: 'both',
  duringReset: false,
  req: { pllIndex: choice(PLL_INDEX) },
  res: PLL_FREQUENCY_RES,
  abi: { in: { pllIndex: 'pllIndex' }, ...answers(HL_PLL_FREQUENCY_INFO, PLL_FREQUENCY_RES) },
  errors: [...FIRMWARE_ERRORS, row('EINVAL', 'pll-index', 'no such PLL')],
  doc: 'The four output frequencies of a PLL in MHz (uapi.md 2.4).',
  level: 'functional',
  evidence: { source: SOURCE, section: 'uapi.md 2.4' },
});

const POWER_RES = { power: u53 } as const;

export const INFO_POWER = defineIoctl({
  name: 'INFO_POWER',
  nr: NR.INFO,
  op: INFO_OP.POWER,
  access: 'both',
  duringReset: false,
  req: NONE,
  res: POWER_RES,
  abi: { in: {}, ...answers(HL_POWER_INFO, POWER_RES) },
  errors: FIRMWARE_ERRORS,
  doc: 'Power the device draws now, in milliwatts (uapi.md 2.4).',
  level: 'functional',
  evidence: { source: SOURCE, section: 'uapi.md 2.4' },
});

const DRAM_REPLACED_ROWS_RES = {
  hbmIdx: u8,
  pc: u8,
  sid: u8,
  bankIdx: u8,
  rowAddr: u16,
  replacedRowCause: u8,
} as const;

export const INFO_DRAM_REPLACED_ROWS = defineIoctl({
  name: 'INFO_DRAM_REPLACED_ROWS',
  nr: NR.INFO,
  op: INFO_OP.DRAM_REPLACED_ROWS,
  access: 'both',
  duringReset: false,
  req: NONE,
  res: DRAM_REPLACED_ROWS_RES,
  abi: { in: {}, ...answers(CPUCP_HBM_ROW_INFO, DRAM_REPLACED_ROWS_RES) },
  errors: FIRMWARE_ERRORS,
  doc: 'One row of device memory that was replaced by a spare, and why: 0 a double-bit error, 1 many single-bit ones (uapi.md 2.4).',
  level: 'functional',
  evidence: { source: SOURCE, section: 'uapi.md 2.4' },
});

const DRAM_PENDING_ROWS_RES = { pendingRows: u32 } as const;

export const INFO_DRAM_PENDING_ROWS = defineIoctl({
  name: 'INFO_DRAM_PENDING_ROWS',
  nr: NR.INFO,
  op: INFO_OP.DRAM_PENDING_ROWS,
  access: 'both',
  duringReset: false,
  req: NONE,
  res: DRAM_PENDING_ROWS_RES,
  abi: { in: {}, ...answers(PENDING_ROWS, DRAM_PENDING_ROWS_RES) },
  errors: FIRMWARE_ERRORS,
  doc: 'How many rows of device memory will be replaced at the next reset (uapi.md 2.4).',
  level: 'functional',
  evidence: { source: SOURCE, section: 'uapi.md 2.4' },
});

const SECURED_ATTESTATION_RES = {
  nonce: u32,
  pcrQuoteLen: u16,
  pubDataLen: u16,
  certificateLen: u16,
  pcrNumReg: u8,
  pcrRegLen: u8,
  quoteSigLen: u8,
  pcrData: bytes(SEC_ATTEST.PCR_DATA),
  pcrQuote: bytes(SEC_ATTEST.PCR_QUOTE),
  quoteSig: bytes(SEC_ATTEST.SIGNATURE),
  publicData: bytes(SEC_ATTEST.PUB_DATA),
  certificate: bytes(SEC_ATTEST.CERTIFICATE),
} as const;

export const INFO_SECURED_ATTESTATION = defineIoctl({
  name: 'INFO_SECURED_ATTESTATION',
  nr: NR.INFO,
  op: INFO_OP.SECURED_ATTESTATION,
  access: 'both',
  duringReset: false,
  req: { nonce: u32 },
  res: SECURED_ATTESTATION_RES,
  abi: { in: { nonce: 'secAttestNonce' }, ...answers(HL_INFO_SEC_ATTEST, SECURED_ATTESTATION_RES) },
  errors: [
    ...FIRMWARE_ERRORS.map(({ errno, id, when }) =>
      id === 'pointer' ? row(errno, id, when, 'there is no answer that could be written') : row(errno, id, when),
    ),
    row('EIO', 'not-secured', 'the firmware of a device that is not secured knows no attestation'),
  ],
  doc: 'Signed proof of what firmware runs. A Gaudi that is not secured has none to give, so the question ends as any refusal of the firmware (uapi.md 2.4).',
  level: 'refused',
  evidence: { source: SOURCE, section: 'uapi.md 2.4' },
});
