/**
 * The events a device reports: ids as the firmware's event queue carries them ("fc ids"), names and classes
 * (device.md 8.1, 8.2, uapi.md 7.5). Owns the numbering; what an event leads to is the kernel's business.
 */

import { ENGINES, type EngineName } from './queues.js';

/** Ids run up to here; larger ones do not exist (the arrays of INFO HW_EVENTS have as many entries). */
export const EVENT_COUNT = 663;

/** What events of the same kind have in common: who raises them, and how serious they are. */
export type EventClass =
  | 'ecc-single'
  | 'ecc-double'
  /** Interrupt controller, bus and PLL errors, and the HBM's fatal interrupt. */
  | 'system-fatal'
  | 'hbm-spi'
  | 'tpc-decode'
  | 'tpc-kernel'
  | 'bus-decode'
  | 'mmu-page-fault'
  | 'mmu-write-permission'
  | 'response'
  | 'razwi'
  | 'razwi-driver'
  | 'qm'
  | 'dma-core'
  | 'firmware-request'
  | 'tpc-monitor'
  | 'dma-monitor'
  | 'nic-sei'
  | 'sync-manager'
  | 'nic-status'
  | 'throttle'
  | 'gpio'
  /** Doorbells from the driver to the firmware; nothing raises them here. */
  | 'doorbell';

export interface EventInfo {
  readonly id: number;
  readonly name: string;
  readonly class: EventClass;
  /** The engine that raises it, where it is one's own. */
  readonly engine?: EngineName;
}

export const EVENT = {
  GIC500: 184,
  MMU_PAGE_FAULT: 380,
  MMU_WR_PERM: 381,
  RAZWI_OR_ADC: 548,
  FW_ALIVE_S: 645,
  DEV_RESET_REQ: 646,
  PKT_QUEUE_OUT_SYNC: 647,
  FIX_POWER_ENV_S: 658,
  FIX_POWER_ENV_E: 659,
  FIX_THERMAL_ENV_S: 660,
  FIX_THERMAL_ENV_E: 661,
  RAZWI_OR_ADC_SW: 662,
} as const;

const DMA_IF_SEI_0 = 277;
const DMA0_QM = 583;
const DMA0_CORE = 604;
const STATUS_NIC0 = 648;
/** By dcore id: W_S, W_N, E_N, E_S (device.md 8.2: 277 W_S, 278 E_S, 279 W_N, 280 E_N). */
const SEI_OF_DCORE = [0, 2, 3, 1] as const;

function build(): Map<number, EventInfo> {
  const events = new Map<number, EventInfo>();
  const add = (id: number, name: string, kind: EventClass, engine?: EngineName) => {
    events.set(id, engine === undefined ? { id, name, class: kind } : { id, name, class: kind, engine });
  };
  /** `count` ids from `first`, the n-th one called name(n). */
  const run = (first: number, count: number, kind: EventClass, name: (n: number) => string, step = 1) => {
    for (let n = 0; n < count; n++) add(first + n * step, name(n), kind);
  };
  const ofEngine = (first: number, count: number, kind: EventClass, unit: string, suffix: string, step = 1) => {
    for (let n = 0; n < count; n++) add(first + n * step, `${unit}${n}_${suffix}`, kind, `${unit}${n}` as EngineName);
  };

  ['PCIE_CORE', 'PCIE_IF', 'PCIE_PHY'].forEach((name, n) => {
    add(32 + 2 * n, `${name}_SERR`, 'ecc-single');
    add(33 + 2 * n, `${name}_DERR`, 'ecc-double');
  });
  ofEngine(38, 8, 'ecc-single', 'TPC', 'SERR');
  ofEngine(46, 8, 'ecc-double', 'TPC', 'DERR');
  for (let n = 0; n < 4; n++) {
    ['ACC', 'SBAB'].forEach((part, p) => {
      add(54 + 4 * n + 2 * p, `MME${n}_${part}_SERR`, 'ecc-single', `MME${n}`);
      add(55 + 4 * n + 2 * p, `MME${n}_${part}_DERR`, 'ecc-double', `MME${n}`);
    });
  }
  ofEngine(70, 8, 'ecc-single', 'DMA', 'SERR_ECC');
  ofEngine(78, 8, 'ecc-double', 'DMA', 'DERR_ECC');
  add(86, 'CPU_IF_ECC_SERR', 'ecc-single');
  add(87, 'CPU_IF_ECC_DERR', 'ecc-double');
  add(88, 'PSOC_MEM_SERR', 'ecc-single');
  add(89, 'PSOC_CORESIGHT_SERR', 'ecc-single');
  add(90, 'PSOC_MEM_DERR', 'ecc-double');
  add(91, 'PSOC_CORESIGHT_DERR', 'ecc-double');
  run(92, 32, 'ecc-single', (n) => `SRAM${n}_SERR`);
  run(124, 32, 'ecc-double', (n) => `SRAM${n}_DERR`);
  run(156, 5, 'ecc-single', (n) => `NIC${n}_SERR`);
  run(166, 5, 'ecc-double', (n) => `NIC${n}_DERR`);
  run(176, 4, 'ecc-single', (n) => `DMA_IF${n}_SERR`);
  run(180, 4, 'ecc-double', (n) => `DMA_IF${n}_DERR`);
  add(EVENT.GIC500, 'GIC500', 'system-fatal');
  run(185, 4, 'ecc-single', (n) => `HBM_${n}_SERR`);
  run(189, 4, 'ecc-double', (n) => `HBM_${n}_DERR`);
  add(193, 'MMU_SERR', 'ecc-single');
  add(194, 'MMU_DERR', 'ecc-double');
  add(200, 'PCIE_DEC', 'bus-decode');
  ofEngine(201, 8, 'tpc-decode', 'TPC', 'DEC', 2);
  add(217, 'AXI_ECC', 'system-fatal');
  add(218, 'L2_RAM_ECC', 'system-fatal');
  for (let n = 0; n < 4; n++) {
    add(219 + 5 * n, `MME${n}_WBC_RSP`, 'response', `MME${n}`);
    add(220 + 5 * n, `MME${n}_SBAB0_RSP`, 'response', `MME${n}`);
  }
  run(239, 18, 'system-fatal', (n) => `PLL${n}`);
  add(257, 'CPU_AXI_SPLITTER', 'bus-decode');
  add(262, 'PSOC_AXI_DEC', 'bus-decode');
  add(263, 'PSOC_PRSTN_FALL', 'bus-decode');
  run(264, 5, 'nic-sei', (n) => `NIC_SEI_${n}`);
  run(DMA_IF_SEI_0, 4, 'sync-manager', (n) => `DMA_IF_SEI_${n}`);
  ofEngine(300, 8, 'tpc-monitor', 'TPC', 'BMON_SPMU', 6);
  ofEngine(301, 8, 'tpc-kernel', 'TPC', 'KRN_ERR', 6);
  add(EVENT.MMU_PAGE_FAULT, 'MMU_PAGE_FAULT', 'mmu-page-fault');
  add(EVENT.MMU_WR_PERM, 'MMU_WR_PERM', 'mmu-write-permission');
  run(383, 8, 'dma-monitor', (n) => `DMA_BM_CH${n}`);
  for (let n = 0; n < 4; n++) {
    add(395 + 4 * n, `HBM${n}_SPI_0`, 'system-fatal');
    add(396 + 4 * n, `HBM${n}_SPI_1`, 'hbm-spi');
  }
  add(421, 'PSOC_GPIO_U16_0', 'gpio');
  run(483, 17, 'ecc-double', (n) => (n % 4 === 0 ? `NIC${n / 4}_CS_DBG_DERR` : `NIC_CS_DBG_DERR_${n}`));
  add(EVENT.RAZWI_OR_ADC, 'RAZWI_OR_ADC', 'razwi');
  ofEngine(572, 8, 'qm', 'TPC', 'QM');
  add(581, 'MME0_QM', 'qm', 'MME0');
  add(582, 'MME2_QM', 'qm', 'MME2');
  ofEngine(DMA0_QM, 8, 'qm', 'DMA', 'QM');
  for (let n = 0; n < 10; n++) add(594 + n, `NIC${n >> 1}_QM${n & 1}`, 'qm', `NIC${n}`);
  ofEngine(DMA0_CORE, 8, 'dma-core', 'DMA', 'CORE');
  ['PI_UPDATE', 'HALT_MACHINE', 'INTS_REGISTER', 'SOFT_RESET'].forEach((name, n) => {
    add(635 + n, name, 'doorbell');
  });
  add(EVENT.FW_ALIVE_S, 'FW_ALIVE_S', 'firmware-request');
  add(EVENT.DEV_RESET_REQ, 'DEV_RESET_REQ', 'firmware-request');
  add(EVENT.PKT_QUEUE_OUT_SYNC, 'PKT_QUEUE_OUT_SYNC', 'firmware-request');
  for (let n = 0; n < 10; n++) add(STATUS_NIC0 + n, `STATUS_NIC${n >> 1}_ENG${n & 1}`, 'nic-status', `NIC${n}`);
  add(EVENT.FIX_POWER_ENV_S, 'FIX_POWER_ENV_S', 'throttle');
  add(EVENT.FIX_POWER_ENV_E, 'FIX_POWER_ENV_E', 'throttle');
  add(EVENT.FIX_THERMAL_ENV_S, 'FIX_THERMAL_ENV_S', 'throttle');
  add(EVENT.FIX_THERMAL_ENV_E, 'FIX_THERMAL_ENV_E', 'throttle');
  add(EVENT.RAZWI_OR_ADC_SW, 'RAZWI_OR_ADC_SW', 'razwi-driver');
  return events;
}

/** By id. Ids that are not here exist too, without a name or a meaning. */
export const EVENTS: ReadonlyMap<number, EventInfo> = build();

const byName = new Map([...EVENTS.values()].map((event) => [event.name, event]));

export function eventByName(name: string): EventInfo | undefined {
  return byName.get(name);
}

/** For texts. */
export function eventName(id: number): string {
  return EVENTS.get(id)?.name ?? `event ${id}`;
}

/** What an engine's queue manager reports its errors as; undefined for MME1 and MME3, which have none. */
export function qmEvent(engine: EngineName): number | undefined {
  for (const event of EVENTS.values()) if (event.class === 'qm' && event.engine === engine) return event.id;
  return undefined;
}

export function dmaCoreEvent(n: number): number {
  return DMA0_CORE + n;
}

export function syncManagerEvent(dcore: number): number {
  return DMA_IF_SEI_0 + (SEI_OF_DCORE[dcore] as number);
}

export function nicStatusEvent(port: number): number {
  return STATUS_NIC0 + port;
}

/** Id of an engine (uapi.md 2.8). */
export function engineId(engine: EngineName): number {
  return ENGINES.indexOf(engine);
}
