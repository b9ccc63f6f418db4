/** The calls of the Device interface reach the thread of a device, and its answers come back. */
import { RealClock } from '@pedrera/base';
import {
  ARM_RST_CONTROL,
  completionAddress,
  completionWord,
  createRingBuffer,
  createTraceRing,
  DEVICE_TRACE,
  type DeviceTraceRecord,
  encodeMsgLong,
  encodeMsgProt,
  HBM_SIZE,
  KMD_MSG_TO_CPU,
  msiAddress,
  OPCODE,
  QUEUES,
  RingView,
  SRAM_USER_BASE,
  SRAM_USER_SIZE,
  TraceReader,
} from '@pedrera/hw';
import { SharedMemory } from '@pedrera/wire';
import { afterEach, describe, expect, it } from 'vitest';
import type * as daemon from './worker-device.js';

/** The built file: a thread cannot run TypeScript. */
const built = new URL('../../dist/daemon/worker-device.js', import.meta.url).href;
const cleanUp: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

async function powerUp(): Promise<daemon.WorkerDevice> {
  const { WorkerDevice, createInterconnect } = (await import(built)) as typeof daemon;
  const hbm = SharedMemory.create('worker-device-test', HBM_SIZE);
  cleanUp.push(() => hbm.close());
  const device = new WorkerDevice(0, createInterconnect([hbm.fd]), (error) => {
    throw error;
  });
  cleanUp.push(() => device.close());
  device.powerOn();
  await device.ready();
  return device;
}

const RIGHTS = {
  physicalHbm: true,
  sram: { base: SRAM_USER_BASE, size: SRAM_USER_SIZE },
  sync: [],
  failOnFault: false,
};
const BUFFER_SLOT = 5;
const RING_SLOT = 6;

/** Writes a word into SRAM on queue 0, and resolves with the vector of the interrupt that says so. */
function submit(device: daemon.WorkerDevice, value: number): Promise<number> {
  const buffer = new SharedArrayBuffer(4096);
  const words = new Uint32Array(buffer);
  const shared = createRingBuffer();
  const ring = new RingView(shared, QUEUES[0]?.length);
  let at = encodeMsgLong(words, 0, { address: SRAM_USER_BASE, value });
  at = encodeMsgProt(words, at, { address: completionAddress(RING_SLOT, 0), value: completionWord(0) });
  at = encodeMsgProt(words, at, { address: msiAddress(3), value: 1 });
  device.addBusRegion({ slot: BUFFER_SLOT, size: 4096, memory: { kind: 'shared', buffer, offset: 0 } });
  device.createContext(1, RIGHTS);
  device.createRing(1, 0, { buffer: shared, slot: RING_SLOT });
  ring.writeDescriptor(0, BUFFER_SLOT * 2 ** 30, 4 * at, 0);
  return new Promise((resolve) => {
    device.onInterrupt = () =>
      device.drainInterrupts({ msi: (_, vector) => resolve(vector), fault: () => resolve(-1) });
    device.ringDoorbell(1, 0, 1);
  });
}

describe('device in a thread', () => {
  it('registers-sram-and-firmware', async () => {
    const device = await powerUp();
    await device.writeRegister(0xc0_1b48, 7);
    expect(await device.readRegister(0xc0_1b48)).toBe(7);
    await device.writeSram(8, Uint8Array.of(1, 2));
    expect(await device.readSram(8, 3)).toEqual(Uint8Array.of(1, 2, 0));
    expect(await device.testFirmware(5)).toBe(5);
    await device.writeRegister(KMD_MSG_TO_CPU, 1);
    await device.writeRegister(ARM_RST_CONTROL, 0);
    expect(await device.testFirmware(5)).toBeUndefined();
  });

  it('a-refused-call-tells-its-caller-and-the-thread-lives-on', async () => {
    const device = await powerUp();
    await expect(device.readRegister(3)).rejects.toThrow('no register at offset 0x3');
    expect(() => device.hangEngine('DMA8')).toThrow(RangeError);
    expect(await device.readRegister(0)).toBe(0);
  });

  it('hangs-and-is-reset-and-works-again', async () => {
    const device = await powerUp();
    device.hangEngine('DMA0');
    expect((await device.engineStatus())[0]).toMatchObject({ name: 'DMA0', idle: false });
    expect((await device.snapshot()).engines[0]).toMatchObject({ name: 'DMA0', busy: true, hung: true });
    device.createContext(1, RIGHTS);
    await device.reset();
    expect((await device.engineStatus()).every(({ idle }) => idle)).toBe(true);
    expect(await submit(device, 0x1234)).toBe(3);
    expect(await device.readSram(0x80, 4)).toEqual(Uint8Array.of(0x34, 0x12, 0, 0));
    expect(await device.snapshot()).toMatchObject({ streams: [{ queue: 0, engine: 'DMA0', state: 'idle' }] });
  });

  it('tells-what-it-does-by-the-same-clock', async () => {
    const device = await powerUp();
    const clock = new RealClock();
    const ring = createTraceRing(64);
    device.setTrace(DEVICE_TRACE.JOBS, ring);
    const before = clock.nowNs();
    await submit(device, 1);
    const snapshot = await device.snapshot();
    const after = clock.nowNs();
    const records: DeviceTraceRecord[] = [];
    const reader = new TraceReader(ring);
    reader.drain((record) => void records.push({ ...record }));
    expect(records).toMatchObject([
      { kind: 'job begin', asid: 1, queue: 0, index: 0 },
      { kind: 'job end', asid: 1, queue: 0, index: 0 },
    ]);
    const moments = [before, ...records.map(({ timeNs }) => timeNs), snapshot.timeNs, after];
    expect(moments).toEqual([...moments].sort((a, b) => a - b));
    expect(snapshot.engineTimes).toMatchObject([{ engine: 'DMA0', asid: 1, waitSyncNs: 0, waitMemoryNs: 0 }]);
    expect(snapshot.engineTimes[0]?.busyNs).toBeGreaterThan(0);
    expect(snapshot.engineTimes[0]?.busyNs).toBeLessThan(after - before);
    device.setTrace(0, null);
    await device.readRegister(0);
    expect([reader.size, reader.lost]).toEqual([0, 0]);
  });

  it('walks-addresses-and-follows-rules-of-failure', async () => {
    const device = await powerUp();
    device.setFaultRules([
      {
        id: 1,
        queue: 0,
        asids: null,
        opcode: OPCODE.MSG_LONG,
        addresses: null,
        after: 0,
        times: 1,
        perMillion: 1_000_000,
        seed: 0,
        action: 'page-fault',
        delayNs: 0,
      },
    ]);
    expect(await device.walk(1, SRAM_USER_BASE)).toBeNull();
    // The fault is told before the interrupt.
    expect(await submit(device, 1)).toBe(-1);
    expect(await device.walk(1, SRAM_USER_BASE)).toMatchObject({ space: 'sram', size: SRAM_USER_SIZE });
    expect((await device.snapshot()).faultRules).toEqual([{ id: 1, matched: 1, struck: 1 }]);
    expect(await device.readSram(0x80, 4)).toEqual(Uint8Array.of(0, 0, 0, 0));
  });
});
