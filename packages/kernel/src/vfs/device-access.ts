/**
 * Device memory and registers as the driver reaches them for debugfs data32, data64 and dma_size (uapi.md 9.2, device.md 1.2).
 *
 * Owns: which region an address lies in, and the way there: registers and SRAM through the hardware, HBM through its memory,
 * host memory through the mappings of a context. Must not know files or texts.
 */
import { errno, HlError } from '@pedrera/base';
import {
  CFG_BASE,
  CFG_SIZE,
  classifyBusAddress,
  DRAM_VA_BASE,
  DRAM_VA_END,
  formatAddress,
  GIC_SETSPI,
  HBM_BASE,
  HBM_SIZE,
  HOST_VA_BASE,
  HOST_VA_END,
  PSOC_SCRATCHPAD_BASE,
  PSOC_SCRATCHPAD_SIZE,
  SRAM_BASE,
  SRAM_SIZE,
} from '@pedrera/hw';
import type { SharedMemory } from '@pedrera/wire';
import type { HlDevice } from '../core/device.js';
import type { Machine } from '../core/machine.js';
import type { Piece } from '../core/mapping.js';
import { mappingAt } from './mmu.js';

/** A multiple of the page size of every machine. */
const MAP_ALIGNMENT = 2 ** 16;

interface Region {
  readonly base: number;
  readonly size: number;
  read(offset: number, size: number): Uint8Array | Promise<Uint8Array>;
  write(offset: number, bytes: Uint8Array): void | Promise<void>;
}

export class DeviceAccess {
  readonly #machine: Machine;
  readonly #device: HlDevice;
  /** In the order the driver looks: CFG, SRAM, DRAM, SP-SRAM. */
  readonly #regions: readonly Region[];
  /** What firmware and driver leave notes in; no model of it beyond its being memory. Made at the first write. */
  #scratchpad: Uint8Array | undefined;

  constructor(machine: Machine, device: HlDevice) {
    this.#machine = machine;
    this.#device = device;
    const { hardware, memory } = device;
    this.#regions = [
      {
        base: CFG_BASE,
        size: CFG_SIZE,
        read: (offset, size) => this.#readRegisters(offset, size),
        write: (offset, bytes) => this.#writeRegisters(offset, bytes),
      },
      {
        base: SRAM_BASE,
        size: SRAM_SIZE,
        read: (offset, size) => hardware.readSram(offset, size),
        write: (offset, bytes) => hardware.writeSram(offset, bytes),
      },
      {
        base: HBM_BASE,
        size: HBM_SIZE,
        read: (offset, size) => readShared(memory.hbm, offset, size),
        write: (offset, bytes) => writeShared(memory.hbm, offset, bytes),
      },
      {
        base: PSOC_SCRATCHPAD_BASE,
        size: PSOC_SCRATCHPAD_SIZE,
        read: (offset, size) => this.#scratchpad?.slice(offset, offset + size) ?? new Uint8Array(size),
        write: (offset, bytes) => {
          this.#scratchpad ??= new Uint8Array(PSOC_SCRATCHPAD_SIZE);
          this.#scratchpad.set(bytes, offset);
        },
      },
    ];
  }

  /** Errors: EINVAL for an address that names nothing, or is not mapped. */
  async read(address: number, size: number): Promise<Uint8Array> {
    const behind = this.#translate(address, size);
    if (behind?.space === 'bus') {
      return this.#readBus(behind.address, size, address);
    }
    const { region, offset } = this.#find(behind?.address ?? address, size);
    return region.read(offset, size);
  }

  async write(address: number, bytes: Uint8Array): Promise<void> {
    const behind = this.#translate(address, bytes.length);
    if (behind?.space === 'bus') {
      await this.#writeBus(behind.address, bytes, address);
      return;
    }
    const { region, offset } = this.#find(behind?.address ?? address, bytes.length);
    await region.write(offset, bytes);
  }

  /** Whole SRAM or whole HBM, the driver's parts included (uapi.md 9.2, dma_size). */
  inDeviceMemory(address: number, size: number): boolean {
    return (
      (address >= SRAM_BASE && address + size <= SRAM_BASE + SRAM_SIZE) ||
      (address >= HBM_BASE && address + size <= HBM_BASE + HBM_SIZE)
    );
  }

  #find(address: number, size: number): { region: Region; offset: number } {
    for (const region of this.#regions) {
      if (address >= region.base && address + size <= region.base + region.size) {
        return { region, offset: address - region.base };
      }
    }
    throw errno('EINVAL', `nothing that debugfs can reach answers at ${formatAddress(address)}`);
  }

  /**
   * Where an address that a context sees really lies; undefined for a physical one. With several contexts open, the one that
   * has it mapped is meant.
   */
  #translate(address: number, size: number): Piece | undefined {
    const isHost = address >= HOST_VA_BASE && address < HOST_VA_END;
    const isDram = !this.#device.policy.ownsDevice && address >= DRAM_VA_BASE && address < DRAM_VA_END;
    if (!isHost && !isDram) {
      return undefined;
    }
    const found: { asid: number; behind: Piece }[] = [];
    for (const context of this.#device.contexts) {
      const mapped = mappingAt(context, address, size) !== undefined;
      const behind = mapped ? context.addressSpace.translate(address, size) : undefined;
      if (behind !== undefined) {
        found.push({ asid: context.asid, behind });
      }
    }
    if (found.length > 1) {
      const asids = found.map(({ asid }) => asid).join(', ');
      throw errno('EINVAL', `${formatAddress(address)} is mapped in several contexts (ASIDs ${asids})`);
    }
    if (found[0] === undefined) {
      throw errno('EINVAL', `no open context of hl${this.#device.index} has ${formatAddress(address)} mapped`);
    }
    return found[0].behind;
  }

  async #readRegisters(offset: number, size: number): Promise<Uint8Array> {
    checkAligned(offset);
    const words = await Promise.all(
      Array.from({ length: size / 4 }, (_, i) => this.#device.hardware.readRegister(offset + 4 * i)),
    );
    return new Uint8Array(Uint32Array.from(words).buffer);
  }

  async #writeRegisters(offset: number, bytes: Uint8Array): Promise<void> {
    checkAligned(offset);
    const words = new Uint32Array(bytes.slice().buffer);
    for (const [i, word] of words.entries()) {
      const at = offset + 4 * i;
      // The interrupt controller: what a tool writes here is the id of an event to raise (device.md 8.1).
      if (at === GIC_SETSPI) {
        this.#device.raiseEvent(word);
      } else {
        await this.#device.hardware.writeRegister(at, word);
      }
    }
  }

  #readBus(busAddress: number, size: number, address: number): Uint8Array | Promise<Uint8Array> {
    const place = this.#placeOnBus(busAddress, address);
    return place.kind === 'device'
      ? place.access.read(place.address, size)
      : reachable(() => this.#device.bus.read(busAddress, size));
  }

  async #writeBus(busAddress: number, bytes: Uint8Array, address: number): Promise<void> {
    const place = this.#placeOnBus(busAddress, address);
    if (place.kind === 'device') {
      await place.access.write(place.address, bytes);
    } else {
      reachable(() => this.#device.bus.write(busAddress, bytes));
    }
  }

  /** Host memory, or another device's HBM or sync objects behind its BARs. */
  #placeOnBus(
    busAddress: number,
    address: number,
  ): { kind: 'host' } | { kind: 'device'; access: DeviceAccess; address: number } {
    const location = classifyBusAddress(busAddress);
    if (location === undefined) {
      throw errno('EINVAL', `nothing answers on the bus behind ${formatAddress(address)}`);
    }
    if (location.kind === 'host') {
      return { kind: 'host' };
    }
    const device = this.#machine.devices[location.device];
    if (device === undefined) {
      throw errno('EINVAL', `${formatAddress(address)} lies in device ${location.device}, which this machine lacks`);
    }
    const there = location.kind === 'peer-hbm' ? HBM_BASE + location.address : CFG_BASE + location.offset;
    return { kind: 'device', access: new DeviceAccess(this.#machine, device), address: there };
  }
}

/** Pinned memory cannot go away; that of a process can here, and is then as if it were not mapped. */
function reachable<T>(access: () => T): T {
  try {
    return access();
  } catch (error) {
    throw error instanceof HlError && error.code === 'EFAULT' ? errno('EINVAL', error.detail ?? '') : error;
  }
}

function checkAligned(offset: number): void {
  if (offset % 4 !== 0) {
    throw errno('EINVAL', `register address ${formatAddress(CFG_BASE + offset)} is not a multiple of 4`);
  }
}

function withView<T>(memory: SharedMemory, offset: number, size: number, use: (bytes: Uint8Array) => T): T {
  const start = offset - (offset % MAP_ALIGNMENT);
  const end = Math.min(memory.size, Math.ceil((offset + size) / MAP_ALIGNMENT) * MAP_ALIGNMENT);
  using view = memory.map(start, end - start);
  return use(view.bytes.subarray(offset - start, offset - start + size));
}

function readShared(memory: SharedMemory, offset: number, size: number): Uint8Array {
  return withView(memory, offset, size, (bytes) => bytes.slice());
}

function writeShared(memory: SharedMemory, offset: number, bytes: Uint8Array): void {
  withView(memory, offset, bytes.length, (target) => target.set(bytes));
}
