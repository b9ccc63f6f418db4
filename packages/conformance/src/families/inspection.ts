/** Looking at everything: snapshots in pages, rings with their packets. This project's own calls. */
import assert from 'node:assert/strict';
import { SNAPSHOT_SECTION, type Snapshot, WAIT_STATUS } from '@pedrera/uapi';
import type { Client } from '../framework/client.js';
import { TestList } from '../framework/conformance-test.js';

export const inspection = new TestList();

const ALL = Object.values(SNAPSHOT_SECTION).reduce((bits, bit) => bits | bit, 0);
const REQUEST = { sections: ALL, device: -1, pid: 0, address: 0, page: 0 };

/** All pages of one look; what matters here is on few of them. */
async function pages(watcher: Client, request: Partial<typeof REQUEST> = {}): Promise<Snapshot[]> {
  const found: Snapshot[] = [];
  for (let page = 0; ; ) {
    const { snapshot, next } = await watcher.call('INSPECT_SNAPSHOT', { ...REQUEST, ...request, page });
    found.push(snapshot);
    if (next === 0) {
      return found;
    }
    page = next;
  }
}

inspection.add('own@snapshot', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { seq, release } = await client.blocked({ queue: 2 });
  const watcher = await env.watcher();
  const rows = await env.until('the job stands at its fence', async () => {
    const seen = await pages(watcher);
    const producers = seen.flatMap((page) => page.producers ?? []);
    return producers.length === 0 ? undefined : seen;
  });
  const of = <K extends keyof Snapshot>(key: K) => rows.flatMap((page) => (page[key] as unknown[] | undefined) ?? []);
  const unfinished = (of('submissions') as NonNullable<Snapshot['submissions']>).filter(
    (row) => row.finishedMs === null,
  );
  const seen = unfinished.map(({ device, asid, seq: number, state }) => ({ device, asid, seq: number, state }));
  assert.deepEqual(seen, [{ device: 0, asid: client.asid, seq, state: 'running' }]);
  const [producers] = of('producers') as NonNullable<Snapshot['producers']>;
  assert.deepEqual(producers?.target, { kind: 'fence', asid: client.asid, queue: 'DMA_0_2', fence: 1 });
  assert.deepEqual(producers?.packets, []);
  assert.equal(producers?.holders[0]?.alive, true);
  for (const key of ['devices', 'engines', 'clients', 'objects', 'events', 'mappings', 'sync'] as const) {
    assert(of(key).length > 0, key);
  }
  await release();
  await client.completed(seq);
});

inspection.add('own@snapshot-calls', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { seq, release } = await client.blocked({ queue: 2 });
  const waiting = client.wait(seq);
  const watcher = await env.watcher();
  const call = await env.until('the wait is seen', async () => {
    const seen = await pages(watcher, { sections: SNAPSHOT_SECTION.CALLS });
    return seen.flatMap(({ calls = [] }) => calls).find(({ call: name }) => name === 'WAIT_CS');
  });
  assert.equal(call.timeoutLeftMs, null);
  assert(call.on?.kind === 'submissions' && !call.on.any);
  assert.deepEqual(
    call.on.submissions.map(({ device, asid, seq: number }) => ({ device, asid, seq: number })),
    [{ device: 0, asid: client.asid, seq }],
  );
  await release();
  assert.equal((await waiting).status, WAIT_STATUS.COMPLETED);
  const after = await pages(watcher, { sections: SNAPSHOT_SECTION.CALLS });
  assert.deepEqual(
    after.flatMap(({ calls = [] }) => calls),
    [],
  );
});

inspection.add(
  'own@snapshot-bounds',
  {
    policy: 'both',
    covers: [
      'INSPECT_SNAPSHOT/EINVAL/sections',
      'INSPECT_SNAPSHOT/EINVAL/page',
      'INSPECT_SNAPSHOT/ENXIO/device',
      'INSPECT_SNAPSHOT/ESRCH/pid',
    ],
  },
  async (env) => {
    const watcher = await env.greeted();
    await watcher.fails('EINVAL', 'INSPECT_SNAPSHOT', { ...REQUEST, sections: 0x8000_0000 });
    await watcher.fails('EINVAL', 'INSPECT_SNAPSHOT', { ...REQUEST, page: 1 });
    for (const device of [1, 999, -2]) {
      await watcher.fails('ENXIO', 'INSPECT_SNAPSHOT', { ...REQUEST, device });
    }
    await watcher.fails('ESRCH', 'INSPECT_SNAPSHOT', { ...REQUEST, pid: 0xffff_ffff });
    // Nothing of that leaves anything behind, and nothing asked for is nothing told.
    const [empty] = await pages(watcher, { sections: 0, address: 0x1234 });
    assert.deepEqual(Object.keys(empty ?? {}).sort(), ['daemon', 'schema', 'timeNs']);
    await watcher.fails('EINVAL', 'INSPECT_SNAPSHOT', { ...REQUEST, page: 1 });
  },
);

inspection.add('own@ring', { policy: 'both' }, async (env) => {
  const client = await env.open();
  const { seq, release } = await client.blocked({ queue: 2 });
  const watcher = await env.watcher();
  const entry = await env.until('the job stands at its fence', async () => {
    const { snapshot } = await watcher.call('INSPECT_RING', { device: 0, queue: 2, asid: 0, from: 0, to: 0 });
    const found = snapshot.entries.find((one) => one.seq === seq);
    return found?.packets.some(({ current }) => current) === true ? found : undefined;
  });
  assert.equal(entry.state, 'running');
  assert.equal(entry.unread, null);
  assert.equal(entry.packets.find(({ current }) => current)?.name, 'FENCE');
  await release();
  await client.completed(seq);
});

inspection.add(
  'own@ring-bounds',
  {
    policy: 'shared',
    covers: [
      'INSPECT_RING/ENXIO/device',
      'INSPECT_RING/EINVAL/queue',
      'INSPECT_RING/EINVAL/several',
      'INSPECT_RING/EINVAL/range',
      'INSPECT_RING/ENOENT/asid',
    ],
  },
  async (env) => {
    const watcher = await env.watcher();
    const ring = { device: 0, queue: 2, asid: 0, from: 0, to: 0 };
    for (const device of [1, -1]) {
      await watcher.fails('ENXIO', 'INSPECT_RING', { ...ring, device });
    }
    for (const queue of [8, 113, 0xffff_ffff]) {
      await watcher.fails('EINVAL', 'INSPECT_RING', { ...ring, queue });
    }
    for (const [from, to] of [
      [4, 4],
      [5, 4],
      [0, 4097],
    ] as const) {
      await watcher.fails('EINVAL', 'INSPECT_RING', { ...ring, from, to });
    }
    await watcher.fails('ENOENT', 'INSPECT_RING', ring);
    const users = [await env.open(), await env.open()];
    for (const user of users) {
      const { seq, release } = await user.blocked({ queue: 2 });
      await release();
      await user.completed(seq);
    }
    await watcher.fails('EINVAL', 'INSPECT_RING', ring);
    await watcher.fails('ENOENT', 'INSPECT_RING', { ...ring, asid: 1000 });
    for (const { asid } of users) {
      const { snapshot } = await watcher.call('INSPECT_RING', { ...ring, asid, from: 0, to: 2 });
      assert.deepEqual([snapshot.asid, snapshot.entries.length], [asid, 2]);
    }
  },
);
