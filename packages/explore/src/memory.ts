/**
 * Memory behind the devices of all schedules: made once, checked to be as new before each.
 *
 * Owns: the HBM and SRAM the devices are given. Must not know what lies in them.
 */
import { DRAM_USER_BASE, HBM_BANK_SIZE, HBM_SIZE, SRAM_SIZE } from '@pedrera/hw';
import { type MappedView, SharedMemory } from '@pedrera/wire';
import { Violation } from './violation.js';

/** User memory a device really has; what lies behind is a bus error. The kernel hands out the lowest first. */
const USER_BYTES = 64 * 2 ** 20;
const BANK_BYTES = DRAM_USER_BASE + USER_BYTES;

interface Bank {
  readonly memory: SharedMemory;
  readonly view: MappedView;
  readonly sram: Uint8Array;
}

export class DeviceMemories {
  readonly #banks: Bank[] = [];

  /** The HBM of a device, as the kernel holds it. */
  hbm(device: number): SharedMemory {
    return this.#bank(device).memory;
  }

  /** As the silicon sees it. */
  hbmBank(device: number, bank: number): Uint8Array {
    return bank === 0 ? this.#bank(device).view.bytes : new Uint8Array(0);
  }

  sram(device: number): Uint8Array {
    return this.#bank(device).sram;
  }

  /** Bytes that were written since they were last given back. */
  touched(device: number): number {
    return this.#bank(device).memory.allocatedBytes;
  }

  /** Ready for the next machine. */
  scrub(): void {
    for (const [device, { memory }] of this.#banks.entries()) {
      if (memory.allocatedBytes > 0) {
        memory.punchHole(0, BANK_BYTES);
      }
      if (memory.allocatedBytes > 0) {
        throw new Violation('internal', `HBM of device ${device} was written beyond its first ${BANK_BYTES} bytes`);
      }
    }
  }

  [Symbol.dispose](): void {
    for (const { memory, view } of this.#banks) {
      view.unmap();
      memory.close();
    }
    this.#banks.length = 0;
  }

  #bank(device: number): Bank {
    let bank = this.#banks[device];
    if (bank === undefined) {
      const memory = SharedMemory.create(`explore-hbm${device}`, HBM_SIZE);
      bank = {
        memory,
        view: memory.map(0, Math.min(BANK_BYTES, HBM_BANK_SIZE)),
        sram: new Uint8Array(SRAM_SIZE),
      };
      this.#banks[device] = bank;
    }
    return bank;
  }
}
