/** The calls of the Device interface reach the thread of a device, and its answers come back. */
import {
  ARM_RST_CONTROL,
  completionAddress,
  completionWord,
  createRingBuffer,
  encodeMsgLong,
  encodeMsgProt,
  HBM_SIZE,
  KMD_MSG_TO_CPU,
  msiAddress,
  QUEUES,
  RingView,
  SRAM_USER_BASE,
  SRAM_USER_SIZE,
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
    expect((await device.snapshot()).engines[0]).toEqual({ name: 'DMA0', busy: true, hung: true });
    device.createContext(1, RIGHTS);
    await device.reset();
    expect((await device.engineStatus()).every(({ idle }) => idle)).toBe(true);
    expect(await submit(device, 0x1234)).toBe(3);
    expect(await device.readSram(0x80, 4)).toEqual(Uint8Array.of(0x34, 0x12, 0, 0));
    expect(await device.snapshot()).toMatchObject({ streams: [{ queue: 0, engine: 'DMA0', state: 'idle' }] });
  });
});
