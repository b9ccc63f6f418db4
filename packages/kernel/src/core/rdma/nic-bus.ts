/**
 * Host memory as a network card reaches it: which segment is at which bus address.
 *
 * Owns: the slots it hands out, one run a segment, counted. Must not know who transfers what.
 */
import { errno } from '@pedrera/base';
import { BUS_SLOT_SIZE, busAddress, HOST_SLOT_COUNT } from '@pedrera/hw';
import type { ImporterBus } from '../dma-buf/exporter.js';
import type { Segment } from '../host-memory.js';
import { RangeAllocator } from '../range-allocator.js';

interface Attached {
  readonly segment: Segment;
  readonly firstSlot: number;
  readonly slots: number;
  users: number;
}

export class NicBus implements ImporterBus {
  readonly #slots = new RangeAllocator(0, HOST_SLOT_COUNT);
  readonly #attached = new Map<Segment, Attached>();
  readonly #bySlot = new Map<number, Attached>();

  /** Takes a reference on the segment until detach(). Errors: ENOMEM. */
  attach(segment: Segment): { attachment: Attached; address: number } {
    let attached = this.#attached.get(segment);
    if (attached === undefined) {
      const slots = Math.ceil(segment.size / BUS_SLOT_SIZE);
      const firstSlot = this.#slots.allocate(slots);
      if (firstSlot === undefined) {
        throw errno('ENOMEM', `the card has no ${slots} bus slots left`);
      }
      attached = { segment: segment.get(), firstSlot, slots, users: 0 };
      this.#attached.set(segment, attached);
      for (let i = 0; i < slots; i++) {
        this.#bySlot.set(firstSlot + i, attached);
      }
    }
    attached.users++;
    return { attachment: attached, address: busAddress(attached.firstSlot, 0) };
  }

  async detach(attachment: unknown): Promise<void> {
    const attached = attachment as Attached;
    if (--attached.users > 0) {
      return;
    }
    this.#attached.delete(attached.segment);
    for (let i = 0; i < attached.slots; i++) {
      this.#bySlot.delete(attached.firstSlot + i);
    }
    this.#slots.release(attached.firstSlot, attached.slots);
    attached.segment.put();
  }

  /** The segment at a bus address, and where in it. */
  behind(slot: number, offset: number): { segment: Segment; offset: number } | undefined {
    const attached = this.#bySlot.get(slot);
    return attached === undefined
      ? undefined
      : { segment: attached.segment, offset: (slot - attached.firstSlot) * BUS_SLOT_SIZE + offset };
  }
}
