/** Objects behind descriptors of the operating system: found again, kept, let go, and made readable. */
import { closeSync } from 'node:fs';
import { pidfdGetfd } from '@pedrera/wire';
import { describe, expect, it } from 'vitest';
import { Descriptor } from '../core/dma-buf/descriptor.js';
import { exportMemory } from '../core/dma-buf/exporters.js';
import { DmaFence } from '../core/fence/dma-fence.js';
import { SyncFile } from '../core/fence/sync-file.js';
import { TestRig } from '../core/test-rig.js';
import { HandedObjects } from './handed-objects.js';

const EXPORTED = { extents: [{ address: 2 ** 30, size: 4096 }], size: 4096, allocation: undefined };
const duplicate = (fd: number) => pidfdGetfd(process.pid, fd);

/** Until the operating system has told of closed descriptors. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

describe('HandedObjects', () => {
  it('keeps-a-buffer-until-the-last-duplicate-is-closed', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    const { dmaBufs } = rig.machine;
    const handed = new HandedObjects();
    const fd = file.descriptors.add(dmaBufs, exportMemory(dmaBufs, file.requireContext, EXPORTED), {
      flags: 2,
      readOnly: true,
    });
    const { object } = file.descriptors.peek(fd);
    let copy = -1;
    handed.handOut(file.descriptors.peek(fd), 7, (given) => {
      copy = duplicate(given);
    });
    file.descriptors.close(fd);
    expect(handed.find(copy)).toMatchObject({ object, flags: 2, readOnly: true });
    expect(object.refs).toBe(1);
    const second = duplicate(copy);
    closeSync(copy);
    expect(handed.find(second)?.object).toBe(object);
    closeSync(second);
    await until(() => dmaBufs.size === 0);
  });

  it('whoever-looks-need-not-wait-to-be-told-that-the-last-duplicate-is-closed', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    const { dmaBufs } = rig.machine;
    const handed = new HandedObjects();
    const copies: number[] = [];
    for (let i = 0; i < 2; i++) {
      const fd = file.descriptors.add(dmaBufs, exportMemory(dmaBufs, file.requireContext, EXPORTED), {
        flags: 2,
        readOnly: false,
      });
      handed.handOut(file.descriptors.peek(fd), 7, (given) => copies.push(duplicate(given)));
      file.descriptors.close(fd);
    }
    handed.look(() => true);
    expect(dmaBufs.size).toBe(2);
    closeSync(copies[0] as number);
    handed.look(() => false);
    expect(dmaBufs.size).toBe(2);
    handed.look(() => true);
    expect(dmaBufs.size).toBe(1);
    closeSync(copies[1] as number);
    await until(() => dmaBufs.size === 0);
  });

  it('nothing-is-handed-out-when-it-cannot-be-sent', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    const { dmaBufs } = rig.machine;
    const handed = new HandedObjects();
    const object = exportMemory(dmaBufs, file.requireContext, EXPORTED);
    const fd = file.descriptors.add(dmaBufs, object, { flags: 2, readOnly: false });
    const refuse = () => {
      throw new Error('the socket is full');
    };
    expect(() => handed.handOut(file.descriptors.peek(fd), 7, refuse)).toThrow('full');
    await until(() => object.refs === 1);
    await handed.close();
  });

  it('a-sync-file-becomes-readable-and-the-end-of-the-daemon-takes-all-back', async () => {
    await using rig = new TestRig('shared');
    const { fences, dmaBufs } = rig.machine;
    const fence = new DmaFence(fences, { context: fences.newContext(), driverName: 't', timelineName: 't' }, 1);
    const file = new SyncFile(fence);
    const descriptor = new Descriptor(dmaBufs, file, 7, { flags: 0, readOnly: false });
    file.put();
    const handed = new HandedObjects();
    let copy = -1;
    handed.handOut(descriptor, 7, (given) => {
      copy = duplicate(given);
    });
    descriptor.close();
    expect(fence.watched).toBe(true);
    fence.signal();
    await handed.close();
    expect(handed.find(copy)).toBeUndefined();
    closeSync(copy);
    fence.put();
  });
});
