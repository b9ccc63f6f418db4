/**
 * Signals, waits, collective waits, reservations, staged submissions, internal queues, waits for several and events, with a real daemon: that
 * the library's words for them do what the driver's contract says.
 */
import { CollectiveEngine, Dcore, type Device, openDevice, Queue, WaitExpired, waitAll } from '@pedrera/thunk';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { fileDaemon } from './support/file-daemon.js';

const daemon = fileDaemon({ beforeAll, afterEach, afterAll }, { devices: 2, args: ['--nic-ports', '0x3ff'] });

function open(index = 0): Promise<Device> {
  return openDevice(index, { socketPath: daemon().socketPath });
}

/** A stream that stands still until the host lets it go. */
async function gateOn(device: Device, queue: number) {
  const lease = await device.leaseSync({ dcore: Dcore.E_N, syncObjects: 1, monitors: 1 });
  const cb = await device.createCommandBuffer();
  cb.waitFor({ syncObject: lease.object(0), monitor: lease.monitor(0), value: 1, queue });
  const blocked = await device.submit({ queue, cb });
  return {
    blocked,
    release: () => device.submit({ queue: Queue.DMA_0_3, cb: cb.reset().signal(lease.object(0)) }),
  };
}

const POLLING = { timeoutMs: 0 };

describe('signals', () => {
  it('hold-a-queue-until-they-are-given', async () => {
    await using device = await open();
    const gate = await gateOn(device, Queue.DMA_0_0);
    const given = await device.signal(Queue.DMA_0_0);
    const waiting = await device.waitForSignal(Queue.DMA_1_0, given, { timestamp: true });
    await expect(waiting.wait(POLLING)).rejects.toBeInstanceOf(WaitExpired);
    await gate.release();
    expect((await waiting.wait()).timestampNs).toBeGreaterThan(0n);
    expect(await given.submission.poll()).toBe(true);
    // Given: there is nothing to wait for any more.
    expect((await device.waitForSignal(Queue.DMA_1_0, given)).seq).toBe(0);
  });

  it('collective-wait', async () => {
    await using device = await open();
    const gate = await gateOn(device, Queue.DMA_0_0);
    const given = await device.signal(Queue.DMA_0_0);
    const waiting = await device.collectiveWait(Queue.DMA_1_1, given, CollectiveEngine.TPC_7);
    expect(await waiting.poll()).toBe(false);
    await gate.release();
    await waiting.wait();
    const error = await device.collectiveWait(Queue.TPC_0_0, given, CollectiveEngine.TPC_7).catch((caught) => caught);
    expect(error).toMatchObject({ code: 'EINVAL', ioctl: 'CS' });
  });

  it('reserved-ones-are-given-one-by-one', async () => {
    await using device = await open();
    const reservation = await device.reserveSignals(Queue.DMA_0_1, 3);
    const staged = device.stage({ reservation });
    const cb = (await device.createCommandBuffer()).signal(reservation.object);
    const part = { queue: Queue.DMA_0_1, cb };
    await staged.add(part);
    const [first, third] = [await reservation.waitFor(Queue.DMA_1_0, 1), await reservation.waitFor(Queue.DMA_1_1, 3)];
    await first.wait();
    await staged.add(part);
    expect(await third.poll()).toBe(false);
    await expect(reservation.waitFor(Queue.DMA_1_1, 4)).rejects.toMatchObject({ code: 'EINVAL' });
    await expect(reservation.release()).rejects.toMatchObject({ code: 'EINVAL', ioctl: 'CS' });
    await waitAll([await staged.finish(part), third]);
  });

  it('reservation-given-back', async () => {
    await using device = await open();
    const first = await device.reserveSignals(Queue.DMA_0_1, 10);
    const second = await device.reserveSignals(Queue.DMA_0_1, 1);
    expect(second.firstValue).toBe(first.firstValue + 10);
    await expect(first.release()).rejects.toMatchObject({ code: 'EINVAL' });
    await second.release();
    await first.release();
    await using again = await device.reserveSignals(Queue.DMA_0_1, 1);
    expect(again.firstValue).toBe(first.firstValue);
  });
});

describe('programs on internal queues', () => {
  it('from-host-memory-and-from-sram', async () => {
    await using device = await open();
    const host = await device.allocHost(8192);
    host.bytes.fill(0x5a, 0, 256);
    const sram = await device.leaseSram(8192);
    const lease = await device.leaseSync({ dcore: Dcore.E_N, syncObjects: 2, monitors: 2 });
    const lower = await device.createProgram();
    lower.linDma({ from: host, to: sram, size: 256 }).signal(lease.object(0));
    const upper = (await device.createProgram()).cpDma({ from: lower });
    const cb = await device.createCommandBuffer();
    cb.waitFor({ syncObject: lease.object(0), monitor: lease.monitor(0), value: 1, queue: Queue.DMA_1_0 });
    cb.linDma({ from: sram, to: host, toOffset: 4096, size: 256 });
    const end = { queue: Queue.DMA_1_0, cb };
    await (await device.submit({ jobs: [{ queue: Queue.DMA_3_0, program: upper }, end] })).wait();
    expect(host.bytes[4096 + 255]).toBe(0x5a);

    // The lower packets in SRAM, put there in the restore phase; the upper ones in host memory.
    const moved = { from: lower.memory, to: sram, toOffset: 4096, size: lower.used };
    lower.reset().memset({ to: sram, pattern: 7, size: 16 }).signal(lease.object(1));
    const load = (await device.createCommandBuffer()).linDma({ ...moved, size: lower.used });
    upper.reset().cpDma({ from: sram, fromOffset: 4096, size: lower.used });
    cb.reset().waitFor({ syncObject: lease.object(1), monitor: lease.monitor(1), value: 1, queue: Queue.DMA_1_0 });
    cb.linDma({ from: sram, to: host, size: 16 });
    const jobs = [{ queue: Queue.DMA_3_0, program: upper }, end];
    await (await device.submit({ jobs, restore: [{ queue: Queue.DMA_0_0, cb: load }] })).wait();
    expect([...new Uint32Array(host.bytes.buffer, host.bytes.byteOffset, 4)]).toEqual([7, 7, 7, 7]);
  });

  it('reduction-into-sram', async () => {
    await using device = await open();
    const host = await device.allocHost(4096);
    const floats = new Float32Array(host.bytes.buffer, host.bytes.byteOffset, 4);
    floats.set([0.1, -2, 1e30, 3]);
    const sram = await device.leaseSram(4096);
    const lease = await device.leaseSync({ dcore: Dcore.E_N, syncObjects: 1, monitors: 1 });
    const lower = await device.createProgram();
    const move = { from: host, to: sram, size: 16 };
    lower.reduce().linDma(move).reduce({ op: 'add', type: 'f32' }).linDma(move).reduce().signal(lease.object(0));
    const upper = (await device.createProgram()).cpDma({ from: lower });
    const cb = await device.createCommandBuffer();
    cb.waitFor({ syncObject: lease.object(0), monitor: lease.monitor(0), value: 1, queue: Queue.DMA_1_0 });
    cb.linDma({ from: sram, to: host, size: 16 });
    const jobs = [
      { queue: Queue.DMA_2_0, program: upper },
      { queue: Queue.DMA_1_0, cb },
    ];
    await (await device.submit({ jobs })).wait();
    expect([...floats]).toEqual([...Float32Array.of(0.1 * 2, -4, 2e30, 6)].map(Math.fround));
  });
});

describe('waitAny', () => {
  it('wakes-with-the-first', async () => {
    await using device = await open();
    const gate = await gateOn(device, Queue.DMA_0_0);
    const cb = (await device.createCommandBuffer()).nop();
    const behind = await device.submit({ queue: Queue.DMA_0_0, cb });
    const list = [behind, gate.blocked];
    await expect(device.waitAny(list, POLLING)).rejects.toBeInstanceOf(WaitExpired);
    const any = device.waitAny(list);
    await gate.release();
    const { done } = await any;
    expect(done).toContain(gate.blocked);
    await waitAll(list);
    expect((await device.waitAny(list)).done).toHaveLength(2);
  });
});

describe('events', () => {
  it('come-while-nobody-asks', async () => {
    await using device = await open(1);
    const events = device.events();
    const coming = events.next();
    // Answered behind the questions the iteration asked: it is listening now.
    await device.info.deviceStatus();
    const { effect } = await daemon().client.ioctl('INJECT', { device: 1, kind: 'event', target: '421', value: 0 });
    expect(effect).toContain('hl1');
    expect((await coming).value?.names).toEqual(['USER_ENGINE_ERR']);
    const last = events.next();
    await device.info.deviceStatus();
    await device.close();
    expect((await last).done).toBe(true);
  });
});
