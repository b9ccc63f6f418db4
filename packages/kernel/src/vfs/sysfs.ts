/**
 * The attributes of a device in sysfs (uapi.md 9.1) and the generic files beside them.
 *
 * Owns: their texts, newlines and modes. Must not know where the directories lie: paths.ts does.
 */
import { errno } from '@pedrera/base';
import type { HlDevice } from '../core/device.js';
import { type SysfsSpec, sysfsFile } from './attributes.js';
import { parseNumber } from './numbers.js';
import { EEPROM_SIZE, eepromBytes, NODE_MAJOR, pciAddress, primaryMinor } from './pci.js';
import { statusText } from './status.js';
import { type DirectoryNode, directory, type FileNode, link, type Node } from './tree.js';

/** hl<i>: what there is of the driver's own, and the generic files. */
export function primaryDirectory(device: HlDevice): DirectoryNode {
  return directory({ ...attributes(device), ...nodeFiles(`hl${device.index}`, primaryMinor(device)) });
}

/**
 * hl_controlD<i>: the generic files only. The library of 2021 takes every entry of the class for a device and reads its
 * pci_addr; with one here it would find device 0 (uapi.md 1.1).
 */
export function controlDirectory(device: HlDevice): DirectoryNode {
  return directory(nodeFiles(`hl_controlD${device.index}`, primaryMinor(device) + 1));
}

export function readOnly(show: NonNullable<SysfsSpec['show']>): FileNode {
  return sysfsFile({ mode: 0o444, show });
}

function attributes(device: HlDevice): Readonly<Record<string, () => FileNode>> {
  const { versions } = device.firmware;
  const fixed = (text: string) => () => readOnly(() => text);
  return {
    // The older names of the firmware's versions stay beside the newer.
    armcp_kernel_ver: fixed(versions.kernel),
    armcp_ver: fixed(`${versions.cpucp}\n`),
    clk_cur_freq_mhz: () => readOnly(async () => `${(await clocks(device)).current}\n`),
    clk_max_freq_mhz: () =>
      sysfsFile({
        mode: 0o644,
        show: async () => `${(await clocks(device)).max}\n`,
        store: (bytes) => {
          checkOperational(device);
          device.settings.maxClockMhz = positive(bytes);
        },
      }),
    cpld_ver: fixed(`0x${versions.cpld.toString(16).padStart(8, '0')}\n`),
    cpucp_kernel_ver: fixed(versions.kernel),
    cpucp_ver: fixed(`${versions.cpucp}\n`),
    device_type: fixed('GAUDI\n'),
    eeprom: () => eeprom(device),
    fuse_ver: fixed(`${versions.fuse}\n`),
    fw_os_ver: fixed(versions.fwOs),
    hard_reset: () =>
      sysfsFile({
        mode: 0o200,
        store: (bytes) => {
          number(bytes);
          device.requestReset({ kind: 'manual' });
        },
      }),
    hard_reset_cnt: () => readOnly(() => `${device.life.hardResets}\n`),
    infineon_ver: fixed(`0x${versions.infineon.toString(16).padStart(2, '0')}\n`),
    max_power: () =>
      sysfsFile({
        mode: 0o644,
        show: () => {
          checkOperational(device);
          return `${device.settings.maxPowerMw}\n`;
        },
        store: async (bytes) => {
          checkOperational(device);
          device.settings.maxPowerMw = positive(bytes);
          // The firmware compares at once: less than the device uses now begins a throttle.
          await device.firmware.measure();
        },
      }),
    pci_addr: () => readOnly(() => `${pciAddress(device)}\n`),
    preboot_btl_ver: fixed(`${versions.preboot}\n`),
    security_enabled: fixed('0\n'),
    status: () => readOnly(() => `${statusText(device)}\n`),
    thermal_ver: fixed(versions.thermal),
    uboot_ver: fixed(`${versions.uboot}\n`),
  };
}

/** What every character device has; the simulated one does no power management of its own. */
function nodeFiles(name: string, minor: number): Readonly<Record<string, () => Node>> {
  return {
    dev: () => readOnly(() => `${NODE_MAJOR}:${minor}\n`),
    power: () =>
      directory({
        control: () => readOnly(() => 'auto\n'),
        runtime_active_time: () => readOnly(() => '0\n'),
        runtime_status: () => readOnly(() => 'unsupported\n'),
        runtime_suspended_time: () => readOnly(() => '0\n'),
      }),
    subsystem: () => link('../../../../class/habanalabs'),
    uevent: () => readOnly(() => `MAJOR=${NODE_MAJOR}\nMINOR=${minor}\nDEVNAME=${name}\n`),
  };
}

export function checkOperational(device: HlDevice): void {
  if (!device.operational) {
    throw errno('ENODEV', `hl${device.index} is not operational (status ${device.status})`);
  }
}

async function clocks(device: HlDevice): Promise<{ current: number; max: number }> {
  checkOperational(device);
  return device.firmware.clockMhz();
}

/** Of a fixed size, whatever is in it. A read of nothing is refused, as the firmware's call would be. */
function eeprom(device: HlDevice): FileNode {
  return {
    kind: 'file',
    mode: 0o444,
    size: EEPROM_SIZE,
    refusal: 'EACCES',
    read: (offset, size) => {
      checkOperational(device);
      if (size === 0) {
        throw errno('EINVAL', 'a read of no bytes of the EEPROM');
      }
      return eepromBytes(device).subarray(offset, offset + size);
    },
  };
}

/** Every bad number is EINVAL in sysfs, one that is too large too. */
function number(bytes: Uint8Array): bigint {
  try {
    return parseNumber(bytes, { base: 0, bits: 64, signed: true });
  } catch {
    throw errno('EINVAL', `${JSON.stringify(Buffer.from(bytes).toString('latin1').slice(0, 40))} is not a number`);
  }
}

function positive(bytes: Uint8Array): number {
  const value = number(bytes);
  if (value < 0n || value > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw errno('EINVAL', `${value} is no value this attribute can have`);
  }
  return Number(value);
}
