/**
 * The debugfs files that look into memory and registers: addr, data32, data64, dma_size, data_dma, memory_scrub, the monitor
 * dump (uapi.md 9.2, 1.6).
 *
 * Owns: their texts and the order of their checks. Must not know where an address leads: device-access.ts does.
 */
import { errno } from '@pedrera/base';
import {
  DCORE,
  type Device,
  DRAM_USER_BASE,
  DRAM_USER_SIZE,
  MONITORS_PER_DCORE,
  SM_BLOCK_BASES,
  SM_REGISTERS,
} from '@pedrera/hw';
import type { HlDevice } from '../core/device.js';
import { debugfsFile } from './attributes.js';
import type { DebugState } from './debugfs-state.js';
import { POWER_STATE } from './debugfs-state.js';
import type { DeviceAccess } from './device-access.js';
import { parseNumber, parseU32 } from './numbers.js';
import { inReset } from './status.js';
import type { FileNode } from './tree.js';

const MAX_DMA_BYTES = 128 * 2 ** 20;

export interface DebugDevice {
  readonly device: HlDevice;
  readonly access: DeviceAccess;
  readonly state: DebugState;
}

export function memoryFiles(debug: DebugDevice): Readonly<Record<string, () => FileNode>> {
  const { device, access, state } = debug;
  return {
    addr: () =>
      debugfsFile({
        mode: 0o644,
        show: () => `${hex(state.address, 16)}\n`,
        store: (bytes) => {
          state.address = parseNumber(bytes, { base: 0, bits: 64 });
        },
      }),
    data32: () => dataFile(debug, 4),
    data64: () => dataFile(debug, 8),
    dma_size: () =>
      debugfsFile({
        mode: 0o200,
        store: async (bytes) => {
          if (inReset(device)) {
            return 0;
          }
          const size = parseU32(bytes, 16);
          checkDma(access, state.address, size);
          state.dmaBlob = new Uint8Array(0);
          state.dmaBlob = await access.read(Number(state.address), size);
          return bytes.length;
        },
      }),
    data_dma: () => debugfsFile({ mode: 0o400, blob: () => state.dmaBlob }),
    monitor_dump_trig: () =>
      debugfsFile({
        mode: 0o200,
        store: async (bytes) => {
          if (inReset(device)) {
            return 0;
          }
          const trigger = parseU32(bytes, 10);
          if (trigger !== 1) {
            throw errno('EINVAL', `${trigger}: only 1 starts a monitor dump`);
          }
          state.monitorDump = await monitorDump(device.hardware);
          return bytes.length;
        },
      }),
    monitor_dump: () => debugfsFile({ mode: 0o400, blob: () => state.monitorDump }),
    memory_scrub_val: () =>
      debugfsFile({
        mode: 0o644,
        show: () => `${hex(device.settings.memoryScrubValue, 16)}\n`,
        store: (bytes) => {
          device.settings.memoryScrubValue = parseNumber(bytes, { base: 0, bits: 64 });
        },
      }),
    memory_scrub: () => debugfsFile({ mode: 0o200, store: () => scrub(device) }),
  };
}

function dataFile({ device, access, state }: DebugDevice, size: 4 | 8): FileNode {
  const bits = size === 4 ? 32 : 64;
  const off = () => state.powerState === POWER_STATE.D3_HOT;
  return debugfsFile({
    mode: 0o644,
    once: async () => {
      if (inReset(device)) {
        return '';
      }
      // A function that is powered down answers nothing: the bus reads ones.
      const bytes = off() ? new Uint8Array(size).fill(0xff) : await access.read(checkedAddress(state.address), size);
      return `${hex(fromBytes(bytes), 2 * size)}\n`;
    },
    store: async (bytes) => {
      if (inReset(device)) {
        return 0;
      }
      const value = parseNumber(bytes, { base: 16, bits });
      if (!off()) {
        await access.write(checkedAddress(state.address), toBytes(value, size));
      }
      return bytes.length;
    },
  });
}

/** Numbers are exact up to 2^53, and no address beyond is anybody's. */
function checkedAddress(address: bigint): number {
  if (address > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw errno('EINVAL', `nothing that debugfs can reach answers at 0x${address.toString(16)}`);
  }
  return Number(address);
}

function checkDma(access: DeviceAccess, address: bigint, size: number): void {
  if (size === 0 || size > MAX_DMA_BYTES) {
    throw errno('EINVAL', `a DMA of ${size} bytes; allowed are 1 to ${MAX_DMA_BYTES}`);
  }
  if (address > BigInt(Number.MAX_SAFE_INTEGER) || !access.inDeviceMemory(Number(address), size)) {
    throw errno('EINVAL', `0x${address.toString(16)} + ${size} bytes do not lie in SRAM or in HBM`);
  }
}

/** Not while it is open, and not while anything is wrong (uapi.md 9.2). */
function scrub(device: HlDevice): undefined {
  if (!device.operational) {
    throw errno('EIO', `hl${device.index} is not operational (status ${device.status})`);
  }
  if (device.contexts.size > 0) {
    throw errno('EBUSY', `hl${device.index} is open`);
  }
  const { memoryScrubValue } = device.settings;
  if (memoryScrubValue !== 0n) {
    // HBM is sparse here: filled with anything but zero it would take its whole size from the machine.
    throw errno(
      'ENOMEM',
      `a scrub with 0x${memoryScrubValue.toString(16)} would fill ${DRAM_USER_SIZE} bytes of this machine's memory; write 0 to memory_scrub_val first`,
    );
  }
  device.memory.hbm.punchHole(DRAM_USER_BASE, DRAM_USER_SIZE);
}

/** The order of the firmware's structure: W_S, E_S, W_N, E_N. */
const DUMPED_MANAGERS = [DCORE.W_S, DCORE.E_S, DCORE.W_N, DCORE.E_N] as const;
const DUMPED_REGISTERS = ['MON_PAY_ADDRL', 'MON_PAY_ADDRH', 'MON_PAY_DATA', 'MON_ARM', 'MON_STATUS'] as const;

/** All monitor registers: for each sync manager five arrays of 512 words, little-endian. */
async function monitorDump(hardware: Device): Promise<Uint8Array> {
  const words = new Uint32Array(DUMPED_MANAGERS.length * DUMPED_REGISTERS.length * MONITORS_PER_DCORE);
  let at = 0;
  for (const dcore of DUMPED_MANAGERS) {
    for (const register of DUMPED_REGISTERS) {
      const base = SM_BLOCK_BASES[dcore] + SM_REGISTERS[register];
      const values = await Promise.all(
        Array.from({ length: MONITORS_PER_DCORE }, (_, i) => hardware.readRegister(base + 4 * i)),
      );
      words.set(values, at);
      at += MONITORS_PER_DCORE;
    }
  }
  return new Uint8Array(words.buffer);
}

function hex(value: bigint, digits: number): string {
  return `0x${value.toString(16).padStart(digits, '0')}`;
}

function fromBytes(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return bytes.length === 4 ? BigInt(view.getUint32(0, true)) : view.getBigUint64(0, true);
}

function toBytes(value: bigint, size: 4 | 8): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes.subarray(0, size);
}
