/**
 * The slots of host memory the kernel has opened to the device. A slot that is taken away is gone at once: nobody keeps a
 * view of it across turns, everyone asks here again.
 */

import { BUS_SLOT_SIZE, type BusRegion, HOST_SLOT_COUNT } from '@pedrera/hw';
import { type MemoryBlock, type MemorySource, memoryBlock } from './memory.js';

interface Slot {
  readonly region: BusRegion;
  readonly block: MemoryBlock;
}

export class BusMemory {
  readonly #source: MemorySource;
  readonly #slots: (Slot | undefined)[] = [];

  constructor(source: MemorySource) {
    this.#source = source;
  }

  add(region: BusRegion): void {
    const { slot, size, memory } = region;
    if (!(Number.isInteger(slot) && slot >= 0 && slot < HOST_SLOT_COUNT)) throw new RangeError(`no bus slot ${slot}`);
    if (!(size > 0 && size <= BUS_SLOT_SIZE)) throw new RangeError(`bus slot ${slot}: ${size} bytes do not fit a slot`);
    if (this.#slots[slot] !== undefined) throw new Error(`bus slot ${slot} is in use`);
    let bytes: Uint8Array | undefined;
    if (memory.kind === 'shared') bytes = new Uint8Array(memory.buffer, memory.offset, size);
    else bytes = this.#source.mapBusRegion?.(region);
    if (bytes === undefined) throw new Error(`bus slot ${slot}: this device cannot map memory given by descriptor`);
    this.#slots[slot] = { region, block: memoryBlock(bytes) };
  }

  /** A ring's memory, under its slot; no harm if the kernel has already added it. */
  addRing(slot: number, buffer: SharedArrayBuffer): void {
    const known = this.#slots[slot];
    if (known === undefined) {
      this.add({ slot, size: buffer.byteLength, memory: { kind: 'shared', buffer, offset: 0 } });
    } else if (known.block.bytes.buffer !== buffer) {
      throw new Error(`bus slot ${slot} holds other memory than the ring's`);
    }
  }

  remove(slot: number): void {
    const known = this.#slots[slot];
    if (known === undefined) throw new Error(`bus slot ${slot} is not in use`);
    this.#slots[slot] = undefined;
    if (known.region.memory.kind === 'fd') this.#source.unmapBusRegion?.(known.region, known.block.bytes);
  }

  block(slot: number): MemoryBlock | undefined {
    return this.#slots[slot]?.block;
  }

  close(): void {
    for (let slot = 0; slot < this.#slots.length; slot++) if (this.#slots[slot] !== undefined) this.remove(slot);
  }
}
