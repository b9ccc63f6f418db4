/** Packets as a program writes them, against hw's decoder and the vectors of device.md 3.6. */
import { CFG_BASE, decodeMonitorArm, decodePacket, fenceRdataAddress, sobAddress } from '@pedrera/hw';
import { commandBufferHandle } from '@pedrera/uapi';
import { SharedMemory } from '@pedrera/wire';
import { afterEach, describe, expect, it } from 'vitest';
import { CommandBuffer } from './command-buffer.js';
import { DeviceMemory, SramLease } from './device-memory.js';
import { Queue } from './queue.js';
import { MappedWindow } from './segments.js';
import type { Session } from './session.js';
import { Dcore, monitorAt, type RemoteSyncObject, syncObjectAt } from './sync.js';

const SIZE = 4096;
const HOST_VA = 0x1_0000_0000_0000;

/** As much of a session as packets need: a name and whether it is open. */
class FakeSession {
  readonly node: string;
  readonly device: number;
  open = true;
  constructor(device: number) {
    this.device = device;
    this.node = `hl${device}`;
  }
  checkOpen(what: string | { describe(): string }): void {
    if (!this.open) throw new Error(`${typeof what === 'string' ? what : what.describe()}: closed`);
  }
  ioctl(): Promise<object> {
    return Promise.resolve({});
  }
}

const fake = new FakeSession(0);
const session = fake as unknown as Session;
const other = new FakeSession(1) as unknown as Session;
const hbm = new DeviceMemory(session, 0x1000, 1n as DeviceMemory['handle'], 0x2000_0000);
const foreign = new DeviceMemory(other, 0x1000, 1n as DeviceMemory['handle'], 0x2000_0000);

const memories: SharedMemory[] = [];
afterEach(() => {
  for (const memory of memories.splice(0)) memory.close();
  fake.open = true;
});

function make(size = SIZE): { cb: CommandBuffer; words: Uint32Array } {
  const memory = SharedMemory.create('command buffer', 2 * SIZE);
  memories.push(memory);
  const view = memory.map(0, 2 * SIZE);
  const window = new MappedWindow(session, view, { offset: SIZE, size, what: 'the command buffer' }, () =>
    Promise.resolve(),
  );
  const cb = new CommandBuffer(session, commandBufferHandle(1), size, window);
  return { cb, words: new Uint32Array(view.bytes.buffer, view.bytes.byteOffset + SIZE, SIZE / 4) };
}

function hex(words: Uint32Array, from: number, to: number): string {
  return [...words.subarray(from, to)].map((word) => word.toString(16).toUpperCase().padStart(8, '0')).join(' ');
}

/** Dwords that a program's calls leave in the mapped memory. */
function written(fill: (cb: CommandBuffer) => unknown): string {
  const { cb, words } = make();
  fill(cb);
  return hex(words, 0, cb.used / 4);
}

describe('test vectors of device.md 3.6', () => {
  const sob0 = syncObjectAt(session, Dcore.E_N, 0);
  const mon0 = monitorAt(session, Dcore.E_N, 0);

  it('nop', () => {
    expect(written((cb) => cb.nop())).toBe('00000000 4A000000');
  });

  it('signal', () => {
    expect(written((cb) => cb.signal(sob0))).toBe('80000001 E4400000');
  });

  it('fence', () => {
    expect(written((cb) => cb.fence({ target: 1, decrement: 1 }))).toBe('00010001 48000000');
    expect(written((cb) => cb.fence({ id: 2, target: 1, decrement: 1, barriers: { rb: true, mb: true } }))).toBe(
      '80010001 C8000000',
    );
  });

  it('lin-dma', () => {
    const expected = '00001000 49000008 00000000 00010000 20000000 00000000';
    expect(written((cb) => cb.linDma({ from: HOST_VA, to: hbm, size: 0x1000 }))).toBe(expected);
  });

  it('msg-long', () => {
    const message = { address: CFG_BASE + 0x508a00, value: 0x110, barriers: { rb: true } };
    expect(written((cb) => cb.msgLong(message))).toBe('00000110 43000000 FC508A00 0000007F');
  });

  it('arb-point', () => {
    expect(written((cb) => cb.packet('ARB_POINT', { rb: true, priority: 2 }))).toBe('00000002 4C000000');
  });

  it('wait-for', () => {
    // Monitor 0 of E_N writes 1 to fence 0 of DMA_0_0 when sync object 0 is 1; then the fence (device.md 3.5).
    const rdata = fenceRdataAddress(Queue.DMA_0_0, 0);
    const low = (rdata % 2 ** 32).toString(16).toUpperCase().padStart(8, '0');
    expect(
      written((cb) => cb.waitFor({ syncObject: sob0, monitor: mon0, value: 1, mode: '==', queue: Queue.DMA_0_0 })),
    ).toBe(`${low} 44000000 0000007F 44000800 00000001 44001000 0003FE00 C4001800 00010001 48000000`);
  });
});

describe('synchronisation', () => {
  it('wait-for-goes-through-the-bases-of-w-s', () => {
    const { cb, words } = make();
    cb.waitFor({
      syncObject: syncObjectAt(session, Dcore.W_S, 144),
      monitor: monitorAt(session, Dcore.W_S, 72),
      value: 3,
      queue: Queue.DMA_1_2,
      fence: 1,
    });
    expect(cb.used).toBe(40);
    const arm = decodePacket(words, 6);
    expect(arm?.fields).toMatchObject({ base: 2, addressOffset: 0x1800 + 4 * 72 });
    expect(decodeMonitorArm(arm?.fields.value ?? 0)).toEqual({ group: 18, mask: 0xfe, mode: 'ge', value: 3 });
    expect(words[0]).toBe(fenceRdataAddress(Queue.DMA_1_2, 1) % 2 ** 32);
    expect(decodePacket(words, 8)?.fields).toMatchObject({ id: 1, target: 1, dec: 1 });
  });

  it('wait-for-elsewhere-takes-long-messages', () => {
    const { cb, words } = make();
    cb.waitFor({
      syncObject: syncObjectAt(session, Dcore.E_S, 9),
      monitor: monitorAt(session, Dcore.E_S, 3),
      value: 1,
      queue: Queue.DMA_0_0,
    });
    expect(cb.used).toBe(72);
    expect(decodePacket(words, 12)).toMatchObject({ name: 'MSG_LONG', fields: { address: CFG_BASE + 0x4b5800 + 12 } });
  });

  it('several-objects-of-one-group', () => {
    const { cb, words } = make();
    const syncObject = [8, 10, 15].map((index) => syncObjectAt(session, Dcore.E_N, index));
    cb.waitFor({ syncObject, monitor: monitorAt(session, Dcore.E_N, 0), value: 1, queue: Queue.DMA_0_0 });
    expect(decodeMonitorArm(words[6] ?? 0)).toEqual({ group: 1, mask: 0b0111_1010, mode: 'ge', value: 1 });
    const apart = [7, 8].map((index) => syncObjectAt(session, Dcore.E_N, index));
    expect(() =>
      cb.waitFor({ syncObject: apart, monitor: monitorAt(session, Dcore.E_N, 0), value: 1, queue: 0 }),
    ).toThrow(/one aligned group of 8/);
  });

  it('arm-monitor-with-a-payload-in-memory', () => {
    const { cb, words } = make();
    const condition = {
      syncObject: syncObjectAt(session, Dcore.E_N, 1),
      monitor: monitorAt(session, Dcore.E_N, 5),
      value: 2,
    };
    cb.armMonitor({ ...condition, payload: { address: hbm, offset: 8, value: 0xcafe } });
    expect([words[0], words[2], words[4]]).toEqual([0x2000_0008, 0, 0xcafe]);
    expect(() => cb.armMonitor({ ...condition, payload: { address: hbm, offset: 2, value: 1 } })).toThrow(
      /not a multiple of 4/,
    );
  });

  it('signal-by-short-or-long-message', () => {
    const { cb, words } = make();
    const remote: RemoteSyncObject = { kind: 'remote-sync-object', index: 0, address: 0x1_0000_0040_0010, session };
    cb.signal(syncObjectAt(session, Dcore.W_S, 150), 3)
      .signal(syncObjectAt(session, Dcore.W_N, 1))
      .setSyncObject(remote, 5);
    expect(decodePacket(words, 0)?.fields).toMatchObject({ base: 3, addressOffset: 600, value: 0x8000_0003 });
    expect(decodePacket(words, 2)?.fields).toMatchObject({ address: sobAddress(Dcore.W_N, 1), value: 0x8000_0001 });
    expect(decodePacket(words, 6)?.fields).toMatchObject({ address: remote.address, value: 5 });
  });

  it('refuses-what-cannot-be-meant', () => {
    const { cb } = make();
    const mine = syncObjectAt(session, Dcore.E_N, 0);
    const monitor = monitorAt(session, Dcore.E_N, 0);
    const refused = { code: 'EINVAL' };
    expect(() => cb.signal(mine, 0x8000)).toThrow(expect.objectContaining(refused));
    expect(() => cb.signal(syncObjectAt(other, Dcore.E_N, 0))).toThrow(/another open file \(hl1\)/);
    expect(() =>
      cb.waitFor({ syncObject: syncObjectAt(session, Dcore.W_S, 144), monitor, value: 1, queue: 0 }),
    ).toThrow(/both must be of one dcore/);
    expect(() => cb.waitFor({ syncObject: mine, monitor, value: 0x8000, queue: 0 })).toThrow(
      expect.objectContaining(refused),
    );
    expect(() => cb.waitFor({ syncObject: mine, monitor, value: 1, queue: 8 })).toThrow(/CPU_PQ has no fences/);
    expect(() => syncObjectAt(session, Dcore.E_N, 2048)).toThrow(expect.objectContaining(refused));
    expect(() => monitorAt(session, 4, 0)).toThrow(expect.objectContaining(refused));
    expect(cb.used).toBe(0);
  });
});

describe('data', () => {
  it('lin-dma-takes-regions-with-offsets', () => {
    const { cb, words } = make();
    const sram = new SramLease(session, 0x2000, 0x7f_f000_0080);
    cb.linDma({ from: hbm, fromOffset: 0x100, to: sram, toOffset: 0x10 });
    expect(decodePacket(words, 0)?.fields).toMatchObject({
      size: 0xf00,
      src: 0x2000_0100,
      dst: 0x7f_f000_0090,
      lin: 1,
      memSet: 0,
      rb: 1,
      eb: 0,
    });
  });

  it('memset', () => {
    const { cb, words } = make();
    cb.memset({ to: hbm, pattern: 0xdead_beef }).memset({ to: hbm, size: 8, pattern: 0x0102_0304_0506_0708n });
    expect(decodePacket(words, 0)?.fields).toMatchObject({
      memSet: 1,
      size: 0x1000,
      patternLow: 0xdead_beef,
      patternHigh: 0xdead_beef,
    });
    expect(decodePacket(words, 6)?.fields).toMatchObject({ patternLow: 0x0506_0708, patternHigh: 0x0102_0304 });
  });

  it('refuses-ranges-that-do-not-fit', () => {
    const { cb } = make();
    expect(() => cb.linDma({ from: hbm, to: HOST_VA, size: 0x1001 })).toThrow(
      /bytes \[0, \+4097\) run past the end of the device memory of 4096 bytes/,
    );
    expect(() => cb.linDma({ from: HOST_VA, to: hbm, toOffset: 1, size: 0x1000 })).toThrow(/linDma to: bytes \[1/);
    expect(() => cb.linDma({ from: HOST_VA, to: hbm })).toThrow(/a size is needed/);
    expect(() => cb.linDma({ from: HOST_VA, to: HOST_VA, size: 2 ** 32 })).toThrow(/one packet moves/);
    expect(() => cb.linDma({ from: foreign, to: hbm })).toThrow(/belongs to hl1; export it there and import it on hl0/);
    expect(() => cb.linDma({ from: -1, to: hbm, size: 4 })).toThrow(/not a whole number/);
    expect(() => cb.memset({ to: hbm, pattern: -1 })).toThrow(expect.objectContaining({ code: 'EINVAL' }));
    expect(() => cb.memset({ to: hbm, pattern: 1n << 64n })).toThrow(/more than 64 bits/);
    expect(cb.used).toBe(0);
  });
});

describe('the buffer', () => {
  it('overflow-writes-nothing', () => {
    const { cb, words } = make();
    for (let i = 0; i < SIZE / 8 - 4; i += 1) cb.nop();
    expect(cb.left).toBe(32);
    const condition = {
      syncObject: syncObjectAt(session, Dcore.E_N, 0),
      monitor: monitorAt(session, Dcore.E_N, 0),
      value: 1,
      queue: 0,
    };
    expect(() => cb.waitFor(condition)).toThrow(
      expect.objectContaining({
        code: 'ENOSPC',
        detail: 'waitFor needs 40 bytes; the command buffer has 32 of 4096 left',
      }),
    );
    expect(hex(words, SIZE / 4 - 8, SIZE / 4)).toBe(Array(8).fill('00000000').join(' '));
    expect(() => cb.append(new Uint32Array(9))).toThrow(expect.objectContaining({ code: 'ENOSPC' }));
    expect(cb.linDma({ from: hbm, to: HOST_VA }).nop().left).toBe(0);
    expect(() => cb.nop()).toThrow(/NOP needs 8 bytes; the command buffer has 0 of 4096 left/);
  });

  it('an-odd-size-bounds-it-too', () => {
    const { cb } = make(20);
    cb.nop().nop();
    expect(cb.left).toBe(4);
    expect(() => cb.nop()).toThrow(expect.objectContaining({ code: 'ENOSPC' }));
  });

  it('reset-starts-afresh', () => {
    const { cb, words } = make();
    cb.linDma({ from: hbm, to: HOST_VA }).reset().nop();
    expect(cb.used).toBe(8);
    expect(hex(words, 0, 2)).toBe('00000000 4A000000');
  });

  it('disassemble', () => {
    const { cb } = make();
    cb.linDma({ from: hbm, to: HOST_VA })
      .signal(syncObjectAt(session, Dcore.E_N, 7))
      .append([1, 0xe00_0000]);
    expect(cb.disassemble()).toEqual([
      'LIN_DMA 4096 B 0x20000000 -> 0x1000000000000',
      'MSG_SHORT E_N SOB 7 += 1 [EB]',
      'no packet at byte 32: 00000001 0e000000',
    ]);
  });

  it('use-after-destroy-is-an-error', async () => {
    const { cb } = make();
    await cb.destroy();
    await cb.destroy();
    expect(() => cb.nop()).toThrow(
      expect.objectContaining({ code: 'EFAULT', detail: 'the command buffer was used after it was freed' }),
    );
    expect(() => cb.disassemble()).toThrow(/was freed/);
  });

  it('use-after-close-is-an-error', () => {
    const { cb } = make();
    fake.open = false;
    expect(() => cb.nop()).toThrow(/closed/);
  });
});
