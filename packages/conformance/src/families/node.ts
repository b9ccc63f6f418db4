/** Nodes: open, close, what each node allows (uapi.md 1). */
import assert from 'node:assert/strict';
import { type IoctlName, MAX_JOINED, NR, PROTOCOL_VERSION, type Req, SIDE_TOKEN_BYTES } from '@pedrera/uapi';
import { BLOCK_SIZE, block } from '../framework/block.js';
import { cs } from '../framework/client.js';
import { TestList } from '../framework/conformance-test.js';
import { packets } from '../framework/packets.js';

export const node = new TestList();

node.add(
  'node@open-unbound',
  {
    notInC: 'nothing makes a node in /dev for a device that is not there',
    policy: 'both',
    covers: ['OPEN/ENXIO/node'],
  },
  async (env) => {
    for (const name of ['hl1', 'hl_controlD1', 'hl127', 'hl_controlD127']) {
      await env.openFails('ENXIO', name);
    }
  },
);

node.add('node@open-no-such-name', { policy: 'both', covers: ['OPEN/ENOENT/name'] }, async (env) => {
  // In /dev both are directories.
  const directories = env.mode === 'shim' ? [] : ['', 'accel'];
  for (const name of [...directories, 'hl', 'hl00', 'hl-1', 'hl_controlD', 'HL0', 'hl0 ', '../hl0']) {
    const client = await env.greeted();
    await client.fails('ENOENT', 'OPEN', { node: name });
  }
});

node.add('node@open-twice-on-one-connection', { policy: 'both', covers: ['OPEN/EINVAL/twice'] }, async (env) => {
  const client = await env.open();
  await client.fails('EINVAL', 'OPEN', { node: 'hl0' });
  const control = await env.control();
  await control.fails('EINVAL', 'OPEN', { node: 'hl_controlD0' });
});

node.add(
  'node@open-again-after-refusal',
  { notInC: 'nothing makes a node in /dev for a device that is not there', policy: 'both' },
  async (env) => {
    const client = await env.greeted();
    assert.equal((await client.attempt('OPEN', { node: 'hl9' })).errno, 'ENXIO');
    assert.equal((await client.call('OPEN', { node: 'hl0' })).device, 0);
  },
);

node.add('node@exclusive-open', { covers: ['OPEN/EBUSY/active'] }, async (env) => {
  const first = await env.open();
  assert.equal(first.asid, 1);
  await env.openFails('EBUSY');
  const { openCounter, isComputeCtxActive } = await first.call('INFO_OPEN_STATS', {});
  assert.equal(isComputeCtxActive, true);
  await env.openFails('EBUSY');
  assert.equal((await first.call('INFO_OPEN_STATS', {})).openCounter, openCounter, 'a refused open is not counted');
  await first.close();
  const second = await env.opened();
  assert.equal(second.asid, 1);
});

node.add('node@shared-opens-are-many', { policy: 'shared' }, async (env) => {
  const clients = [await env.open(), await env.open(), await env.open()];
  assert.equal(new Set(clients.map(({ asid }) => asid)).size, 3);
  for (const client of clients) {
    assert.equal(await client.run(packets().nop()), 1, 'each context counts its own submissions');
  }
});

node.add(
  'node@shared-asids-run-out',
  { policy: 'shared', covers: ['OPEN/ENOMEM/asid'], modes: ['in-process'] },
  async (env) => {
    for (let asid = 1; asid <= 1023; asid++) {
      await env.open();
    }
    await env.openFails('ENOMEM');
  },
);

node.add('node@reopen-at-once', { policy: 'both' }, async (env) => {
  for (let round = 0; round < 5; round++) {
    const client = await env.open();
    assert.equal(await client.run(packets().nop()), 1, 'a new context starts from scratch');
    await client.close();
    // close() of an idle device is done when it returns (1.7); the connection's end has to arrive first.
    await env.until('the file is released', async () => {
      const { clients } = (await (await env.watcher()).call('INSPECT_CLIENTS', {})).snapshot;
      return clients.length === 0 ? true : undefined;
    });
  }
});

node.add('node@control-opens-are-many', { policy: 'both' }, async (env) => {
  const primary = await env.open();
  const controls = [await env.control(), await env.control(), await env.control()];
  for (const control of controls) {
    assert.equal(control.asid, 0);
    const { openCounter, isComputeCtxActive } = await control.call('INFO_OPEN_STATS', {});
    assert.equal(isComputeCtxActive, true);
    assert.equal(openCounter, (await primary.call('INFO_OPEN_STATS', {})).openCounter);
  }
});

node.add('node@control-refuses-all-but-info', { policy: 'both', covers: ['MMAP/ENODEV/control'] }, async (env) => {
  const control = await env.control();
  const refused: [IoctlName, object][] = [
    ['CB_CREATE', { size: 4096, flags: 0 }],
    ['CS', cs([])],
    ['WAIT_CS', { seq: 0, timeoutUs: 0n, flags: 0 }],
    ['MEMORY_ALLOC', { size: 4096, pageSize: 0, flags: 0 }],
    ['MEMORY_UNMAP', { deviceVirtAddr: 0 }],
    ['MMAP', { offset: 0x1000_0000_0000_1000n }],
  ];
  for (const [name, req] of refused) {
    await control.fails(name === 'MMAP' ? 'ENODEV' : 'ENOTTY', name, req as Req<typeof name>, { seq: 'unchecked' });
  }
});

node.add('node@control-raw-numbers', {}, async (env) => {
  const control = await env.control();
  const sizes = [24, 24, 24, 48, 56, 40, 40, 24];
  for (const nr of [0, 2, 3, 4, 5, 6, 7, 255]) {
    const request = block(sizes[nr] ?? 24).fill(0).bytes;
    assert.equal((await control.raw(nr, request)).errno, 'ENOTTY', `ioctl ${nr}`);
  }
});

node.add('node@primary-raw-numbers', {}, async (env) => {
  const client = await env.open();
  for (const nr of [0, 7, 8, 127]) {
    assert.equal((await client.raw(nr, block(24).bytes)).errno, 'ENOTTY', `ioctl ${nr}`);
  }
});

node.add('node@unopened-connection', { policy: 'both' }, async (env) => {
  const client = await env.greeted();
  for (const name of ['INFO_DEVICE_STATUS', 'INFO_OPEN_STATS'] as const) {
    await client.fails('ENOTTY', name, {});
  }
  assert.equal((await client.raw(NR.INFO, block(BLOCK_SIZE.INFO).bytes)).errno, 'ENOTTY');
});

node.add('node@hello-twice', { policy: 'both', covers: ['HELLO/EINVAL/twice'] }, async (env) => {
  const client = await env.greeted();
  const { errno } = await client.attempt('HELLO', { version: PROTOCOL_VERSION, program: 'again' });
  assert.equal(errno, 'EINVAL');
});

node.add('node@hello-other-version', { policy: 'both', covers: ['HELLO/EPROTONOSUPPORT/version'] }, async (env) => {
  const link = await env.transport.connect();
  const [, errno] = await env.finish(link.exchange([1, 0x80 * 4096, [PROTOCOL_VERSION + 1, 'tomorrow']]));
  assert.equal(errno, 93);
  await env.until('the daemon hangs up', async () => link.closed || undefined);
  await link.close();
});

node.add('node@side-channel-wrong-token', { policy: 'both', covers: ['SIDE_CHANNEL/EPERM/token'] }, async (env) => {
  const link = await env.transport.connect();
  await assert.rejects(link.attachSide(new Uint8Array(16)), /SIDE_CHANNEL/);
  await link.close();
});

node.add('node@side-channel-twice', { policy: 'both', covers: ['SIDE_CHANNEL/EINVAL/twice'] }, async (env) => {
  const client = await env.greeted();
  const { sideToken } = await client.call('OPEN', { node: 'hl0' });
  await client.link.attachSide(sideToken);
  const other = await env.transport.connect();
  const [, errno] = await env.finish(other.exchange([1, (0x80 * 256 + 2) * 16, [sideToken]]));
  assert.equal(errno, 22);
  await other.close();
});

node.add('node@side-channel-not-first', { policy: 'both', covers: ['SIDE_CHANNEL/EINVAL/not-first'] }, async (env) => {
  const client = await env.greeted();
  assert.equal((await client.attempt('SIDE_CHANNEL', { token: new Uint8Array(16) })).errno, 'EINVAL');
});

node.add('node@join-without-a-node', { policy: 'both', covers: ['JOIN/ENOTTY/no-node'] }, async (env) => {
  const client = await env.greeted();
  await client.fails('ENOTTY', 'JOIN', {});
});

node.add('node@interrupt-nothing', { policy: 'both', covers: ['CALL_INTERRUPT/ENOENT/request'] }, async (env) => {
  const client = await env.open();
  // The number of a request that has been answered, and one that never was.
  await client.fails('ENOENT', 'CALL_INTERRUPT', { request: 1 });
  await client.fails('ENOENT', 'CALL_INTERRUPT', { request: 2 ** 50 });
});

node.add('node@join', { policy: 'both', covers: ['JOIN/EMFILE/processes'] }, async (env) => {
  const client = await env.open();
  const joined = await client.call('JOIN', {});
  assert.deepEqual([joined.node, joined.process, joined.sideToken.length], ['hl0', 1, SIDE_TOKEN_BYTES]);
  const link = await env.transport.connect();
  await link.attachSide(joined.sideToken);
  for (let process = 2; process <= MAX_JOINED; process++) {
    assert.equal((await client.call('JOIN', {})).process, process);
  }
  await client.fails('EMFILE', 'JOIN', {});
  // A number is free again when the process's side connection has ended, and the token opens nothing any more.
  await link.close();
  await env.until('the number is free', async () => {
    const { errno, res } = await client.attempt('JOIN', {});
    return errno === '' && res?.process === 1 ? true : undefined;
  });
  const late = await env.transport.connect();
  await assert.rejects(late.attachSide(joined.sideToken), /SIDE_CHANNEL/);
  await late.close();
});

node.add(
  'node@mmap-without-side-channel',
  {
    notInC: 'the library connects the side channel by itself',
    policy: 'both',
    covers: ['MMAP/ENOTCONN/no-side-channel'],
  },
  async (env) => {
    const client = await env.greeted();
    await client.call('OPEN', { node: 'hl0' });
    const { handle } = await client.call('CB_CREATE', { size: 4096, flags: 0 });
    await client.fails('ENOTCONN', 'MMAP', { offset: handle });
    await client.call('CB_DESTROY', { handle });
  },
);

node.add('node@open-stats', { policy: 'both', fresh: true }, async (env) => {
  const control = await env.control();
  const stats = () => control.call('INFO_OPEN_STATS', {});
  const initial = { openCounter: 0, lastOpenPeriodMs: 0, isComputeCtxActive: false, computeCtxInRelease: false };
  assert.deepEqual(await stats(), initial);
  const client = await env.open();
  assert.deepEqual(await stats(), { ...initial, openCounter: 1, isComputeCtxActive: true });
  await env.passMs(50);
  await client.close();
  const closed = await env.until('the context ends', async () => {
    const now = await stats();
    return now.isComputeCtxActive ? undefined : now;
  });
  assert.equal(closed.openCounter, 1);
  assert(closed.lastOpenPeriodMs >= 49, `the session lasted ${closed.lastOpenPeriodMs} ms`);
});

node.add('node@close-with-work-holds-device', { covers: ['OPEN/EAGAIN/in-release'] }, async (env) => {
  const control = await env.control();
  const client = await env.open();
  // Blocked for ever; only its time-out, which resets the device, ends it (1.7).
  await client.submit(packets().fence(1), { flags: 0x200, timeoutSec: 2 });
  const { hardResetCnt } = await control.call('INFO_RESET_COUNT', {});
  await client.close();
  await env.until('the file is in release', async () => {
    const { isComputeCtxActive, computeCtxInRelease } = await control.call('INFO_OPEN_STATS', {});
    return isComputeCtxActive && computeCtxInRelease ? true : undefined;
  });
  await env.openFails('EAGAIN');
  await env.recovered(control, hardResetCnt + 1);
  await env.opened();
});

node.add('node@close-with-work-that-ends', {}, async (env) => {
  const client = await env.open();
  const memory = await client.hostMemory(4096);
  for (let i = 0; i < 32; i++) {
    await client.submit(packets().copy(0x2000_0000, memory.deviceAddress, 4096).nop(16), { queue: 4 });
  }
  await client.close();
  const next = await env.opened();
  assert.equal(await next.run(packets().nop()), 1);
});

node.add('node@close-cancels-shared', { policy: 'shared' }, async (env) => {
  const stuck = await env.open();
  await stuck.submit(packets().fence(1));
  const other = await env.open();
  const { hardResetCnt } = await other.call('INFO_RESET_COUNT', {});
  await stuck.close();
  await other.run(packets().nop());
  assert.equal((await other.call('INFO_RESET_COUNT', {})).hardResetCnt, hardResetCnt);
});
