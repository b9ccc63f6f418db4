/**
 * What one device can reach over its bus: which host memory sits in which bus slot.
 *
 * Owns: the slot numbers and the regions handed to the device. A region goes away only after the device said that it
 * has let go (a use after munmap would be a crash, not an exception).
 * Must not know contexts or virtual addresses.
 */
import { errno } from '@pedrera/base';
import { BUS_SLOT_SIZE, busAddress, type Device, HOST_SLOT_COUNT } from '@pedrera/hw';
import type { Segment } from './host-memory.js';
import { RangeAllocator } from './range-allocator.js';

/** A segment made reachable for one device; shared by all mappings that point into it. */
export interface SegmentAttachment {
  readonly segment: Segment;
  readonly firstSlot: number;
  readonly slots: number;
  users: number;
}

export class Bus {
  readonly #device: Device;
  readonly #slots = new RangeAllocator(0, HOST_SLOT_COUNT);
  readonly #attachments = new Map<Segment, SegmentAttachment>();

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
      removals.push(this.#device.removeBusRegion(attachment.firstSlot + i));
    }
    await Promise.all(removals);
    this.#slots.release(attachment.firstSlot, attachment.slots);
    attachment.segment.put();
  }

  #takeSlots(count: number): number {
    const slot = this.#slots.allocate(count);
    if (slot === undefined) {
      throw errno('ENOMEM', `no ${count} bus slots left on device ${this.#device.index}`);
    }
    return slot;
  }
}
