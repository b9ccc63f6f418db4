/** Everything that kernel and device share memory for: bus addresses, rings, the three FIFOs. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  busAddress,
  classifyBusAddress,
  HOST_SLOT_COUNT,
  MAX_DEVICES,
  PEER_HBM_BUS_BASE,
  peerCfgBusAddress,
  peerHbmBusAddress,
  privilegedAddress,
  slotOf,
  slotOffset,
} from './bus.js';
import { DoorbellFifo, doorbellAsid, doorbellPi, doorbellQueue } from './doorbells.js';
import { FabricFifo } from './fabric.js';
import { FAULT, FAULT_CAUSES, type FaultRecord, faultCause, InterruptFifo } from './interrupts.js';
import { completionWord, createRingBuffer, RING_BYTES, RingView, ringAdvance, ringDistance, ringSlot } from './ring.js';

describe('bus', () => {
  it('slots', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: HOST_SLOT_COUNT - 1 }),
        fc.integer({ min: 0, max: 2 ** 30 - 1 }),
        (slot, offset) => {
          const address = busAddress(slot, offset);
          expect([slotOf(address), slotOffset(address)]).toEqual([slot, offset]);
          expect(classifyBusAddress(address)).toEqual({ kind: 'host', slot, offset });
        },
      ),
    );
    expect(busAddress(HOST_SLOT_COUNT, 0)).toBe(PEER_HBM_BUS_BASE);
    expect(privilegedAddress(0x1000)).toBe(0x80_0000_1000);
  });

  it('peers', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: MAX_DEVICES - 1 }),
        fc.integer({ min: 0, max: 2 ** 26 - 1 }),
        (device, offset) => {
          expect(classifyBusAddress(peerCfgBusAddress(device, offset))).toEqual({ kind: 'peer-cfg', device, offset });
          const address = offset * 512;
          expect(classifyBusAddress(peerHbmBusAddress(device, address))).toEqual({ kind: 'peer-hbm', device, address });
        },
      ),
    );
    expect(classifyBusAddress(-1)).toBeUndefined();
    expect(classifyBusAddress(peerCfgBusAddress(MAX_DEVICES, 0))).toBeUndefined();
  });
});

describe('ring', () => {
  it('indices-wrap-at-twice-the-length', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(1024, 4096),
        fc.integer({ min: 0, max: 8191 }),
        fc.integer({ min: 0, max: 4096 }),
        (length, start, by) => {
          const from = start % (2 * length);
          const count = by % (length + 1);
          const to = ringAdvance(from, length, count);
          expect(to).toBeLessThan(2 * length);
          expect(ringDistance(from, to, length)).toBe(count);
          expect(ringSlot(to, length)).toBe((from + count) % length);
        },
      ),
    );
  });

  it('descriptors-and-indices', () => {
    const buffer = createRingBuffer();
    const ring = new RingView(buffer);
    const other = new RingView(buffer);
    const address = busAddress(HOST_SLOT_COUNT - 1, 0x1234_5678);
    ring.writeDescriptor(4096 + 4095, address, 0x1f_ffe0, 0xfff);
    expect(other.descriptorAddress(4095)).toBe(address);
    expect(other.descriptorBytes(4095)).toBe(0x1f_ffe0);
    expect(other.descriptorCtl(4095)).toBe(0xfff);
    ring.pi = 5;
    ring.fetched = 8190;
    expect(other.pending).toBe(7);
    ring.countCompletion();
    expect(other.completed).toBe(1);
  });

  it('completion-queue', () => {
    const buffer = createRingBuffer();
    const ring = new RingView(buffer);
    new Uint32Array(buffer)[(RING_BYTES - 4) / 4] = completionWord(4095);
    expect(ring.completion(4095)).toBe(0xc000_0fff);
    ring.clearCompletion(4095);
    expect(ring.completion(4095)).toBe(0);
  });

  it('bad-sizes', () => {
    expect(() => new RingView(new SharedArrayBuffer(64))).toThrow(RangeError);
    expect(() => new RingView(createRingBuffer(), 1000)).toThrow(RangeError);
  });
});

describe('interrupts', () => {
  it('full-and-empty', () => {
    const fifo = new InterruptFifo(InterruptFifo.createBuffer(4));
    const seen: string[] = [];
    const sink = {
      msi: (asid: number, vector: number) => seen.push(`${asid}/${vector}`),
      fault: () => seen.push('fault'),
    };
    expect(fifo.pop(sink)).toBe(false);
    for (let lap = 0; lap < 5; lap++) {
      for (let i = 0; i < 4; i++) expect(fifo.tryPushMsi(lap, i)).toBe(true);
      expect(fifo.free).toBe(0);
      expect(fifo.tryPushMsi(9, 9)).toBe(false);
      expect(fifo.tryPushFault(9, 0, 0, 0, FAULT['page-fault'], 0)).toBe(false);
      expect(fifo.drain(sink, 3)).toBe(3);
      expect(fifo.drain(sink)).toBe(1);
      expect(fifo.isEmpty).toBe(true);
    }
    expect(seen).toHaveLength(20);
    expect(seen.slice(16)).toEqual(['4/0', '4/1', '4/2', '4/3']);
  });

  it('faults-come-out-as-they-went-in', () => {
    const fifo = new InterruptFifo();
    fc.assert(
      fc.property(
        fc.record({
          asid: fc.integer({ min: 0, max: 1023 }),
          queue: fc.integer({ min: -1, max: 112 }),
          ringSlot: fc.integer({ min: -1, max: 4095 }),
          address: fc.integer({ min: 0, max: 2 ** 53 - 1 }),
          cause: fc.constantFrom(...FAULT_CAUSES),
          opcode: fc.integer({ min: -1, max: 31 }),
          lowerCp: fc.boolean(),
        }),
        (fault) => {
          const { asid, queue, ringSlot, address, cause, opcode, lowerCp } = fault;
          fifo.tryPushFault(asid, queue, ringSlot, address, FAULT[cause], opcode, lowerCp);
          const seen: FaultRecord[] = [];
          fifo.drain({ msi: () => {}, fault: (record) => seen.push(record) });
          expect(seen).toEqual([fault]);
        },
      ),
    );
    expect(() => faultCause(0)).toThrow(RangeError);
  });

  it('sink-may-push-and-pop-again', () => {
    const fifo = new InterruptFifo(InterruptFifo.createBuffer(2));
    fifo.tryPushMsi(1, 0);
    let count = 0;
    fifo.drain(
      {
        msi: () => {
          if (++count < 10) fifo.tryPushMsi(1, count);
        },
        fault: () => {},
      },
      100,
    );
    expect(count).toBe(10);
  });

  it('odd-capacity', () => {
    expect(() => new InterruptFifo(new SharedArrayBuffer(64 + 3 * 32))).toThrow(RangeError);
  });
});

describe('doorbells', () => {
  it('carry-the-producer-index', () => {
    const bells = new DoorbellFifo();
    bells.ring(1023, 112, 8191);
    bells.ring(1, 0, 0);
    expect(bells.tail - bells.head).toBe(2);
    const word = bells.take();
    expect([doorbellAsid(word), doorbellQueue(word), doorbellPi(word)]).toEqual([1023, 112, 8191]);
    expect(bells.take()).toBe(1 << 20);
    expect(bells.take()).toBe(-1);
  });

  it('of-a-context-that-is-gone-are-forgotten', () => {
    const bells = new DoorbellFifo();
    for (const asid of [1, 2, 1, 3]) bells.ring(asid, 5, asid);
    bells.take();
    bells.forget(1);
    expect([bells.take(), bells.take(), bells.take()].map(doorbellAsid)).toEqual([2, 0, 3]);
    expect(bells.take()).toBe(-1);
  });

  it('overflow-is-told', () => {
    const bells = new DoorbellFifo(DoorbellFifo.createBuffers(2));
    bells.ring(1, 0, 1);
    bells.ring(1, 0, 2);
    expect(bells.overflowed).toBe(false);
    bells.ring(1, 0, 3);
    expect(bells.overflowed).toBe(true);
    bells.clearOverflow();
    expect(bells.overflowed).toBe(false);
  });

  it('a-wake-up-before-the-sleep-is-not-lost', () => {
    const bells = new DoorbellFifo();
    const sequence = bells.sequence;
    bells.ring(1, 0, 1);
    bells.sleep(sequence);
    expect(bells.sequence).not.toBe(sequence);
  });

  it('interrupt-is-announced-once', () => {
    const bells = new DoorbellFifo();
    expect([bells.raiseInterrupt(), bells.raiseInterrupt()]).toEqual([true, false]);
    bells.acknowledgeInterrupt();
    expect(bells.raiseInterrupt()).toBe(true);
  });
});

describe('fabric', () => {
  it('keeps-order-and-refuses-when-full', () => {
    const fifo = new FabricFifo(FabricFifo.createBuffer(2));
    const seen: [number, number][] = [];
    const sink = { registerWrite: (offset: number, value: number) => void seen.push([offset, value]) };
    expect(fifo.tryPush(0x4f2000, 0x8000_0001)).toBe(true);
    expect(fifo.tryPush(0x4f2004, 2)).toBe(true);
    expect(fifo.tryPush(0, 0)).toBe(false);
    expect(fifo.drain(sink, 1)).toBe(1);
    expect(fifo.tryPush(0x4f2008, 3)).toBe(true);
    expect(fifo.drain(sink)).toBe(2);
    expect(seen).toEqual([
      [0x4f2000, 0x8000_0001],
      [0x4f2004, 2],
      [0x4f2008, 3],
    ]);
    expect(fifo.isEmpty).toBe(true);
  });
});
