/**
 * DEVICES and ENGINES: how each device is and what it has done, with the values its files and INFO give.
 *
 * Owns: where each value of those sections comes from. Reads only.
 */
import { DRAM_USER_SIZE, SRAM_USER_SIZE } from '@pedrera/hw';
import { DEVICE_STATUS, type DeviceSection, type EngineSection, type EngineTimes } from '@pedrera/uapi';
import { CARD_NAME, deviceUuid, serialNumber } from '../../vfs/pci.js';
import type { HlDevice } from '../device.js';
import { type Chapter, listChapter, type Moment, milliseconds, type Row } from './moment.js';

export function devicesChapter(moment: Moment): Chapter {
  return listChapter(
    'devices',
    moment.devices.map((device) => deviceRow(device, moment)),
  );
}

/** Of DEVICE_STATUS. */
export function statusName(status: number): string {
  const name = Object.entries(DEVICE_STATUS).find(([, value]) => value === status)?.[0] ?? 'unknown';
  return name.toLowerCase().replaceAll('_', ' ');
}

export function sramLeased(device: HlDevice): number {
  let leased = 0;
  for (const { leases } of device.contexts) {
    leased += leases.sram?.size ?? 0;
  }
  return leased;
}

function deviceRow(device: HlDevice, { silicon, nowNs }: Moment): Row<DeviceSection> {
  const { index, status, place, linksDown, hbmUsed, submissions } = device;
  const { hardResets, lastReset } = device.life;
  const { size: contexts } = device.contexts;
  const counters = silicon.get(index)?.counters;
  const leased = sramLeased(device);
  const serial = serialNumber(device);
  const uuid = deviceUuid(device);
  const { cpucp } = device.firmware.versions;
  const readings = device.firmware.readings();
  const { maxPowerMw, nicPortsMask } = device.settings;
  const { started: submitted, completed, failed } = submissions;
  const { submissionTimes } = device;
  const { interrupts } = device.reports;
  const durations = { counts: Array.from(submissionTimes.counts), sumNs: submissionTimes.sumNs };
  return () => ({
    index,
    name: `hl${index}`,
    card: CARD_NAME,
    status: statusName(status),
    lastReset:
      lastReset === undefined ? null : { reason: lastReset.reason, ageMs: milliseconds(nowNs - lastReset.atNs) },
    contexts,
    pciAddress: place.pci,
    serial,
    uuid,
    firmware: cpucp,
    hbm: { total: DRAM_USER_SIZE, used: Math.max(0, hbmUsed) },
    sram: { size: SRAM_USER_SIZE, leased },
    resets: { hard: hardResets, soft: 0 },
    temperatureC: readings.temperatureC,
    powerMw: readings.powerMw,
    maxPowerMw,
    clockMhz: readings.clockMhz,
    maxClockMhz: readings.maxClockMhz,
    utilizationPercent: readings.utilizationPercent,
    ports: ports(nicPortsMask, linksDown),
    counters: {
      packets: counters?.packets ?? 0,
      dmaBytes: counters?.dmaBytes ?? 0,
      busReadBytes: counters?.busReadBytes ?? 0,
      busWrittenBytes: counters?.busWrittenBytes ?? 0,
      sobWrites: counters?.sobWrites ?? 0,
      monitorsFired: counters?.monitorsFired ?? 0,
      faults: counters?.faults ?? 0,
      interrupts,
      submissions: submitted,
      completed,
      failed,
    },
    durations,
  });
}

/** Of the NIC ports that exist. */
function ports(mask: number, down: number): DeviceSection['ports'] {
  const count = (bits: number) => [...(bits >>> 0).toString(2)].filter((bit) => bit === '1').length;
  return { total: count(mask), down: count(mask & down) };
}

export function enginesChapter(moment: Moment): Chapter {
  return listChapter(
    'engines',
    moment.devices.flatMap((device) => engineRows(device, moment)),
  );
}

/** All of it is of the device's own snapshot; only the contexts have to be named as long as they are there. */
function engineRows({ index, contexts }: HlDevice, { silicon, pid }: Moment): Row<EngineSection>[] {
  const snapshot = silicon.get(index);
  if (snapshot === undefined) {
    return [];
  }
  const pids = new Map<number, number>();
  for (const context of contexts) {
    pids.set(context.asid, context.pid);
  }
  const used = new Map<string, EngineSection['contexts']>();
  for (const { engine, asid, ...sums } of snapshot.engineTimes) {
    const owner = pids.get(asid);
    if (owner !== undefined && (pid === 0 || pid === owner)) {
      const row = { asid, pid: owner, times: times(sums) };
      const same = used.get(engine);
      if (same === undefined) {
        used.set(engine, [row]);
      } else {
        same.push(row);
      }
    }
  }
  return snapshot.engines.map(({ name, busy, hung, times: sums }) => () => ({
    device: index,
    name,
    busy,
    hung,
    times: times(sums),
    contexts: used.get(name) ?? [],
  }));
}

function times({ busyNs, waitSyncNs, waitMemoryNs }: EngineTimes): EngineTimes {
  return { busyNs, waitSyncNs, waitMemoryNs };
}
