/**
 * What one device can reach over its bus: which host memory sits in which bus slot.
 *
 * Owns: the slot numbers and the regions handed to the device. A region goes away only after the device said that it
 * has let go (a use after munmap would be a crash, not an exception).
 * Must not know contexts or virtual addresses.
 */
import { errno } from '@pedrera/base';
import { BUS_SLOT_SIZE, busAddress, type Device, HOST_SLOT_COUNT, slotOf, slotOffset } from '@pedrera/hw';
import type { Segment } from './host-memory.js';
import type { Piece } from './mapping.js';
import { readProcess, writeProcess } from './process-memory.js';
import { RangeAllocator } from './range-allocator.js';

/** A segment made reachable for one device; shared by all mappings that point into it. */
export interface SegmentAttachment {
  readonly segment: Segment;
  readonly firstSlot: number;
  readonly slots: number;
  users: number;
}

/**
 * Memory of a process made reachable, in windows of a slot's size: mappings that lie in one window share its slot, so
 * that ten thousand small ones cost no more slots than their addresses span.
 */
interface ProcessWindow {
  readonly key: string;
  readonly pid: number;
  /** Where in the process the window begins. */
  readonly address: number;
  readonly slot: number;
  users: number;
}

export type ProcessAttachment = readonly ProcessWindow[];

export class Bus {
  readonly #device: Device;
  readonly #slots = new RangeAllocator(0, HOST_SLOT_COUNT);
  readonly #attachments = new Map<Segment, SegmentAttachment>();
  readonly #windows = new Map<string, ProcessWindow>();
  /** What is behind a slot, for inspection. */
  readonly #bySlot = new Map<number, SegmentAttachment | ProcessWindow>();

  constructor(device: Device) {
    this.#device = device;
  }

  get slotsInUse(): number {
    return this.#slots.used;
  }

  /** Makes memory shared with the device's thread (patched command buffers) reachable; returns its slot. */
  addShared(buffer: SharedArrayBuffer): number {
    const slot = this.#takeSlots(1);
    this.#device.addBusRegion({
      slot,
      size: buffer.byteLength,
      memory: { kind: 'shared', buffer, offset: 0 },
    });
    return slot;
  }

  /** A slot for a ring, which the device itself fills when it is told of the ring. */
  takeRingSlot(): number {
    return this.#takeSlots(1);
  }

  async removeShared(slot: number): Promise<void> {
    await this.#device.removeBusRegion(slot);
    this.#slots.release(slot, 1);
  }

  /** The bus address of a segment's first byte; takes a reference on the segment until detach(). */
  attach(segment: Segment): { attachment: SegmentAttachment; address: number } {
    let attachment = this.#attachments.get(segment);
    if (attachment === undefined) {
      const slots = Math.ceil(segment.size / BUS_SLOT_SIZE);
      attachment = { segment, firstSlot: this.#takeSlots(slots), slots, users: 0 };
      for (let i = 0; i < slots; i++) {
        const offset = i * BUS_SLOT_SIZE;
        this.#device.addBusRegion({
          slot: attachment.firstSlot + i,
          size: Math.min(BUS_SLOT_SIZE, segment.size - offset),
          memory: { kind: 'fd', fd: segment.memory.fd, offset },
        });
        this.#bySlot.set(attachment.firstSlot + i, attachment);
      }
      segment.get();
      this.#attachments.set(segment, attachment);
    }
    attachment.users++;
    return { attachment, address: busAddress(attachment.firstSlot, 0) };
  }

  async detach(attachment: SegmentAttachment): Promise<void> {
    if (--attachment.users > 0) {
      return;
    }
    this.#attachments.delete(attachment.segment);
    const removals: Promise<void>[] = [];
    for (let i = 0; i < attachment.slots; i++) {
      this.#bySlot.delete(attachment.firstSlot + i);
      removals.push(this.#device.removeBusRegion(attachment.firstSlot + i));
    }
    await Promise.all(removals);
    this.#slots.release(attachment.firstSlot, attachment.slots);
    attachment.segment.put();
  }

  /** Makes [address, address + size) of a process reachable until detachProcess(); a piece for each window it touches. */
  attachProcess(pid: number, address: number, size: number): { attachment: ProcessAttachment; pieces: Piece[] } {
    const attachment: ProcessWindow[] = [];
    const pieces: Piece[] = [];
    try {
      for (let at = address; at < address + size; ) {
        const window = this.#window(pid, at - (at % BUS_SLOT_SIZE));
        attachment.push(window);
        const offset = at - window.address;
        const length = Math.min(address + size - at, BUS_SLOT_SIZE - offset);
        pieces.push({ space: 'bus', address: busAddress(window.slot, offset), size: length });
        at += length;
      }
    } catch (error) {
      void this.detachProcess(attachment);
      throw error;
    }
    return { attachment, pieces };
  }

  async detachProcess(attachment: ProcessAttachment): Promise<void> {
    const removals: Promise<void>[] = [];
    for (const window of attachment) {
      if (--window.users === 0) {
        this.#windows.delete(window.key);
        this.#bySlot.delete(window.slot);
        removals.push(this.removeShared(window.slot));
      }
    }
    await Promise.all(removals);
  }

  /** For inspection: what the device would read. Errors: EINVAL where it would find nothing, EFAULT for memory that is gone. */
  read(address: number, size: number): Uint8Array {
    const { owner, offset } = this.#behind(address, size);
    if ('segment' in owner) {
      return owner.segment.window(offset, size, (bytes) => bytes.slice(0, size));
    }
    return readProcess(owner.pid, owner.address + offset, size);
  }

  /** For inspection: writes as the device would, with the errors of read(). */
  write(address: number, bytes: Uint8Array): void {
    const { owner, offset } = this.#behind(address, bytes.length);
    if ('segment' in owner) {
      owner.segment.window(offset, bytes.length, (window) => window.set(bytes));
    } else {
      writeProcess(owner.pid, owner.address + offset, bytes);
    }
  }

  #behind(address: number, size: number): { owner: SegmentAttachment | ProcessWindow; offset: number } {
    const slot = slotOf(address);
    const owner = this.#bySlot.get(slot);
    const first = owner !== undefined && 'segment' in owner ? owner.firstSlot : slot;
    const offset = (slot - first) * BUS_SLOT_SIZE + slotOffset(address);
    const room = owner !== undefined && 'segment' in owner ? owner.segment.size : BUS_SLOT_SIZE;
    if (owner === undefined || offset + size > room) {
      throw errno('EINVAL', `no host memory of ${size} bytes is behind bus address 0x${address.toString(16)}`);
    }
    return { owner, offset };
  }

  #window(pid: number, address: number): ProcessWindow {
    const key = `${pid}/${address}`;
    let window = this.#windows.get(key);
    if (window === undefined) {
      window = { key, pid, address, slot: this.#takeSlots(1), users: 0 };
      this.#device.addBusRegion({ slot: window.slot, size: BUS_SLOT_SIZE, memory: { kind: 'process', pid, address } });
      this.#windows.set(key, window);
      this.#bySlot.set(window.slot, window);
    }
    window.users++;
    return window;
  }

  #takeSlots(count: number): number {
    const slot = this.#slots.allocate(count);
    if (slot === undefined) {
      throw errno('ENOMEM', `no ${count} bus slots left on device ${this.#device.index}`);
    }
    return slot;
  }
}
