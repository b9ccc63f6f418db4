/** INFO: what the device is and how it is doing (uapi.md 2.4). */
import { errno } from '@pedrera/base';
import {
  DCORE_COUNT,
  DRAM_PAGE_SIZE,
  DRAM_USER_BASE,
  DRAM_USER_SIZE,
  ENGINES,
  SRAM_USER_BASE,
  SRAM_USER_SIZE,
} from '@pedrera/hw';
import {
  ENGINES_DATA_MAX_SIZE,
  ENGINES_DATA_MIN_SIZE,
  type Handlers,
  MAX_DCORES,
  NUMBER_OF_EVENTS,
} from '@pedrera/uapi';
import { firstFree } from '../../core/leases.js';
import { formatEngines } from '../../vfs/engines.js';
import type { Session } from '../session.js';
import { EVENT_HANDLERS } from './info-events.js';
import { FIRMWARE_HANDLERS } from './info-firmware.js';

type InfoCalls = Pick<Handlers<Session>, Extract<keyof Handlers<Session>, `INFO_${string}`>>;

/** PCI id of a non-secured Gaudi (uapi.md 2.5). */
const GAUDI_DEVICE_ID = 0x1000;
/** "No interrupt" and "no completion queue" in 16 and 32 bits. */
const NONE = 0xffff;
const FIRST_NIC = ENGINES.indexOf('NIC0');

export const INFO_HANDLERS: InfoCalls = {
  ...EVENT_HANDLERS,
  ...FIRMWARE_HANDLERS,

  INFO_HW_IP_INFO(session) {
    const { device, context } = session.openFile;
    // Under `shared` SRAM is leased; what was not leased is not there (architecture: nothing is reachable that was not given).
    const sram = device.policy.ownsDevice
      ? { base: SRAM_USER_BASE, size: SRAM_USER_SIZE }
      : (context?.leases.sram ?? { base: SRAM_USER_BASE, size: 0 });
    return {
      sramBaseAddress: sram.base,
      dramBaseAddress: DRAM_USER_BASE,
      dramSize: DRAM_USER_SIZE,
      sramSize: sram.size,
      numOfEvents: NUMBER_OF_EVENTS,
      deviceId: GAUDI_DEVICE_ID,
      moduleId: device.place.module,
      decoderEnabledMask: 0,
      firstAvailableInterruptId: NONE,
      serverType: 0,
      cpldVersion: device.firmware.versions.cpld,
      psocPciPllNr: 0,
      psocPciPllNf: 0,
      psocPciPllOd: 0,
      psocPciPllDivFactor: 0,
      tpcEnabledMask: 0xff,
      dramEnabled: true,
      securityEnabled: false,
      mmeMasterSlaveMode: 0,
      cpucpVersion: device.firmware.versions.cpucp,
      cardName: 'HL205',
      tpcEnabledMaskExt: 0xff,
      dramPageSize: DRAM_PAGE_SIZE,
      edmaEnabledMask: 0,
      numberOfUserInterrupts: 0,
      deviceMemAllocDefaultPageSize: DRAM_PAGE_SIZE,
    };
  },

  INFO_DEVICE_STATUS(session) {
    return { status: session.openFile.device.status };
  },

  async INFO_HW_IDLE(session) {
    const { device } = session.openFile;
    const engines = await device.hardware.engineStatus();
    let mask = 0;
    engines.forEach(({ idle }, id) => {
      if (!idle && isEnabled(id, device.settings.nicPortsMask)) {
        mask |= 1 << id;
      }
    });
    return { isIdle: mask === 0, busyEnginesMask: mask >>> 0, busyEnginesMaskExt: [mask >>> 0, 0] };
  },

  async INFO_ENGINE_STATUS(session, { bufferSize }) {
    if (bufferSize < ENGINES_DATA_MIN_SIZE || bufferSize > ENGINES_DATA_MAX_SIZE) {
      throw errno(
        'EINVAL',
        `room for ${bufferSize} bytes; the text wants ${ENGINES_DATA_MIN_SIZE} to ${ENGINES_DATA_MAX_SIZE}`,
      );
    }
    const { device } = session.openFile;
    const text = Buffer.from(
      formatEngines(await device.hardware.engineStatus(), device.settings.nicPortsMask),
      'latin1',
    );
    if (text.length > bufferSize) {
      throw errno('ENOMEM', `the text has ${text.length} bytes, there is room for ${bufferSize}`);
    }
    return { text };
  },

  INFO_DEV_MEM_ALLOC_PAGE_SIZES() {
    // Gaudi's device memory has no page sizes to choose from (uapi.md 2.4).
    return { pageOrderBitmask: 0 };
  },

  INFO_DRAM_USAGE(session) {
    const { device, context } = session.openFile;
    return { dramFreeMem: asU64(DRAM_USER_SIZE - device.hbmUsed), ctxDramMem: asU64(context?.dramUsed ?? 0) };
  },

  INFO_CS_COUNTERS(session) {
    const { device, context } = session.openFile;
    const total = device.counters;
    const own = context?.counters;
    return {
      totalOutOfMemDropCnt: total.outOfMem,
      ctxOutOfMemDropCnt: own?.outOfMem ?? 0,
      totalParsingDropCnt: total.parsing,
      ctxParsingDropCnt: own?.parsing ?? 0,
      totalQueueFullDropCnt: total.queueFull,
      ctxQueueFullDropCnt: own?.queueFull ?? 0,
      totalDeviceInResetDropCnt: total.deviceInReset,
      ctxDeviceInResetDropCnt: own?.deviceInReset ?? 0,
      totalMaxCsInFlightDropCnt: total.maxCsInFlight,
      ctxMaxCsInFlightDropCnt: own?.maxCsInFlight ?? 0,
      totalValidationDropCnt: total.validation,
      ctxValidationDropCnt: own?.validation ?? 0,
    };
  },

  INFO_SYNC_MANAGER(session, { dcore }) {
    if (dcore >= MAX_DCORES) {
      throw errno('EINVAL', `dcore ${dcore}; there are ${MAX_DCORES} at most`);
    }
    const { device, context } = session.openFile;
    if (device.policy.ownsDevice || context === undefined || dcore >= DCORE_COUNT) {
      const { sob, monitor } = firstFree(dcore);
      return { firstAvailableSyncObject: sob, firstAvailableMonitor: monitor, firstAvailableCq: NONE };
    }
    const lease = session.openFile.liveContext.leases.heldOrLeased(dcore);
    return {
      firstAvailableSyncObject: lease.firstSob,
      firstAvailableMonitor: lease.firstMonitor,
      firstAvailableCq: NONE,
    };
  },

  INFO_TIME_SYNC(session) {
    const now = BigInt(Math.round(session.machine.clock.nowNs()));
    // The simulated device has no clock of its own: both read the same.
    return { deviceTime: now, hostTime: now };
  },

  INFO_RESET_COUNT(session) {
    return { hardResetCnt: session.openFile.device.life.hardResets, softResetCnt: 0 };
  },

  INFO_OPEN_STATS(session) {
    const { device } = session.openFile;
    return {
      openCounter: device.contexts.opens,
      lastOpenPeriodMs: Math.round(device.contexts.lastOpenDurationMs),
      isComputeCtxActive: device.contexts.size > 0,
      computeCtxInRelease: device.contexts.inRelease,
    };
  },
};

/** NICs count where their port is enabled only (uapi.md 7.7). */
function isEnabled(engine: number, nicPortsMask: number): boolean {
  const port = engine - FIRST_NIC;
  return port < 0 || (nicPortsMask & (1 << port)) !== 0;
}

/** As the driver's counters, which know no sign (uapi.md 5.1, 5.3). */
function asU64(count: number): number {
  return count < 0 ? 2 ** 64 + count : count;
}
