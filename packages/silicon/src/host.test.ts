/** The machine as its host sees it: doorbells, control messages, notifications. */
import {
  busAddress,
  completionAddress,
  completionWord,
  createRingBuffer,
  DoorbellFifo,
  encodeNop,
  FabricFifo,
  InterruptFifo,
  msiAddress,
  OPCODE,
  RingView,
} from '@pedrera/hw';
import { describe, expect, it } from 'vitest';
import { Gaudi } from './gaudi.js';
import { InProcessDevice } from './in-process-device.js';
import { OPEN_RIGHTS, Packets, rights } from './test-harness.js';

describe('host', () => {
  /** What the daemon's worker does, with shared memory on both sides. */
  function hosted(doorbellEntries: number) {
    const doorbells = new DoorbellFifo(DoorbellFifo.createBuffers(doorbellEntries));
    const interrupts = new InterruptFifo();
    const told = { interrupts: 0, peers: [] as number[] };
    const fabricOut = new Map([[1, new FabricFifo()]]);
    const machine = new Gaudi({
      index: 0,
      clock: { nowNs: () => 0 },
      memory: { hbmBank: () => new Uint8Array(4096) },
      doorbells,
      interrupts,
      fabricOut,
      onInterrupt: () => told.interrupts++,
      onFabricWrite: (device) => told.peers.push(device),
    });
    machine.createContext(1, OPEN_RIGHTS);
    const commands = new SharedArrayBuffer(4096);
    machine.addBusRegion({ slot: 1, size: 4096, memory: { kind: 'shared', buffer: commands, offset: 0 } });
    const words = new Uint32Array(commands);
    encodeNop(words, 0);
    const rings = [0, 1].map((queue) => {
      const buffer = createRingBuffer();
      machine.createRing(1, queue, { buffer, slot: 10 + queue });
      return new RingView(buffer);
    });
    const ring = (queue: number) => {
      const view = rings[queue] as RingView;
      view.writeDescriptor(view.pi, busAddress(1, 0), 8, 0);
      view.pi = view.pi + 1;
      doorbells.ring(1, queue, view.pi);
    };
    return { machine, doorbells, interrupts, told, ring, words, rings };
  }

  it('pump-takes-doorbells-until-idle', () => {
    const { machine, ring } = hosted(16);
    ring(0);
    ring(1);
    ring(0);
    expect(machine.pump()).toBe('idle');
    expect(machine.snapshot().counters.packets).toBe(3);
  });

  it('lost-doorbells-are-found', () => {
    const { machine, ring } = hosted(2);
    for (let i = 0; i < 10; i++) ring(i % 2);
    expect(machine.pump()).toBe('idle');
    expect(machine.snapshot().counters.packets).toBe(10);
    ring(0);
    machine.serviceDoorbells();
    while (machine.step() === 'busy');
    expect(machine.snapshot().counters.packets).toBe(11);
  });

  it('doorbell-older-than-a-sampled-index-is-ignored', () => {
    const { machine, ring, rings, doorbells } = hosted(2);
    for (let i = 0; i < 5; i++) ring(0);
    machine.pump();
    doorbells.ring(1, 0, 3);
    machine.pump();
    expect(machine.snapshot().streams[0]).toMatchObject({ pi: 5, fetched: 5 });
    expect(rings[0]?.fetched).toBe(5);
  });

  it('control-messages-go-before-the-doorbells-behind-them', () => {
    const { machine, ring, doorbells, words } = hosted(2);
    machine.createContext(2, rights());
    let pending = 0;
    ring(0);
    // Between the look at the doorbells and the question for messages, both arrive.
    let asked = 0;
    const shouldYield = () => {
      if (asked++ === 0) {
        pending = 1;
        ring(1);
      }
      return pending > 0;
    };
    expect(machine.pump(shouldYield)).toBe('busy');
    expect(machine.snapshot().counters.packets).toBe(0);
    pending = 0;
    expect(machine.pump(shouldYield)).toBe('idle');
    expect(machine.snapshot().counters.packets).toBe(2);
    expect(doorbells.overflowed).toBe(false);
    expect(words[1]).toBe(OPCODE.NOP << 24);
  });

  it('lost-doorbells-survive-a-yield', () => {
    const { machine, ring } = hosted(1);
    for (let i = 0; i < 4; i++) ring(i % 2);
    let first = true;
    expect(machine.pump(() => first)).toBe('busy');
    const buffer = createRingBuffer();
    machine.createRing(1, 5, { buffer, slot: 20 });
    const view = new RingView(buffer);
    view.writeDescriptor(0, busAddress(1, 0), 8, 0);
    view.pi = 1;
    first = false;
    expect(machine.pump(() => first)).toBe('idle');
    expect(machine.snapshot().counters.packets).toBe(5);
  });

  it('doorbells-of-a-dead-context-do-not-ring-for-its-successor', () => {
    const { machine, ring } = hosted(16);
    ring(0);
    machine.destroyContext(1);
    machine.createContext(1, OPEN_RIGHTS);
    machine.createRing(1, 0, { buffer: createRingBuffer(), slot: 30 });
    expect(machine.pump()).toBe('idle');
    expect(machine.snapshot()).toMatchObject({ counters: { packets: 0, faults: 0 }, streams: [{ pi: 0, fetched: 0 }] });
  });

  it('told-once-a-turn', () => {
    const { machine, doorbells, told, words, interrupts, rings } = hosted(16);
    const packets = new Packets().prot(completionAddress(10, 0), completionWord(0)).prot(msiAddress(1), 1);
    words.set(packets.words.subarray(0, packets.at));
    const view = rings[0] as RingView;
    for (let i = 0; i < 5; i++) view.writeDescriptor(i, busAddress(1, 0), packets.at * 4, i);
    view.pi = 5;
    doorbells.ring(1, 0, 5);
    expect(machine.pump()).toBe('idle');
    expect(told).toEqual({ interrupts: 1, peers: [] });
    expect(interrupts.size).toBe(5);
    expect(view.completion(0)).toBe(completionWord(0));
  });

  it('auto-run', async () => {
    const device = new InProcessDevice({
      clock: { nowNs: () => 0 },
      memory: { hbmBank: () => new Uint8Array(64) },
      autoRun: true,
    });
    device.createContext(1, OPEN_RIGHTS);
    const buffer = createRingBuffer();
    device.createRing(1, 0, { buffer, slot: 3 });
    const view = new RingView(buffer);
    view.writeDescriptor(0, busAddress(99, 0), 8, 0);
    let interrupts = 0;
    device.onInterrupt = () => interrupts++;
    device.ringDoorbell(1, 0, 1);
    expect(interrupts).toBe(0);
    await Promise.resolve();
    await Promise.resolve();
    expect(interrupts).toBe(1);
    expect((await device.snapshot()).counters.faults).toBe(1);
  });
});
