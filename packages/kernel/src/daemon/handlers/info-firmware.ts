/** INFO: what only the firmware knows (uapi.md 2.4). */
import { errno } from '@pedrera/base';
import type { Handlers } from '@pedrera/uapi';
import type { Session } from '../session.js';

type FirmwareCalls = Pick<
  Handlers<Session>,
  | 'INFO_DEVICE_UTILIZATION'
  | 'INFO_CLK_RATE'
  | 'INFO_PCI_COUNTERS'
  | 'INFO_CLK_THROTTLE_REASON'
  | 'INFO_TOTAL_ENERGY'
  | 'INFO_PLL_FREQUENCY'
  | 'INFO_POWER'
  | 'INFO_DRAM_REPLACED_ROWS'
  | 'INFO_DRAM_PENDING_ROWS'
  | 'INFO_SECURED_ATTESTATION'
>;

const firmwareOf = (session: Session) => session.openFile.device.firmware;

export const FIRMWARE_HANDLERS: FirmwareCalls = {
  async INFO_DEVICE_UTILIZATION(session) {
    return { utilization: await firmwareOf(session).utilization() };
  },

  async INFO_CLK_RATE(session) {
    const { current, max } = await firmwareOf(session).clockMhz();
    return { curClkRateMhz: current, maxClkRateMhz: max };
  },

  async INFO_PCI_COUNTERS(session) {
    const { rx, tx, replays } = await firmwareOf(session).pciCounters();
    return { rxThroughput: rx, txThroughput: tx, replayCnt: replays };
  },

  INFO_CLK_THROTTLE_REASON(session) {
    const { throttle } = firmwareOf(session);
    return {
      clkThrottlingReason: throttle.mask,
      clkThrottlingStartUs: throttle.startsUs,
      clkThrottlingDurationNs: throttle.durationsNs,
    };
  },

  async INFO_TOTAL_ENERGY(session) {
    return { totalEnergyConsumption: await firmwareOf(session).totalEnergyMj() };
  },

  async INFO_PLL_FREQUENCY(session, { pllIndex }) {
    return { output: [...(await firmwareOf(session).pllMhz(pllIndex))] };
  },

  async INFO_POWER(session) {
    return { power: await firmwareOf(session).powerMw() };
  },

  async INFO_DRAM_REPLACED_ROWS(session) {
    // No row of the model's memory is ever replaced: the record of none.
    await firmwareOf(session).badRows();
    return { hbmIdx: 0, pc: 0, sid: 0, bankIdx: 0, rowAddr: 0, replacedRowCause: 0 };
  },

  async INFO_DRAM_PENDING_ROWS(session) {
    const { pending } = await firmwareOf(session).badRows();
    return { pendingRows: pending };
  },

  async INFO_SECURED_ATTESTATION(session) {
    await firmwareOf(session).answer();
    throw errno('EIO', 'the firmware of a device that is not secured attests nothing');
  },
};
