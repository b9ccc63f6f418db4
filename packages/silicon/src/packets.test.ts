/** Descriptors, packets and faults of one stream: what is done, what is refused, what the host is told. */
import {
  busAddress,
  completionWord,
  createRingBuffer,
  encodeLoadAndExe,
  encodeRepeat,
  encodeStop,
  encodeWregBulk,
  OPCODE,
  SRAM_USER_BASE,
  sobAddress,
} from '@pedrera/hw';
import { describe, expect, it } from 'vitest';
import { HBM, HOST_SLOT, HOST_VA, openMachine, type Packets } from './test-harness.js';

describe('submission', () => {
  it('completion-word-then-interrupt-in-order', () => {
    const machine = openMachine();
    const slots = [0, 1, 2, 3].map((vector) => machine.submit(1, 0, (p) => p.nop(vector), vector));
    const { ring } = machine.ring(1, 0);
    machine.device.onInterrupt = () =>
      machine.drain({
        msi: (asid, vector) => {
          machine.msis.push({ asid, vector });
          expect(ring.completion(vector)).toBe(completionWord(vector));
        },
      });
    machine.device.runUntilIdle();
    expect(slots).toEqual([0, 1, 2, 3]);
    expect(machine.msis.map(({ vector }) => vector)).toEqual([0, 1, 2, 3]);
    expect(ring.completed).toBe(4);
    expect(ring.fetched).toBe(4);
    expect(machine.stream(1, 0)).toMatchObject({ pi: 4, fetched: 4, completed: 4, state: 'idle', head: null });
  });

  it('ring-wraps-at-twice-its-length', () => {
    const machine = openMachine();
    let submitted = 0;
    for (let round = 0; round < 21; round++) {
      // Full to the last entry now and then.
      const batch = round % 7 === 0 ? 4096 : 500 + round;
      for (let i = 0; i < batch; i++) machine.submit(1, 0, (p) => p.sob(0, 'set', 1), submitted++ % 8);
      machine.device.runUntilIdle();
      expect(machine.ring(1, 0).ring.completed).toBe(submitted);
      expect(machine.ring(1, 0).ring.pending).toBe(0);
    }
    expect(submitted).toBeGreaterThan(2 * 8192);
    expect(machine.faults).toEqual([]);
    expect(machine.msis).toHaveLength(submitted);
  });

  it('bad-descriptors-are-skipped', () => {
    const machine = openMachine();
    machine.submitAt(1, 0, busAddress(77, 0), 8);
    machine.submitAt(1, 0, busAddress(HOST_SLOT, 4), 8);
    machine.submitAt(1, 0, busAddress(HOST_SLOT, 0), 12);
    machine.submitAt(1, 0, busAddress(HOST_SLOT, 0), 0);
    machine.submitAt(1, 0, busAddress(HOST_SLOT, 2 ** 20 - 8), 16);
    machine.submitAt(1, 0, 2 ** 63, 16);
    machine.submit(1, 0, (p) => p.nop(), 1);
    machine.device.runUntilIdle();
    expect(machine.faults.map(({ cause, ringSlot }) => `${ringSlot} ${cause}`)).toEqual(
      [0, 1, 2, 3, 4, 5].map((slot) => `${slot} bad-descriptor`),
    );
    expect(machine.msis).toHaveLength(1);
  });

  it('doorbell-of-a-ring-that-is-gone', () => {
    const machine = openMachine();
    machine.device.machine.ringDoorbell(9, 0, 1);
    machine.device.machine.ringDoorbell(1, 5, 1);
    machine.device.ringDoorbell(9, 0, 1);
    expect(machine.device.runUntilIdle()).toBe('idle');
  });

  it('one-ring-a-queue-and-none-for-the-cpu', () => {
    const machine = openMachine();
    expect(() => machine.ring(1, 8)).toThrow('CPU_PQ');
    machine.ring(1, 0);
    expect(() => machine.device.createRing(1, 0, { buffer: createRingBuffer(), slot: 90 })).toThrow('has a ring');
  });
});

describe('packets', () => {
  it('undefined-opcode-stops-the-stream-and-no-other', () => {
    const machine = openMachine();
    const faults = machine.run(1, 0, (p) => p.nop().raw(0, 0).sob(0, 'set', 1));
    expect(faults).toMatchObject([{ cause: 'undefined-opcode', opcode: 0, ringSlot: 0 }]);
    machine.run(1, 0, (p) => p.sob(0, 'set', 2));
    expect(machine.stream(1, 0)).toMatchObject({ state: 'stopped', head: { words: [0, 0], offset: 8, bytes: 24 } });
    expect(machine.run(1, 4, (p) => p.sob(1, 'set', 1))).toEqual([]);
    expect([machine.sobOf(1, 0), machine.sobOf(1, 1)]).toEqual([0, 1]);
  });

  it('stop', () => {
    const machine = openMachine();
    const faults = machine.run(1, 0, (p) => {
      p.at = encodeStop(p.words, p.at);
      return p;
    });
    expect(faults).toMatchObject([{ cause: 'stop-packet' }]);
    expect(machine.state(1, 0)).toBe('stopped');
  });

  it('truncated', () => {
    const machine = openMachine();
    expect(machine.run(1, 0, (p) => p.sob(0, 'set', 1).raw(8, OPCODE.LIN_DMA << 24, 0, 0))).toMatchObject([
      { cause: 'truncated-packet' },
    ]);
    expect(machine.run(1, 0, (p) => p.sob(1, 'set', 1).raw(8, OPCODE.MSG_LONG << 24))).toHaveLength(1);
    expect(machine.state(1, 0)).toBe('idle');
  });

  it('not-modelled-is-said-each-time', () => {
    const machine = openMachine();
    const encoders = [
      (p: Packets) => encodeRepeat(p.words, p.at, { jumpPtr: 0 }),
      (p: Packets) => encodeWregBulk(p.words, p.at, { regOffset: 0, values: [1, 0] }),
    ];
    for (const encode of encoders) {
      const faults = machine.run(1, 0, (p) => {
        p.at = encode(p);
        return p.sob(0, 'add', 1);
      });
      expect(faults.map(({ cause }) => cause)).toEqual(['not-modelled']);
    }
    expect(machine.sobOf(1, 0)).toBe(encoders.length);
  });

  it('predicates', () => {
    const machine = openMachine();
    const loads = (p: Packets, src: number) => {
      p.at = encodeLoadAndExe(p.words, p.at, { load: 1, src });
      return p;
    };
    const table = new Uint32Array(machine.host, 128, 32);
    table[10] = 3;
    table[11] = 2;
    machine.run(1, 0, (p) =>
      loads(p, HOST_VA + 128)
        .long(HBM, 1, { pred: 10 })
        .long(HBM + 4, 1, { pred: 11 })
        .long(HBM + 8, 1, { pred: 0 }),
    );
    expect(machine.faults).toEqual([]);
    expect([...new Uint32Array(machine.bank(1).buffer, 0, 3)]).toEqual([1, 0, 1]);
    expect(machine.run(1, 0, (p) => loads(p, HOST_VA + 64))).toMatchObject([{ cause: 'misaligned' }]);
    expect(machine.run(1, 0, (p) => loads(p, 0x7fff_0000_0000))).toMatchObject([{ cause: 'page-fault' }]);
    machine.run(1, 0, (p) => p.long(HBM + 4, 7, { pred: 10 }));
    expect(new Uint32Array(machine.bank(1).buffer)[1]).toBe(7);
  });

  it('timestamp', () => {
    const machine = openMachine();
    machine.nowNs = 5 * 2 ** 32 + 0.5 + 17;
    expect(machine.run(1, 0, (p) => p.long(HBM + 8, 0, { op: 1 }))).toEqual([]);
    expect([...new Uint32Array(machine.bank(1).buffer, 8, 2)]).toEqual([17, 5]);
    expect(machine.run(1, 0, (p) => p.long(sobAddress(2, 0), 0, { op: 1 }))).toMatchObject([{ cause: 'not-modelled' }]);
    expect(machine.run(1, 0, (p) => p.long(HBM, 0, { op: 2 }))).toMatchObject([{ cause: 'not-modelled' }]);
  });

  it('message-to-memory', () => {
    const machine = openMachine();
    expect(
      machine.run(1, 0, (p) =>
        p
          .long(HBM + 4, 0xffff_ffff)
          .long(HOST_VA + 8, 5)
          .long(SRAM_USER_BASE, 0xbaba_0ded),
      ),
    ).toEqual([]);
    expect(new Uint32Array(machine.bank(1).buffer)[1]).toBe(0xffff_ffff);
    expect(new Uint32Array(machine.host)[2]).toBe(5);
    expect(machine.run(1, 0, (p) => p.long(HBM + 1, 1))).toMatchObject([{ cause: 'misaligned', address: HBM + 1 }]);
  });
});

describe('faults', () => {
  it('a-looping-client-does-not-flood-the-host', () => {
    const machine = openMachine();
    const faults = machine.run(1, 0, (p) => {
      for (let i = 0; i < 1000; i++) p.long(0x7fff_0000_0000 + 8 * i, 1).long(0x1000, 1);
      return p;
    });
    expect(faults.map(({ cause, address }) => `${cause} ${address}`)).toEqual([
      `page-fault ${0x7fff_0000_0000}`,
      `razwi ${0x1000}`,
    ]);
    expect(machine.device.machine.snapshot().counters.faults).toBe(2000);
    expect(machine.run(1, 0, (p) => p.long(0x1000, 1))).toMatchObject([{ ringSlot: 1 }]);
  });

  it('fault-comes-before-the-completion', () => {
    const machine = openMachine();
    const order: string[] = [];
    machine.device.onInterrupt = () =>
      machine.drain({ msi: () => order.push('msi'), fault: () => order.push('fault') });
    machine.submit(1, 0, (p) => p.long(0x1000, 1), 0);
    machine.device.runUntilIdle();
    expect(order).toEqual(['fault', 'msi']);
  });

  it('full-interrupt-fifo-stalls-and-loses-nothing', () => {
    const machine = openMachine({ interruptEntries: 8 });
    machine.device.onInterrupt = null;
    for (let i = 0; i < 50; i++) machine.submit(1, 0, (p) => p.sob(0, 'add', 1), i % 8);
    for (let i = 0; i < 50; i++) machine.submit(1, 4, (p) => p.long(0x1000, 1).sob(1, 'add', 1));
    expect(machine.device.runUntilIdle()).toBe('stalled');
    expect([machine.state(1, 0), machine.state(1, 4)]).toContain('stalled');
    expect(machine.device.step()).toBe('busy');
    for (let rounds = 0; machine.device.runUntilIdle() === 'stalled'; rounds++) {
      expect(rounds).toBeLessThan(100);
      machine.drain();
    }
    machine.drain();
    expect(machine.msis).toHaveLength(50);
    expect(machine.faults).toHaveLength(50);
    machine.device.onInterrupt = () => machine.drain();
    expect([machine.sobOf(1, 0), machine.sobOf(1, 1)]).toEqual([50, 50]);
  });

  it('a-stalled-stream-does-not-stop-others', () => {
    const machine = openMachine({ interruptEntries: 8 });
    machine.device.onInterrupt = null;
    for (let i = 0; i < 20; i++) machine.submit(1, 0, (p) => p.nop(), 0);
    machine.device.runUntilIdle();
    machine.submit(1, 4, (p) => p.nop(100_000).sob(5, 'set', 1));
    expect(machine.device.runUntilIdle()).toBe('stalled');
    expect(machine.state(1, 4)).toBe('idle');
    expect(machine.state(1, 0)).toBe('stalled');
  });
});
