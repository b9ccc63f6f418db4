/**
 * Packets that reach for what was not given. Under the shared policy the submission fails with the address, under the exclusive
 * one it completes and is counted; the memory and the sync objects of others are as they were either way.
 */
import { Prng } from '@pedrera/base';
import {
  CFG_BASE,
  CFG_SIZE,
  DRAM_USER_BASE,
  fenceRdataAddress,
  msiAddress,
  qmBase,
  SRAM_BASE,
  SRAM_USER_BASE,
  sobAddress,
} from '@pedrera/hw';
import {
  type CommandBuffer,
  Dcore,
  type Device,
  type HlError,
  openDevice,
  Queue,
  type Submission,
  type SyncLease,
} from '@pedrera/thunk';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Mirror } from './programs/mirror.js';
import { fileDaemon } from './support/file-daemon.js';
import { refusal } from './support/refusal.js';

const MIB = 2 ** 20;

/** Writes packets that reach for something; `victim` is another client of the same device. */
type Reach = (cb: CommandBuffer, scene: Scene) => void;

interface Scene {
  readonly device: Device;
  /** Own memory, 2 MiB. */
  readonly own: number;
  /** Memory of the victim at an address where this client has nothing. */
  readonly foreignMemory: number;
  readonly foreignLease: SyncLease;
  readonly foreignSram: number;
  readonly ownLease: SyncLease;
}

const OWN_SIZE = 2 * MIB;
const UNMAPPED_HOST = 0x1_4000_0000_0000;
const UNMAPPED_DRAM = 0x3_0000_0000_0000;
const RAW_POINTER = 0x7f12_3456_7000;

describe('shared policy', () => {
  const daemon = fileDaemon({ beforeAll, afterEach, afterAll }, { devices: 1 });
  let victim: Device;
  let victimMirror: Mirror;
  let victimSync: SyncLease;
  let device: Device;
  let scene: Scene;

  beforeEach(async () => {
    const options = { socketPath: daemon().socketPath };
    [victim, device] = await Promise.all([openDevice(0, options), openDevice(0, options)]);
    const own = await device.allocHbm(OWN_SIZE);
    // Address spaces are alike: the victim's memory lies where this client has mapped nothing.
    await victim.allocHbm(OWN_SIZE);
    victimMirror = await Mirror.make(victim, MIB);
    await victimMirror.fill(1);
    victimSync = await victim.leaseSync({ dcore: Dcore.E_N, syncObjects: 8, monitors: 4 });
    const [foreignSram, ownLease] = await Promise.all([
      victim.leaseSram(4096),
      device.leaseSync({ dcore: Dcore.W_S, syncObjects: 8, monitors: 2 }),
    ]);
    expect(victimMirror.memory.address).toBeGreaterThanOrEqual(own.address + OWN_SIZE);
    scene = {
      device,
      own: own.address,
      foreignMemory: victimMirror.memory.address,
      foreignLease: victimSync,
      foreignSram: foreignSram.address,
      ownLease,
    };
  });

  // Whatever the other one reached for, the victim's memory and sync objects are as they were, and its streams run.
  afterEach(async () => {
    await victimMirror.check(1);
    await expectUntouched(victim, victimSync);
    await victimMirror.roundTrip(2);
    await Promise.all([victim.close(), device.close()]);
  });

  const hex = (address: number) => `0x${address.toString(16)}`;

  async function faulting(write: Reach, queue = Queue.DMA_0_0): Promise<string> {
    await using cb = await device.createCommandBuffer();
    write(cb, scene);
    const accepted = await device.submit({ queue, cb });
    return await refusal(accepted.wait());
  }

  it.each<[string, Reach, (scene: Scene) => string]>([
    [
      'from-unmapped-host-addresses',
      (cb, { own }) => cb.linDma({ from: UNMAPPED_HOST, to: own, size: 64 }),
      () => `page-fault at ${hex(UNMAPPED_HOST)}, LIN_DMA`,
    ],
    [
      'to-unmapped-host-addresses',
      (cb, { own }) => cb.linDma({ from: own, to: UNMAPPED_HOST, size: 64 }),
      () => `page-fault at ${hex(UNMAPPED_HOST)}, LIN_DMA`,
    ],
    [
      'to-unmapped-device-addresses',
      (cb, { own }) => cb.linDma({ from: own, to: UNMAPPED_DRAM, size: 64 }),
      () => `page-fault at ${hex(UNMAPPED_DRAM)}, LIN_DMA`,
    ],
    [
      'from-a-raw-pointer',
      (cb, { own }) => cb.linDma({ from: RAW_POINTER, to: own, size: 64 }),
      () => `page-fault at ${hex(RAW_POINTER)}, LIN_DMA`,
    ],
    [
      'from-physical-memory',
      (cb, { own }) => cb.linDma({ from: DRAM_USER_BASE, to: own, size: 64 }),
      () => `razwi at ${hex(DRAM_USER_BASE)}, LIN_DMA`,
    ],
    [
      'to-physical-memory',
      (cb, { own }) => cb.linDma({ from: own, to: DRAM_USER_BASE, size: OWN_SIZE }),
      () => `razwi at ${hex(DRAM_USER_BASE)}, LIN_DMA`,
    ],
    [
      'to-memory-of-the-driver',
      (cb, { own }) => cb.linDma({ from: own, to: 0, size: 64 }),
      () => 'razwi at 0x0, LIN_DMA',
    ],
    [
      'to-memory-of-another-client',
      (cb, { own, foreignMemory }) => cb.linDma({ from: own, to: foreignMemory, size: 64 }),
      ({ foreignMemory }) => `page-fault at ${hex(foreignMemory)}, LIN_DMA`,
    ],
    [
      'from-memory-of-another-client',
      (cb, { own, foreignMemory }) => cb.linDma({ from: foreignMemory, to: own, size: 64 }),
      ({ foreignMemory }) => `page-fault at ${hex(foreignMemory)}, LIN_DMA`,
    ],
    [
      'beyond-the-end-of-its-own',
      (cb, { own }) => cb.memset({ to: own + OWN_SIZE - 64, size: 128, pattern: 1 }),
      ({ own }) => `page-fault at ${hex(own + OWN_SIZE)}, LIN_DMA`,
    ],
    [
      'to-the-end-of-all-addresses',
      (cb) => cb.memset({ to: 2 ** 53 - 4096, size: 8192, pattern: 1 }),
      () => 'page-fault at 0x',
    ],
    [
      'sram-not-leased',
      (cb) => cb.memset({ to: SRAM_USER_BASE, size: 128, pattern: 1 }),
      () => `razwi at ${hex(SRAM_USER_BASE)}, LIN_DMA`,
    ],
    [
      'sram-of-the-driver',
      (cb) => cb.memset({ to: SRAM_BASE, size: 128, pattern: 1 }),
      () => `razwi at ${hex(SRAM_BASE)}, LIN_DMA`,
    ],
    [
      'sram-of-another-client',
      (cb, { foreignSram }) => cb.memset({ to: foreignSram, size: 128, pattern: 1 }),
      ({ foreignSram }) => `razwi at ${hex(foreignSram)}, LIN_DMA`,
    ],
    [
      'dma-to-registers',
      (cb) => cb.memset({ to: CFG_BASE, size: 64, pattern: 1 }),
      () => `razwi at ${hex(CFG_BASE)}, LIN_DMA`,
    ],
    [
      'sync-object-of-another-client',
      (cb, { foreignLease }) => cb.msgLong({ address: foreignLease.object(0).address, value: 5 }),
      ({ foreignLease }) => `razwi at ${hex(foreignLease.object(0).address)}, MSG_LONG`,
    ],
    [
      'sync-object-of-nobody',
      (cb) => cb.msgLong({ address: sobAddress(Dcore.E_S, 2047), value: 5 }),
      () => `razwi at ${hex(sobAddress(Dcore.E_S, 2047))}, MSG_LONG`,
    ],
    [
      'sync-object-of-the-driver',
      (cb) => cb.msgLong({ address: sobAddress(Dcore.W_S, 0), value: 5 }),
      () => `razwi at ${hex(sobAddress(Dcore.W_S, 0))}, MSG_LONG`,
    ],
    [
      'msi-register',
      (cb) => cb.msgLong({ address: msiAddress(0), value: 1 }),
      () => `razwi at ${hex(msiAddress(0))}, MSG_LONG`,
    ],
    [
      'queue-manager-register',
      (cb) => cb.msgLong({ address: CFG_BASE + qmBase('DMA0') + 0xa0, value: 7 }),
      () => ` at ${hex(CFG_BASE + qmBase('DMA0') + 0xa0)}, MSG_LONG`,
    ],
    [
      'message-to-unmapped-memory',
      (cb) => cb.msgLong({ address: UNMAPPED_HOST + 4, value: 1 }),
      () => `page-fault at ${hex(UNMAPPED_HOST + 4)}, MSG_LONG`,
    ],
    [
      'message-not-aligned',
      (cb, { own }) => cb.msgLong({ address: own + 2, value: 1 }),
      ({ own }) => `misaligned at ${hex(own + 2)}, MSG_LONG`,
    ],
    [
      'predicates-from-nowhere',
      (cb) => cb.packet('LOAD_AND_EXE', { src: UNMAPPED_DRAM, load: 1 }),
      () => `page-fault at ${hex(UNMAPPED_DRAM)}, LOAD_AND_EXE`,
    ],
  ])('%s', async (_, write, sentence) => {
    const outcome = await faulting(write);
    expect(outcome).toMatch(/^EIO: submission \d+: /);
    expect(outcome).toContain(sentence(scene));
    expect(outcome).toContain('on DMA_0_0');
    // The stream goes on, and so does its client.
    await using cb = await device.createCommandBuffer();
    cb.memset({ to: scene.own, size: OWN_SIZE, pattern: 0 });
    await (await device.submit({ queue: Queue.DMA_0_0, cb })).wait();
    expect(await faults()).toBeGreaterThanOrEqual(1);
  });

  async function faults(): Promise<number> {
    const { clients } = await daemon().client.inspectClients();
    return clients.find(({ asid }) => asid === device.asid)?.faults ?? 0;
  }

  it('monitor-of-another-client', async () => {
    const foreign = victimSync.monitor(0);
    const outcome = await faulting((cb, { own }) => {
      // The library refuses to name it; the packets do not.
      const payload = { address: own, value: 1 };
      const monitor = { ...foreign, session: scene.ownLease.session };
      const syncObject = { ...victimSync.object(0), session: scene.ownLease.session };
      cb.armMonitor({ syncObject, monitor, value: 0, payload });
    });
    expect(outcome).toMatch(/^EIO: .*razwi at 0x7ffc4f[0-9a-f]+, MSG_SHORT on DMA_0_0/);
  });

  it('monitor-that-watches-another-client', async () => {
    const lease = await device.leaseSync({ dcore: Dcore.E_N, syncObjects: 8, monitors: 1 });
    const outcome = await faulting((cb, { own }) => {
      const syncObject = { ...victimSync.object(0), session: lease.session };
      cb.armMonitor({ syncObject, monitor: lease.monitor(0), value: 1, payload: { address: own, value: 1 } });
    });
    expect(outcome).toMatch(/^EIO: .*razwi at 0x7ffc4f[0-9a-f]+, MSG_SHORT on DMA_0_0/);
    const { devices } = await daemon().client.inspectQueues(0);
    expect(devices[0]?.queues.flatMap(({ blockedOn }) => blockedOn ?? [])).toEqual([]);
  });

  it('monitor-payload-to-what-was-not-given', async () => {
    const { ownLease: lease } = scene;
    for (const address of [UNMAPPED_HOST, DRAM_USER_BASE, victimSync.object(1).address, msiAddress(0)]) {
      const before = await faults();
      await using cb = await device.createCommandBuffer();
      const condition = { syncObject: lease.object(0), monitor: lease.monitor(0), value: 0 };
      cb.armMonitor({ ...condition, payload: { address, value: 1 } });
      // No packet of its own fails: the payload is written by the monitor. It is dropped, and counted.
      await (await device.submit({ queue: Queue.DMA_0_0, cb })).wait();
      expect(await faults()).toBe(before + 1);
    }
  });

  it('fence-of-a-stream-not-yet-used-counts-for-its-first-packet', async () => {
    await using cb = await device.createCommandBuffer();
    cb.msgLong({ address: fenceRdataAddress(Queue.DMA_1_3, 0), value: 1 });
    await (await device.submit({ queue: Queue.DMA_0_0, cb })).wait();
    cb.reset().fence({ target: 1 });
    await (await device.submit({ queue: Queue.DMA_1_3, cb })).wait();
    expect(await faults()).toBe(0);
  });

  it('fence-of-another-client-on-the-same-stream', async () => {
    await using wait = await victim.createCommandBuffer();
    const blocked = await victim.submit({ queue: Queue.DMA_1_3, cb: wait.fence({ target: 1 }) });
    await using cb = await device.createCommandBuffer();
    cb.nop();
    await (await device.submit({ queue: Queue.DMA_1_3, cb })).wait();
    // The register means the stream of whoever writes it.
    cb.reset().msgLong({ address: fenceRdataAddress(Queue.DMA_1_3, 0), value: 1 });
    await (await device.submit({ queue: Queue.DMA_0_0, cb })).wait();
    expect(await blocked.poll()).toBe(false);
    await using release = await victim.createCommandBuffer();
    release.msgLong({ address: fenceRdataAddress(Queue.DMA_1_3, 0), value: 1 });
    await victim.submit({ queue: Queue.DMA_0_0, cb: release });
    await blocked.wait();
  });

  it('messages-to-random-registers', async () => {
    const prng = new Prng(3);
    const allowed = new Set(Array.from({ length: 8 }, (_, i) => scene.ownLease.object(i).address));
    for (let i = 0; i < 300; i++) {
      const address = CFG_BASE + 4 * prng.below(CFG_SIZE / 4);
      const outcome = allowed.has(address)
        ? 'EIO'
        : await faulting((cb) => cb.msgLong({ address, value: prng.nextU32() }));
      expect(outcome, hex(address)).toMatch(/^EIO/);
    }
  });

  it('windows-of-the-engine', async () => {
    for (const regOffset of [0x8000, 0x80a0, 0xffff, 0x0fff]) {
      expect(await faulting((cb) => cb.packet('WREG_32', { value: 1, regOffset }))).toMatch(
        /^EIO: .*WREG_32 on DMA_0_0/,
      );
    }
  });

  it('a-thousand-faults-cost-one-report', async () => {
    const outcome = await faulting((cb) => {
      for (let i = 0; i < 100; i++) {
        cb.msgLong({ address: UNMAPPED_HOST + 4 * i, value: 1 });
      }
    });
    // The first of them is the one that is told.
    expect(outcome).toContain(`page-fault at ${hex(UNMAPPED_HOST)}, MSG_LONG`);
    const floods = Array.from({ length: 50 }, () => faulting((cb) => cb.msgLong({ address: UNMAPPED_HOST, value: 1 })));
    expect(new Set((await Promise.all(floods)).map((text) => text.slice(0, 3)))).toEqual(new Set(['EIO']));
  });

  it('only-the-faulting-submission-fails', async () => {
    await using bad = await device.createCommandBuffer();
    await using good = await device.createCommandBuffer();
    bad.msgLong({ address: UNMAPPED_HOST, value: 1 });
    good.memset({ to: scene.own, size: 4096, pattern: 7 });
    const submitted = await device.submitBatch([
      { queue: Queue.DMA_0_0, cb: good },
      { queue: Queue.DMA_0_0, cb: bad },
      { queue: Queue.DMA_0_0, cb: good },
    ]);
    const outcomes = await Promise.allSettled(submitted.map((one) => one.wait()));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });

  it('all-jobs-of-a-submission-share-its-fate', async () => {
    await using bad = await device.createCommandBuffer();
    await using good = await device.createCommandBuffer();
    bad.msgLong({ address: UNMAPPED_HOST, value: 1 });
    const both = await device.submit({
      jobs: [
        { queue: Queue.DMA_0_0, cb: good.nop() },
        { queue: Queue.DMA_1_1, cb: bad },
      ],
    });
    expect(await refusal(both.wait())).toMatch(/^EIO: .*MSG_LONG on DMA_1_1/);
    // Every wait is told the same, and a later one too.
    expect(await refusal(both.wait())).toMatch(/^EIO/);
    expect(both.peek()).toBe(false);
  });
});

/** Its objects still have the value 0, and its monitors can still be armed. */
async function expectUntouched(client: Device, lease: SyncLease): Promise<void> {
  await using cb = await client.createCommandBuffer();
  for (let i = 0; i < 4; i++) {
    const condition = { syncObject: lease.object(i), monitor: lease.monitor(i), value: 0, mode: '==' } as const;
    cb.waitFor({ ...condition, queue: Queue.DMA_1_2 });
  }
  await (await client.submit({ queue: Queue.DMA_1_2, cb })).wait();
}

describe('time-out', () => {
  const daemon = fileDaemon({ beforeAll, afterEach, afterAll }, { devices: 1 });
  let other: Device;
  let mirror: Mirror;
  let device: Device;

  beforeEach(async () => {
    const options = { socketPath: daemon().socketPath };
    [other, device] = await Promise.all([openDevice(0, options), openDevice(0, options)]);
    mirror = await Mirror.make(other, MIB);
  });

  afterEach(async () => {
    await mirror.roundTrip(1);
    await Promise.all([other.close(), device.close()]);
  });

  /** Work that waits for ever, with a time-out of 0 seconds, which fires at once (uapi.md 4.7); and work behind it. */
  async function stuck(): Promise<[Submission, Submission]> {
    await using fence = await device.createCommandBuffer();
    await using nop = await device.createCommandBuffer();
    const submitted = await device.submitBatch([
      { queue: Queue.DMA_0_0, cb: fence.fence({ target: 1 }), timeoutSec: 0 },
      { queue: Queue.DMA_0_0, cb: nop.nop() },
    ]);
    return submitted as [Submission, Submission];
  }

  it('first-is-timed-out-and-the-rest-aborted', async () => {
    const [first, second] = await stuck();
    expect(await refusal(first.wait())).toMatch(/^ETIMEDOUT: submission 1: submission 1 did not finish within 0 s/);
    expect(await refusal(second.wait())).toMatch(/^EIO: submission 2: submission 1 did not finish within 0 s/);
  });

  it('the-context-can-do-nothing-more', async () => {
    const [hbm, host] = await Promise.all([device.allocHbm(MIB), device.allocHost(MIB)]);
    await device.leaseSync({ dcore: Dcore.E_N, syncObjects: 8, monitors: 1 });
    const shared = await device.exportDmaBuf(hbm);
    const imported = await other.importDmaBuf(shared);
    const cb = await device.createCommandBuffer();
    const [first] = await stuck();
    await expect(first.wait()).rejects.toMatchObject({ code: 'ETIMEDOUT' });

    const over = /^EIO: this context can do nothing more: submission 1 did not finish within 0 s/;
    const calls = [
      device.submit({ queue: Queue.DMA_0_1, cb: cb.nop() }),
      device.ioctl('MEMORY_UNMAP', { deviceVirtAddr: hbm.address }),
      device.ioctl('MEMORY_UNMAP', { deviceVirtAddr: host.deviceAddress }),
      device.allocHbm(MIB),
      device.allocHost(MIB),
      device.leaseSync({ dcore: Dcore.W_N, syncObjects: 8 }),
      device.leaseSram(4096),
      device.ioctl('SYNC_EXPORT', { dcore: Dcore.E_N, firstSyncObject: 0, count: 1 }),
      device.exportDmaBuf(hbm),
      device.importDmaBuf(shared),
    ];
    for (const outcome of await Promise.all(calls.map(refusal))) {
      expect(outcome).toMatch(over);
    }
    // What it exported lives on for those who have it.
    await using host2 = await other.allocHost(MIB);
    await using copy = await other.createCommandBuffer();
    await (await other.submit({ queue: Queue.DMA_1_0, cb: copy.linDma({ from: imported, to: host2 }) })).wait();
    await imported.close();
  });

  it('calls-on-their-way-while-it-happens', async () => {
    for (let i = 0; i < 20; i++) {
      await using doomed = await openDevice(0, { socketPath: daemon().socketPath });
      const host = await doomed.allocHost(MIB);
      await using fence = await doomed.createCommandBuffer();
      const fatal = doomed.submit({ queue: Queue.DMA_0_0, cb: fence.fence({ target: 1 }), timeoutSec: 0 });
      const mapping = { hostVirtAddr: host.address, hintAddr: 0, size: 4096, flags: 4 };
      const outcomes = await Promise.all(
        Array.from({ length: 40 }, async () => {
          try {
            const { deviceVirtAddr } = await doomed.ioctl('MEMORY_MAP_HOST', mapping);
            await doomed.ioctl('MEMORY_UNMAP', { deviceVirtAddr });
            return 'ok';
          } catch (error) {
            return (error as HlError).code;
          }
        }),
      );
      expect(outcomes.filter((outcome) => outcome !== 'ok' && outcome !== 'EIO')).toEqual([]);
      await expect((await fatal).wait()).rejects.toMatchObject({ code: 'ETIMEDOUT' });
    }
  });
});

describe('exclusive policy', () => {
  const daemon = fileDaemon({ beforeAll, afterEach, afterAll }, { devices: 1, policy: 'exclusive' });

  it.each<[string, (cb: CommandBuffer) => void]>([
    ['from-unmapped-host-addresses', (cb) => cb.linDma({ from: UNMAPPED_HOST, to: DRAM_USER_BASE, size: 64 })],
    ['from-a-raw-pointer', (cb) => cb.linDma({ from: RAW_POINTER, to: DRAM_USER_BASE, size: 64 })],
    ['to-memory-of-the-driver', (cb) => cb.memset({ to: 0, size: 64, pattern: 1 })],
    ['sram-of-the-driver', (cb) => cb.memset({ to: SRAM_BASE, size: 64, pattern: 1 })],
    ['msi-register', (cb) => cb.msgLong({ address: msiAddress(0), value: 1 })],
    ['message-to-unmapped-memory', (cb) => cb.msgLong({ address: UNMAPPED_DRAM, value: 1 })],
  ])('completes-and-counts-%s', async (_, write) => {
    await using device = await openDevice(0, { socketPath: daemon().socketPath });
    await using cb = await device.createCommandBuffer();
    write(cb);
    await (await device.submit({ queue: Queue.DMA_0_0, cb })).wait();
    const { clients } = await daemon().client.inspectClients();
    expect(clients.map(({ faults }) => faults)).toEqual([1]);
  });

  it('everything-else-is-bare', async () => {
    await using device = await openDevice(0, { socketPath: daemon().socketPath });
    await using host = await device.allocHost(4096);
    await using cb = await device.createCommandBuffer();
    cb.memset({ to: DRAM_USER_BASE, size: 4096, pattern: 0x5a5a_5a5a })
      .linDma({ from: DRAM_USER_BASE, to: SRAM_USER_BASE + 0x80, size: 4096, barriers: { eb: true, rb: true } })
      .linDma({ from: SRAM_USER_BASE + 0x80, to: host, size: 4096, barriers: { eb: true, rb: true } })
      .setSyncObject(device.syncObject(Dcore.E_N, 5), 3)
      .waitFor({
        syncObject: device.syncObject(Dcore.E_N, 5),
        monitor: device.monitor(Dcore.E_N, 9),
        value: 3,
        queue: Queue.DMA_0_0,
      });
    await (await device.submit({ queue: Queue.DMA_0_0, cb })).wait();
    expect(host.bytes.every((byte) => byte === 0x5a)).toBe(true);
    expect((await daemon().client.inspectClients()).clients[0]?.faults).toBe(0);
  });
});
