/** This project's own calls: host memory, leases, shared sync objects, inspection, fault injection. No driver has them. */
import assert from 'node:assert/strict';
import { ANY_FAULT_RULE, type HostBufferHandle, MAX_HOST_BUFFER_SIZE, type Req } from '@pedrera/uapi';
import { TestList } from '../framework/conformance-test.js';
import { packets } from '../framework/packets.js';

export const own = new TestList();

const HUGE = 0x20_0000;

own.add('own@host-alloc', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { handle } = await client.call('HOST_ALLOC', { size: 5000 });
  const bytes = await client.map(handle);
  assert(bytes.length >= 5000 && bytes.every((byte) => byte === 0));
  await client.call('MUNMAP', { offset: handle });
  await client.call('HOST_FREE', { handle });
});

own.add('own@host-alloc-size', { policy: 'both', covers: ['HOST_ALLOC/EINVAL/size'] }, async (env) => {
  const client = await env.open();
  for (const size of [0, MAX_HOST_BUFFER_SIZE + 1, 2 ** 45]) {
    await client.fails('EINVAL', 'HOST_ALLOC', { size });
  }
});

own.add(
  'own@host-alloc-limit',
  {
    modes: ['in-process'],
    covers: ['HOST_ALLOC/ENOMEM/memory', 'CB_CREATE/ENOMEM/memory', 'MEMORY_TS_ALLOC/ENOMEM/memory'],
  },
  async (env) => {
    const client = await env.open();
    let refused = '';
    for (let i = 0; i < 64 && refused === ''; i++) {
      refused = (await client.attempt('HOST_ALLOC', { size: MAX_HOST_BUFFER_SIZE })).errno;
    }
    await client.fails('ENOMEM', 'HOST_ALLOC', { size: MAX_HOST_BUFFER_SIZE });
    // All host memory of a client counts; 2 MiB at a time takes what is left of it, if anything is.
    for (let i = 0; i < 8; i++) {
      const { errno } = await client.attempt('CB_CREATE', { size: 0x1f_ffe0, flags: 0 });
      if (errno !== '') {
        break;
      }
    }
    await client.fails('ENOMEM', 'CB_CREATE', { size: 0x1f_ffe0, flags: 0 });
    await client.fails('ENOMEM', 'MEMORY_TS_ALLOC', { numOfElements: 2 ** 20 });
  },
);

own.add('own@host-free-unknown', { policy: 'both', covers: ['HOST_FREE/EINVAL/handle'] }, async (env) => {
  const client = await env.open();
  await client.fails('EINVAL', 'HOST_FREE', { handle: 0x4000_0000_0000_1000n as HostBufferHandle });
  const { handle } = await client.call('HOST_ALLOC', { size: 4096 });
  await client.call('HOST_FREE', { handle });
  await client.fails('EINVAL', 'HOST_FREE', { handle });
});

// --- leases ------------------------------------------------------------------------------------------------------------------

const lease = (dcore: number, syncObjects: number, monitors: number): Req<'SYNC_LEASE'> => ({
  dcore,
  syncObjects,
  monitors,
});

own.add('own@sync-lease', { policy: 'shared' }, async (env) => {
  const one = await env.open();
  const other = await env.open();
  const mine = await one.call('SYNC_LEASE', lease(1, 16, 4));
  const theirs = await other.call('SYNC_LEASE', lease(1, 16, 4));
  assert(mine.syncObjects >= 16 && mine.monitors >= 4);
  const end = mine.firstSyncObject + mine.syncObjects;
  assert(end <= theirs.firstSyncObject || theirs.firstSyncObject + theirs.syncObjects <= mine.firstSyncObject);
  await one.run(packets().addToSob(1, mine.firstSyncObject));
});

own.add(
  'own@sync-lease-bounds',
  { policy: 'shared', covers: ['SYNC_LEASE/EINVAL/dcore', 'SYNC_LEASE/EINVAL/nothing', 'SYNC_LEASE/ENOSPC/space'] },
  async (env) => {
    const client = await env.open();
    for (const dcore of [4, 8, 0xffff_ffff]) {
      await client.fails('EINVAL', 'SYNC_LEASE', lease(dcore, 8, 1));
    }
    await client.fails('EINVAL', 'SYNC_LEASE', lease(1, 0, 0));
    await client.fails('ENOSPC', 'SYNC_LEASE', lease(1, 2049, 1));
    await client.fails('ENOSPC', 'SYNC_LEASE', lease(1, 8, 513));
  },
);

own.add('own@sync-lease-twice', { policy: 'shared', covers: ['SYNC_LEASE/EBUSY/leased'] }, async (env) => {
  const client = await env.open();
  await client.call('SYNC_LEASE', lease(2, 8, 1));
  await client.fails('EBUSY', 'SYNC_LEASE', lease(2, 8, 1));
  await client.call('SYNC_LEASE', lease(3, 8, 1));
});

own.add('own@sram-lease', { policy: 'shared' }, async (env) => {
  const client = await env.open();
  const { address, size } = await client.call('SRAM_LEASE', { size: 65_536 });
  assert(size >= 65_536);
  await client.run(packets().fill(address, 64, 5));
  assert.equal((await client.peek(address, 1))[0], 5);
});

own.add(
  'own@sram-lease-bounds',
  { policy: 'shared', covers: ['SRAM_LEASE/EINVAL/size', 'SRAM_LEASE/EBUSY/leased', 'SRAM_LEASE/ENOSPC/space'] },
  async (env) => {
    const client = await env.open();
    const other = await env.open();
    for (const size of [0, 0x140_0001, 2 ** 40]) {
      await client.fails('EINVAL', 'SRAM_LEASE', { size });
    }
    await client.call('SRAM_LEASE', { size: 0xc0_0000 });
    await client.fails('EBUSY', 'SRAM_LEASE', { size: 4096 });
    await other.fails('ENOSPC', 'SRAM_LEASE', { size: 0xc0_0000 });
  },
);

own.add('own@sync-export', { policy: 'shared' }, async (env) => {
  const waiter = await env.open();
  const signaller = await env.open();
  const { firstSyncObject, firstMonitor } = await waiter.call('SYNC_LEASE', lease(1, 8, 2));
  const { fd } = await waiter.call('SYNC_EXPORT', { dcore: 1, firstSyncObject, count: 8 });
  const { token } = await waiter.call('DMABUF_TOKEN', { fd });
  const { address } = await signaller.call('DMABUF_IMPORT', { token });
  const where = { dcore: 1, sob: firstSyncObject, monitor: firstMonitor, queue: 0, fence: 0 };
  const seq = await waiter.submit(packets().watchSob(where, 1).fence(0));
  await waiter.busy(seq);
  await signaller.run(packets().msgLong(address, 0x8000_0001));
  await waiter.completed(seq);
});

own.add(
  'own@sync-export-bounds',
  {
    policy: 'shared',
    covers: ['SYNC_EXPORT/EINVAL/dcore', 'SYNC_EXPORT/EINVAL/count', 'SYNC_EXPORT/EPERM/not-leased'],
  },
  async (env) => {
    const client = await env.open();
    const { firstSyncObject, syncObjects } = await client.call('SYNC_LEASE', lease(1, 8, 1));
    await client.fails('EINVAL', 'SYNC_EXPORT', { dcore: 4, firstSyncObject, count: 1 });
    await client.fails('EINVAL', 'SYNC_EXPORT', { dcore: 1, firstSyncObject, count: 0 });
    await client.fails('EPERM', 'SYNC_EXPORT', { dcore: 1, firstSyncObject, count: syncObjects + 1 });
    await client.fails('EPERM', 'SYNC_EXPORT', { dcore: 2, firstSyncObject: 0, count: 1 });
  },
);

own.add(
  'own@sync-export-descriptors',
  { policy: 'shared', covers: ['SYNC_EXPORT/EMFILE/descriptors'] },
  async (env) => {
    const client = await env.open();
    const { firstSyncObject } = await client.call('SYNC_LEASE', lease(1, 8, 1));
    const req = { dcore: 1, firstSyncObject, count: 1 };
    for (let i = 0; i < 1024; i++) {
      await client.call('SYNC_EXPORT', req);
    }
    await client.fails('EMFILE', 'SYNC_EXPORT', req);
  },
);

own.add(
  'own@import-addresses-run-out',
  { policy: 'shared', modes: ['in-process'], covers: ['DMABUF_IMPORT/ENOMEM/no-address'] },
  async (env) => {
    const client = await env.open();
    const { handle } = await client.call('MEMORY_ALLOC', { size: 0x7_0000_0000, pageSize: 0, flags: 0 });
    const { fd } = await client.call('MEMORY_EXPORT_DMABUF_FD', {
      handle: BigInt(handle),
      size: 0x7_0000_0000,
      flags: 0,
    });
    const { token } = await client.call('DMABUF_TOKEN', { fd });
    // The range for device memory has 24 TiB: room for some 870 mappings of 28 GiB.
    let refused = '';
    for (let i = 0; i < 20_000 && refused === ''; i++) {
      refused = (await client.attempt('DMABUF_IMPORT', { token })).errno;
    }
    assert.equal(refused, 'ENOMEM');
    await client.fails('ENOMEM', 'DMABUF_IMPORT', { token });
  },
);

// --- inspection and injection --------------------------------------------------------------------------------------------------

own.add('own@inspect', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { seq, release } = await client.blocked({ queue: 2 });
  const watcher = await env.watcher();
  const queue = await env.until('the job is seen', async () => {
    const { snapshot } = await watcher.call('INSPECT_QUEUES', { device: 0 });
    return snapshot.devices[0]?.queues.find(({ id, blockedOn }) => id === 2 && blockedOn !== null);
  });
  assert.deepEqual(queue.blockedOn?.fence, { id: 1, target: 1, value: 0 });
  assert.equal(queue.asid, client.asid);
  const { snapshot } = await watcher.call('INSPECT_CLIENTS', {});
  assert.equal(snapshot.clients.find(({ asid }) => asid === client.asid)?.inFlight, 1);
  await release();
  await client.completed(seq);
});

own.add('own@inspect-no-such-device', { policy: 'both', covers: ['INSPECT_QUEUES/ENXIO/device'] }, async (env) => {
  const watcher = await env.greeted();
  await watcher.fails('ENXIO', 'INSPECT_QUEUES', { device: 1 });
  await watcher.fails('ENXIO', 'INSPECT_QUEUES', { device: 999 });
  assert.equal((await watcher.call('INSPECT_QUEUES', { device: -1 })).snapshot.devices.length, 1);
});

own.add(
  'own@inject-bounds',
  { covers: ['INJECT/ENXIO/device', 'INJECT/EINVAL/target', 'INJECT/EINVAL/value'] },
  async (env) => {
    const watcher = await env.greeted();
    const inject = (device: number, kind: string, target: string, value = 0) =>
      ({ device, kind, target, value }) as unknown as Req<'INJECT'>;
    await watcher.fails('ENXIO', 'INJECT', inject(1, 'hang', 'DMA0'));
    for (const [kind, target] of [
      ['hang', 'DMA8'],
      ['hang', ''],
      ['event', 'no such event'],
      ['event', '663'],
      ['thermal', 'middle'],
      ['ecc', 'HBM9'],
      ['link', '10'],
    ] as const) {
      await watcher.fails('EINVAL', 'INJECT', inject(0, kind, target));
    }
    await watcher.fails('EINVAL', 'INJECT', inject(0, 'ecc', 'HBM0', 2));
  },
);

const ANY_RULE: Req<'INJECT_ARM'> = { ...ANY_FAULT_RULE, target: 'ENOMEM' };

own.add(
  'own@fault-rule-bounds',
  {
    covers: [
      'INJECT_ARM/ENXIO/device',
      'INJECT_ARM/EINVAL/condition',
      'INJECT_ARM/EINVAL/chance',
      'INJECT_ARM/EINVAL/action',
      'INJECT_CLEAR/ENOENT/id',
    ],
  },
  async (env) => {
    const watcher = await env.greeted();
    const refused = (errno: 'ENXIO' | 'EINVAL', rule: Partial<Req<'INJECT_ARM'>>) =>
      watcher.fails(errno, 'INJECT_ARM', { ...ANY_RULE, ...rule });
    await refused('ENXIO', { device: 1 });
    const packet = { on: 'packet', action: 'hang', target: '' } as const;
    for (const rule of [
      { call: 'NO_SUCH_CALL' },
      { call: 'INSPECT_DAEMON' },
      { queue: 0 },
      { ...packet, call: 'CS' },
      { ...packet, queue: 113 },
      { ...packet, opcode: 'NO_SUCH_PACKET' },
      { ...packet, address: Number.MAX_SAFE_INTEGER, length: 2 },
    ] as const) {
      await refused('EINVAL', rule);
    }
    await refused('EINVAL', { perMillion: 0 });
    await refused('EINVAL', { perMillion: 1_000_001 });
    for (const rule of [
      { target: 'ENOSUCH' },
      { action: 'delay' },
      { ...packet, action: 'errno' },
      { ...packet, action: 'delay', value: 0 },
    ] as const) {
      await refused('EINVAL', rule);
    }
    await watcher.fails('ENOENT', 'INJECT_CLEAR', { id: 4711 });
    assert.deepEqual((await watcher.call('INJECT_LIST', {})).faults.rules, []);
  },
);

own.add('own@fault-rules', { covers: ['INJECT_ARM/ENOSPC/rules'] }, async (env) => {
  const watcher = await env.greeted();
  const client = await env.open();
  const arm = (rule: Partial<Req<'INJECT_ARM'>>) => watcher.call('INJECT_ARM', { ...ANY_RULE, ...rule });
  const { id } = await arm({ call: 'CB_CREATE', after: 1, times: 2 });
  const create = async () => (await client.attempt('CB_CREATE', { size: 4096, flags: 0 })).errno;
  assert.deepEqual([await create(), await create(), await create(), await create()], ['', 'ENOMEM', 'ENOMEM', '']);
  const { rules } = (await watcher.call('INJECT_LIST', {})).faults;
  assert.equal(rules.length, 1);
  const [{ matched, struck, call } = { matched: 0, struck: 0, call: '' }] = rules;
  assert.deepEqual({ matched, struck, call }, { matched: 4, struck: 2, call: 'CB_CREATE' });
  assert.equal((await watcher.call('INJECT_CLEAR', { id })).cleared, 1);
  let armed = 0;
  while ((await watcher.attempt('INJECT_ARM', ANY_RULE)).errno === '') {
    armed++;
  }
  await watcher.fails('ENOSPC', 'INJECT_ARM', ANY_RULE);
  assert.equal((await watcher.call('INJECT_CLEAR', { id: 0 })).cleared, armed);
  assert.equal(await create(), '');
});

own.add(
  'own@host-memory-of-another',
  { notInC: 'all memory of one C program is its own', policy: 'shared' },
  async (env) => {
    const one = await env.open();
    const other = await env.open();
    const { address } = await one.call('HOST_ALLOC', { size: HUGE });
    await other.fails('EFAULT', 'MEMORY_MAP_HOST', { hostVirtAddr: address, hintAddr: 0, size: 4096, flags: 4 });
  },
);
