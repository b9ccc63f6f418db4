/**
 * The slots of host memory the kernel has opened to the device. A slot that is taken away is gone at once: nobody keeps a
 * view of it across turns, everyone asks here again.
 */

import { BUS_SLOT_SIZE, type BusRegion, HOST_SLOT_COUNT } from '@pedrera/hw';
import { type MemoryBlock, type MemorySource, memoryBlock, type ProcessPort } from './memory.js';

interface Slot {
  readonly region: BusRegion;
  /** Undefined for memory of a process. */
  readonly block: MemoryBlock | undefined;
  readonly process: ProcessSlot | undefined;
}

/** Memory of a process behind a slot. */
export interface ProcessSlot {
  readonly port: ProcessPort;
  readonly address: number;
  readonly size: number;
}

/** Where a process cannot be reached there is nothing. */
const NOWHERE: ProcessPort = { read: () => 0, write: () => 0, close: () => {} };

export class BusMemory {
  readonly #source: MemorySource;
  readonly #slots: (Slot | undefined)[] = [];
  /** By process, with the number of slots that use it. */
  readonly #ports = new Map<number, { readonly port: ProcessPort; users: number }>();

  constructor(source: MemorySource) {
    this.#source = source;
  }

  add(region: BusRegion): void {
    const { slot, size, memory } = region;
    if (!(Number.isInteger(slot) && slot >= 0 && slot < HOST_SLOT_COUNT)) throw new RangeError(`no bus slot ${slot}`);
    if (!(size > 0 && size <= BUS_SLOT_SIZE)) throw new RangeError(`bus slot ${slot}: ${size} bytes do not fit a slot`);
    if (this.#slots[slot] !== undefined) throw new Error(`bus slot ${slot} is in use`);
    if (memory.kind === 'process') {
      const process = { port: this.#openPort(memory.pid), address: memory.address, size };
      this.#slots[slot] = { region, block: undefined, process };
      return;
    }
    let bytes: Uint8Array | undefined;
    if (memory.kind === 'shared') bytes = new Uint8Array(memory.buffer, memory.offset, size);
    else bytes = this.#source.mapBusRegion?.(region);
    if (bytes === undefined) throw new Error(`bus slot ${slot}: this device cannot map memory given by descriptor`);
    this.#slots[slot] = { region, block: memoryBlock(bytes), process: undefined };
  }

  /** A ring's memory, under its slot; no harm if the kernel has already added it. */
  addRing(slot: number, buffer: SharedArrayBuffer): void {
    const known = this.#slots[slot];
    if (known === undefined) {
      this.add({ slot, size: buffer.byteLength, memory: { kind: 'shared', buffer, offset: 0 } });
    } else if (known.block?.bytes.buffer !== buffer) {
      throw new Error(`bus slot ${slot} holds other memory than the ring's`);
    }
  }

  remove(slot: number): void {
    const known = this.#slots[slot];
    if (known === undefined) throw new Error(`bus slot ${slot} is not in use`);
    this.#slots[slot] = undefined;
    const { region, block } = known;
    if (region.memory.kind === 'process') this.#closePort(region.memory.pid);
    else if (region.memory.kind === 'fd' && block !== undefined) this.#source.unmapBusRegion?.(region, block.bytes);
  }

  block(slot: number): MemoryBlock | undefined {
    return this.#slots[slot]?.block;
  }

  process(slot: number): ProcessSlot | undefined {
    return this.#slots[slot]?.process;
  }

  #openPort(pid: number): ProcessPort {
    let known = this.#ports.get(pid);
    if (known === undefined) {
      known = { port: this.#source.openProcess?.(pid) ?? NOWHERE, users: 0 };
      this.#ports.set(pid, known);
    }
    known.users++;
    return known.port;
  }

  #closePort(pid: number): void {
    const known = this.#ports.get(pid);
    if (known === undefined || --known.users > 0) return;
    this.#ports.delete(pid);
    known.port.close();
  }

  close(): void {
    for (let slot = 0; slot < this.#slots.length; slot++) if (this.#slots[slot] !== undefined) this.remove(slot);
  }
}
