/** Programs for internal queues: where they lie, how they are run. */
import { describe, expect, it } from 'vitest';
import { openDevice } from './device.js';
import { Queue } from './queue.js';
import { Dcore } from './sync.js';
import { FakeDaemon } from './testing/fake-daemon.js';

describe('Program', () => {
  it('lies-in-memory-the-device-reads', async () => {
    await using daemon = await FakeDaemon.start();
    using dev = await openDevice(0, { socketPath: daemon.socketPath });
    const host = await dev.allocHost(4096);
    const lower = dev.programIn(host, { offset: 1024, size: 64 });
    const upper = dev.programIn(host, { offset: 2048 });
    lower.nop().nop();
    upper.cpDma({ from: lower });
    expect([lower.address, upper.size]).toEqual([host.deviceAddress + 1024, 2048]);
    expect(upper.disassemble()).toEqual([`CP_DMA 16 B from 0x${lower.address.toString(16)}`]);
    expect(host.bytes.subarray(1024, 1040).some((byte) => byte !== 0)).toBe(true);
    await dev.submit({ queue: Queue.DMA_5_0, program: upper });
    expect(daemon.calls.find(({ name }) => name === 'CS')?.req).toMatchObject({
      chunksExecute: [{ handle: BigInt(upper.address), queueIndex: Queue.DMA_5_0, size: 16 }],
    });
  });

  it('bounds', async () => {
    await using daemon = await FakeDaemon.start();
    using dev = await openDevice(0, { socketPath: daemon.socketPath });
    using other = await openDevice(0, { socketPath: daemon.socketPath });
    const host = await dev.allocHost(4096);
    for (const place of [{ offset: 4 }, { offset: 4096 }, { size: 0 }, { size: 4104 }, { offset: 8, size: 4096 }])
      expect(() => dev.programIn(host, place)).toThrow(/no place for packets/);
    expect(() => other.programIn(host)).toThrow(/another open file/);
    const program = dev.programIn(host, { size: 8 });
    await expect(dev.submit({ queue: Queue.DMA_5_0, program })).rejects.toThrow(/the program is empty/);
    expect(() => program.nop().nop()).toThrow(/the program has 0 of 8 left/);
  });

  it('freed-with-its-own-memory-only', async () => {
    await using daemon = await FakeDaemon.start();
    using dev = await openDevice(0, { socketPath: daemon.socketPath });
    const own = await dev.createProgram();
    await own.free();
    expect(() => own.nop()).toThrow(/after it was freed/);
    const host = await dev.allocHost(4096);
    const guest = dev.programIn(host);
    await guest.free();
    guest.nop();
    await host.free();
    expect(() => guest.nop()).toThrow(/after it was freed/);
  });

  it('lower-fences-and-reduction', async () => {
    await using daemon = await FakeDaemon.start();
    using dev = await openDevice(0, { socketPath: daemon.socketPath });
    const program = await dev.createProgram();
    const lease = await dev.leaseSync({ dcore: Dcore.E_N, syncObjects: 1, monitors: 1 });
    const wait = { syncObject: lease.object(0), monitor: lease.monitor(0), value: 1 };
    const [upper] = program.waitFor({ ...wait, queue: Queue.DMA_5_0 }).disassemble();
    const [lower] = program
      .reset()
      .waitFor({ ...wait, queue: Queue.DMA_5_0, lower: true })
      .disassemble();
    expect(lower).not.toBe(upper);
    expect(() => program.waitFor({ ...wait, queue: Queue.DMA_0_0, lower: true })).toThrow(/no lower command processor/);
    program.reset().reduce({ op: 'add', type: 'f32' }).reduce();
    expect(program.disassemble()).toEqual(['WREG_32 0x3d -> window+0x130 [EB]', 'WREG_32 0x1 -> window+0x130 [EB]']);
  });
});
