/**
 * The sensors of a card as hwmon shows them, under its PCI device (uapi.md 9.1, device.md 9.6).
 *
 * Owns: which sensor has which number, and hwmon's units: millidegrees, milliwatts as microwatts. The measurements are the
 * firmware's. Must not know where the directory lies.
 */
import { errno } from '@pedrera/base';
import { EVENT } from '@pedrera/hw';
import type { HlDevice } from '../core/device.js';
import { sysfsFile } from './attributes.js';
import { parseNumber } from './numbers.js';
import { CARD_NAME } from './pci.js';
import { checkOperational, readOnly } from './sysfs.js';
import { type DirectoryNode, directory, type FileNode, type Node } from './tree.js';

/** Of the sensors the real firmware lists; the simulated card has one temperature, which all of them show. */
const SENSORS = 7;
/** Above this the card throttles. */
const CRITICAL_MILLI_C = 100_000;

/** What a tool wrote into temp<n>_offset, in millidegrees. */
export class SensorOffsets {
  readonly values: number[] = new Array<number>(SENSORS).fill(0);
}

export function hwmonDirectory(device: HlDevice, offsets: SensorOffsets): DirectoryNode {
  const entries: Record<string, () => Node> = {
    name: () => readOnly(() => `${CARD_NAME}\n`),
    power1_input: () =>
      readOnly(async () => {
        checkOperational(device);
        return `${(await device.firmware.powerMw()) * 1000}\n`;
      }),
  };
  for (let n = 1; n <= SENSORS; n++) {
    entries[`temp${n}_crit`] = () => readOnly(() => `${CRITICAL_MILLI_C}\n`);
    entries[`temp${n}_input`] = () => readOnly(async () => `${await temperature(device, offsets, n)}\n`);
    entries[`temp${n}_offset`] = () => offsetFile(device, offsets, n);
  }
  return directory(entries);
}

async function temperature(device: HlDevice, offsets: SensorOffsets, n: number): Promise<number> {
  checkOperational(device);
  return (await device.firmware.temperatureC()) * 1000 + (offsets.values[n - 1] as number);
}

/** The way tests heat a card up: beyond the critical temperature the firmware reports a thermal throttle, and its end. */
function offsetFile(device: HlDevice, offsets: SensorOffsets, n: number): FileNode {
  return sysfsFile({
    mode: 0o644,
    show: () => `${offsets.values[n - 1]}\n`,
    store: async (bytes) => {
      checkOperational(device);
      const value = Number(parse(bytes));
      const before = await hottest(device, offsets);
      offsets.values[n - 1] = value;
      const after = await hottest(device, offsets);
      if (before <= CRITICAL_MILLI_C && after > CRITICAL_MILLI_C) {
        device.raiseEvent(EVENT.FIX_THERMAL_ENV_S);
      } else if (before > CRITICAL_MILLI_C && after <= CRITICAL_MILLI_C) {
        device.raiseEvent(EVENT.FIX_THERMAL_ENV_E);
      }
    },
  });
}

async function hottest(device: HlDevice, offsets: SensorOffsets): Promise<number> {
  return (await device.firmware.temperatureC()) * 1000 + Math.max(...offsets.values);
}

function parse(bytes: Uint8Array): bigint {
  try {
    return parseNumber(bytes, { base: 0, bits: 32, signed: true });
  } catch {
    throw errno('EINVAL', `${JSON.stringify(Buffer.from(bytes).toString('latin1').slice(0, 40))} is not a number`);
  }
}
