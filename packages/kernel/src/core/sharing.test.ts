/** Leases and dma-bufs of the core, on silicon in the same thread. */
import {
  encodeFence,
  encodeLinDma,
  encodeMsgLong,
  encodeMsgShort,
  fenceRdataAddress,
  monitorArm,
  sobValue,
} from '@pedrera/hw';
import { describe, expect, it } from 'vitest';
import { mapAllocation } from './device-mapping.js';
import { importDmaBuf } from './dma-buf/context-import.js';
import { exportMemory, exportSyncObjects } from './dma-buf/exporters.js';
import type { OpenFile } from './open-file.js';
import { TestRig } from './test-rig.js';
import { codeOf } from './test-support.js';

const PAGE = 2 * 2 ** 20;
const READ_WRITE = { flags: 2, readOnly: false };

/** MEMORY ALLOC and MAP, without the ioctl around them. */
function allocate(file: OpenFile, size: number): { address: number; handle: bigint } {
  const context = file.requireContext;
  const allocation = file.device.memory.allocate({
    size,
    pageSize: 0,
    contiguous: false,
    shared: false,
    ownerAsid: context.asid,
  });
  context.allocations.add(allocation);
  const address = mapAllocation(context, allocation, { hint: 0, forceHint: false });
  return { address, handle: BigInt(allocation.handle) };
}

describe('leases', () => {
  it('do-not-overlap-and-come-back', async () => {
    await using rig = new TestRig('shared');
    const [one, two] = [await rig.open(), await rig.open()];
    const a = one.requireContext.leases.leaseSync(2, { syncObjects: 10, monitors: 3 });
    const b = two.requireContext.leases.leaseSync(2, { syncObjects: 8, monitors: 1 });
    expect(a).toMatchObject({ firstSob: 0, sobs: 16, firstMonitor: 0, monitors: 3 });
    expect(b).toMatchObject({ firstSob: 16, sobs: 8, firstMonitor: 3, monitors: 1 });
    expect(await codeOf(() => one.requireContext.leases.leaseSync(2, { syncObjects: 8, monitors: 0 }))).toBe('EBUSY');
    expect(await codeOf(() => one.requireContext.leases.leaseSync(3, { syncObjects: 4096, monitors: 0 }))).toBe(
      'ENOSPC',
    );
    expect(await codeOf(() => one.requireContext.leases.leaseSync(4, { syncObjects: 8, monitors: 0 }))).toBe('EINVAL');
    await rig.close(one);
    const again = (await rig.open()).requireContext.leases.leaseSync(2, { syncObjects: 16, monitors: 3 });
    expect(again.firstSob).toBe(0);
  });

  it('leased-sram-reads-zero-whatever-was-there', async () => {
    await using rig = new TestRig('shared');
    const one = await rig.open();
    const { base } = one.requireContext.leases.leaseSram(4096);
    const fill = rig.submit(one, 0, (words) =>
      encodeLinDma(words, 0, { size: 4096, patternLow: 0x5a5a5a5a, dst: base, memSet: true }),
    );
    rig.run();
    expect(fill.outcome?.error).toBeUndefined();
    await rig.close(one);
    const two = await rig.open();
    const lease = two.requireContext.leases.leaseSram(4096);
    expect(lease.base).toBe(base);
    const { address } = allocate(two, PAGE);
    const copy = rig.submit(two, 0, (words) => encodeLinDma(words, 0, { size: 4096, src: lease.base, dst: address }));
    rig.run();
    expect(copy.outcome?.error).toBeUndefined();
    const [extent] = [...two.requireContext.allocations][0]?.extents ?? [];
    const view = rig.device().memory.hbm.map(extent?.address ?? 0, 4096);
    expect(view.bytes.every((byte) => byte === 0)).toBe(true);
    view.unmap();
    const beyond = rig.submit(two, 0, (words) =>
      encodeLinDma(words, 0, { size: 8, src: lease.base + lease.size, dst: address }),
    );
    rig.run();
    expect(beyond.outcome?.error).toBe('EIO');
  });

  it('a-foreign-sync-object-faults', async () => {
    await using rig = new TestRig('shared');
    const [one, two] = [await rig.open(), await rig.open()];
    one.requireContext.leases.leaseSync(2, { syncObjects: 8, monitors: 1 });
    two.requireContext.leases.leaseSync(2, { syncObjects: 8, monitors: 1 });
    const add = (sob: number) => (words: Uint32Array) =>
      encodeMsgShort(words, 0, { base: 1, addressOffset: 4 * sob, value: sobValue('add', 1) });
    const own = rig.submit(one, 0, add(0));
    const foreign = rig.submit(one, 0, add(8));
    rig.run();
    expect(own.outcome?.error).toBeUndefined();
    expect(foreign.outcome).toMatchObject({ error: 'EIO' });
    expect(two.requireContext.faults).toBe(0);
  });
});

describe('dma-buf', () => {
  it('memory-outlives-its-exporter-until-the-last-importer', async () => {
    await using rig = new TestRig('shared', 2);
    const exporter = await rig.open(0);
    const importer = await rig.open(1);
    const { address, handle } = allocate(exporter, PAGE);
    const allocation = rig.device(0).memory.peek(handle, exporter.requireContext.asid);
    rig.submit(exporter, 0, (words) =>
      encodeLinDma(words, 0, { size: 64, patternLow: 0x5a, dst: address, memSet: true }),
    );
    rig.run();
    const { dmaBufs } = rig.machine;
    const { extents } = allocation;
    const object = exportMemory(dmaBufs, exporter.requireContext, { extents, size: PAGE, allocation });
    const token = exporter.descriptors.peek(exporter.descriptors.add(dmaBufs, object, READ_WRITE)).token();
    const far = dmaBufs.redeem(token, (found) => importDmaBuf(importer.requireContext, found.dmaBuf('EINVAL')));
    await rig.close(exporter);
    expect(object.exporterAlive).toBe(false);
    expect(await codeOf(() => dmaBufs.redeem(token, () => undefined))).toBe('ENOENT');
    expect(rig.device(0).memory.used).toBe(PAGE);
    const local = allocate(importer, PAGE);
    const copy = rig.submit(importer, 0, (words) =>
      encodeLinDma(words, 0, { size: 64, src: far.address, dst: local.address }),
    );
    rig.run();
    expect(copy.outcome?.error).toBeUndefined();
    await rig.close(importer);
    expect(rig.device(0).memory.used).toBe(0);
    expect(rig.device(0).contexts.size).toBe(0);
  });

  it('a-sync-object-of-another-device-releases-a-stream', async () => {
    await using rig = new TestRig('shared', 2);
    const producer = await rig.open(0);
    const consumer = await rig.open(1);
    const lease = consumer.requireContext.leases.leaseSync(2, { syncObjects: 8, monitors: 1 });
    const { dmaBufs } = rig.machine;
    const object = exportSyncObjects(dmaBufs, consumer.requireContext, {
      dcore: 2,
      firstSyncObject: lease.firstSob + 1,
      count: 2,
    });
    consumer.descriptors.add(dmaBufs, object, READ_WRITE);
    const far = importDmaBuf(producer.requireContext, object);
    const waiting = rig.submit(consumer, 0, (words) => armAndFence(words, lease.firstSob + 1));
    rig.run();
    expect(waiting.finished).toBe(false);
    const signal = rig.submit(producer, 0, (words) =>
      encodeMsgLong(words, 0, { address: far.address, value: sobValue('add', 1) }),
    );
    rig.run();
    expect(signal.outcome?.error).toBeUndefined();
    expect(waiting.finished).toBe(true);
    const beyond = rig.submit(producer, 0, (words) =>
      encodeMsgLong(words, 0, { address: far.address + 8, value: sobValue('add', 1) }),
    );
    rig.run();
    expect(beyond.outcome?.error).toBe('EIO');
  });

  it('contexts-that-import-from-each-other-hold-nothing-when-both-are-closed', async () => {
    await using rig = new TestRig('exclusive', 2);
    const { dmaBufs } = rig.machine;
    const files = [await rig.open(0), await rig.open(1)] as const;
    const range = { extents: [{ address: 2 ** 30, size: PAGE }], size: PAGE, allocation: undefined };
    for (const [from, to] of [files, [files[1], files[0]] as const]) {
      const object = exportMemory(dmaBufs, from.requireContext, range);
      from.descriptors.add(dmaBufs, object, READ_WRITE);
      importDmaBuf(to.requireContext, object);
      importDmaBuf(from.requireContext, object);
    }
    const stuck = rig.submit(files[0], 0, (words) => encodeFence(words, 0, { id: 0, target: 1, dec: 1 }));
    rig.run();
    await rig.close(files[0]);
    await rig.close(files[1]);
    // What still runs may use what it imported.
    expect(rig.device(0).contexts.inRelease).toBe(true);
    expect(dmaBufs.size).toBeGreaterThan(0);
    await rig.device(0).contexts.stop();
    await rig.settle();
    expect(stuck.outcome?.error).toBe('EIO');
    expect(dmaBufs.size).toBe(0);
    expect(rig.device(1).contexts.size).toBe(0);
  });

  it('export-beyond-the-lease-is-EPERM', async () => {
    await using rig = new TestRig('shared');
    const { requireContext: context } = await rig.open();
    const lease = context.leases.leaseSync(2, { syncObjects: 8, monitors: 0 });
    const beyond = { dcore: 2, firstSyncObject: lease.firstSob + 4, count: 5 };
    expect(await codeOf(() => exportSyncObjects(rig.machine.dmaBufs, context, beyond))).toBe('EPERM');
    const elsewhere = { dcore: 3, firstSyncObject: 0, count: 1 };
    expect(await codeOf(() => exportSyncObjects(rig.machine.dmaBufs, context, elsewhere))).toBe('EPERM');
  });
});

/** Monitor 0 of E_N waits for `sob` >= 1, then releases fence 0 of DMA_0_0 (device.md 3.5). */
function armAndFence(words: Uint32Array, sob: number): number {
  const fence = fenceRdataAddress(0, 0);
  let at = encodeMsgShort(words, 0, { base: 0, addressOffset: 0x0000, value: fence % 2 ** 32 });
  at = encodeMsgShort(words, at, { base: 0, addressOffset: 0x0800, value: Math.floor(fence / 2 ** 32) });
  at = encodeMsgShort(words, at, { base: 0, addressOffset: 0x1000, value: 1 });
  const condition = { group: sob >> 3, mask: 0xff & ~(1 << (sob & 7)), mode: 'ge', value: 1 } as const;
  at = encodeMsgShort(words, at, { base: 0, addressOffset: 0x1800, value: monitorArm(condition) });
  return encodeFence(words, at, { id: 0, target: 1, dec: 1 });
}
