/** /sys/kernel/debug/dma_buf compared with the text a kernel would show of the same buffers. */
import { encodeFence, encodeNop } from '@pedrera/hw';
import { FILE_FLAGS } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { UNKNOWN_BIRTH } from '../core/caller.js';
import { importDmaBuf } from '../core/dma-buf/context-import.js';
import type { DmaBuf } from '../core/dma-buf/dma-buf.js';
import { exportAllocation, exportSyncObjects } from '../core/dma-buf/exporters.js';
import { underLock } from '../core/dma-buf/under-lock.js';
import { USAGE } from '../core/fence/reservation.js';
import type { OpenFile } from '../core/open-file.js';
import { ImporterFile } from '../core/rdma/importer-file.js';
import type { RdmaNic } from '../core/rdma/nic.js';
import { submissionFence } from '../core/submission-fence.js';
import { TestRig } from '../core/test-rig.js';
import { VirtualFiles } from './virtual-files.js';

const MIB = 2 ** 20;
const DIRECTORY = '/sys/kernel/debug/dma_buf';

async function read(rig: TestRig, name: string): Promise<string> {
  const bytes = await new VirtualFiles(rig.machine).read(`${DIRECTORY}/${name}`, 0, 65536);
  return Buffer.from(bytes).toString();
}

function exported(rig: TestRig, file: OpenFile, size: number): DmaBuf {
  const context = file.requireContext;
  const options = { size, pageSize: 0, contiguous: false, shared: false, ownerAsid: context.asid };
  const allocation = file.device.memory.allocate(options);
  context.allocations.add(allocation);
  return exportAllocation(rig.machine.dmaBufs, context, allocation, { offset: 0, size });
}

/** A pending fence among the writers', one that has signalled among the readers', and one that nobody waits for, which is not shown. */
function leaveFences(rig: TestRig, file: OpenFile, { reservation }: DmaBuf): void {
  const done = rig.submit(file, 4, (words) => encodeNop(words, 0));
  using signalled = submissionFence(rig.machine.fences, done);
  const stuck = rig.submit(file, 0, (words) => encodeFence(words, 0, { id: 1, target: 1, dec: 1 }));
  using pending = submissionFence(rig.machine.fences, stuck);
  const other = rig.submit(file, 1, (words) => encodeFence(words, 0, { id: 1, target: 1, dec: 1 }));
  using bookkept = submissionFence(rig.machine.fences, other);
  underLock([reservation], () => {
    reservation.reserve(3);
    reservation.add(pending, USAGE.WRITE);
    reservation.add(signalled, USAGE.READ);
    reservation.add(bookkept, USAGE.BOOKKEEP);
  });
}

describe('debugfs of dma-bufs', () => {
  it('no buffers', async () => {
    await using rig = new TestRig('shared', 1);
    expect(await read(rig, 'bufinfo')).toBe(
      '\nDma-buf Objects:\nsize    \tflags   \tmode    \tcount   \texp_name\tino     \tname\n\nTotal 0 objects, 0 bytes\n',
    );
  });

  it('what it says of buffers with importers and fences', async () => {
    await using rig = new TestRig('shared', 2);
    const { dmaBufs, rdma, tracker } = rig.machine;
    const [owner, other] = [await rig.open(0), await rig.open(1)];
    const object = exported(rig, owner, 4 * MIB);
    const fd = owner.descriptors.add(dmaBufs, object, { flags: FILE_FLAGS.O_RDWR, readOnly: false });
    object.name = 'weights';
    const small = exported(rig, owner, 2 * MIB);
    owner.descriptors.add(dmaBufs, small, { flags: FILE_FLAGS.O_CLOEXEC, readOnly: false });
    const { firstSob } = other.requireContext.leases.leaseSync(2, { syncObjects: 8, monitors: 0 });
    const sync = exportSyncObjects(dmaBufs, other.requireContext, { dcore: 2, firstSyncObject: firstSob, count: 4 });
    other.descriptors.add(dmaBufs, sync, { flags: FILE_FLAGS.O_RDWR, readOnly: false });
    importDmaBuf(other.requireContext, object, false);
    const card = new ImporterFile(rdma.nic('hli') as RdmaNic, { pid: 77, birth: () => UNKNOWN_BIRTH }, tracker);
    const held = card.descriptors.add(dmaBufs, object.get(), { flags: FILE_FLAGS.O_RDWR, readOnly: false });
    card.register(held, { offset: 0, length: 4096, iova: 0, access: 0 });
    leaveFences(rig, owner, object);
    rig.run();
    const text = `${await read(rig, 'bufinfo')}\n=== device_totals\n${await read(rig, 'device_totals')}`;
    await expect(text).toMatchFileSnapshot('golden/dma-buf.txt');
    card.release();
    owner.descriptors.close(fd);
  });
});
