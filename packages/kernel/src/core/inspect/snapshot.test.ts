/** What a snapshot says of a machine at work: every section against what was done. */
import { HlError } from '@pedrera/base';
import {
  CFG_BASE,
  DCORE,
  encodeFence,
  encodeLinDma,
  encodeMsgLong,
  encodeMsgShort,
  encodeNop,
  fenceRdataAddress,
  monitorArm,
  monitorRegisters,
  SRAM_USER_BASE,
  sobAddress,
  sobValue,
} from '@pedrera/hw';
import { SNAPSHOT_SECTION, type Snapshot } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { HostBuffer } from '../command-buffer.js';
import { importDmaBuf } from '../dma-buf/context-import.js';
import { exportSyncObjects } from '../dma-buf/exporters.js';
import { SyncFile } from '../fence/sync-file.js';
import { mapHostMemory } from '../host-mapping.js';
import type { OpenFile } from '../open-file.js';
import { submissionFence } from '../submission-fence.js';
import { submitSynced } from '../synced-submit.js';
import { TestRig } from '../test-rig.js';
import { inspectRing } from './ring.js';
import { takeSnapshot } from './snapshot.js';
import { NO_BOOKS } from './testing.js';

type Sections = (keyof typeof SNAPSHOT_SECTION)[];

const DAEMON = {
  pid: 1,
  socket: '',
  policy: '',
  build: '',
  uptimeMs: 0,
  devices: 1,
  clients: 0,
  tracing: false,
  armedFaults: 0,
};

/** The external queues. */
const QUEUES_BLOCKED = [0, 1, 2, 3, 4, 5, 6, 7] as const;

interface Filter {
  device?: number;
  pid?: number;
  address?: number;
  about?: number;
}

async function look(rig: TestRig, sections: Sections, { device = -1, pid = 0, address = 0, about = 0 }: Filter = {}) {
  const bits = sections.reduce((all, name) => all | SNAPSHOT_SECTION[name], 0);
  const pages = await takeSnapshot(
    rig.machine,
    { sections: bits, device, pid, address, about },
    { books: NO_BOOKS, daemon: () => DAEMON },
  );
  // So little is one page.
  const { snapshot, next } = pages.page();
  expect(next).toBe(0);
  return snapshot as Required<Snapshot>;
}

function fence(words: Uint32Array): number {
  return encodeFence(words, 0, { id: 1, target: 1, dec: 1 });
}

/** Arms monitor `monitor` of the context's lease: once the sync object is 1 or more, it writes to an address. */
function arm(words: Uint32Array, at: number, sob: number, monitor: number, address: number, data: number): number {
  const registers = monitorRegisters(DCORE.E_N, monitor);
  const write = (from: number, register: number, value: number) =>
    encodeMsgLong(words, from, { value, address: register });
  let end = write(at, registers.addressLow, address % 2 ** 32);
  end = write(end, registers.addressHigh, Math.floor(address / 2 ** 32));
  end = write(end, registers.data, data);
  const condition = { group: sob >> 3, mask: 0xff & ~(1 << (sob & 7)), mode: 'ge' as const, value: 1 };
  return write(end, registers.arm, monitorArm(condition));
}

function lease(file: OpenFile) {
  return file.requireContext.leases.leaseSync(DCORE.E_N, { syncObjects: 8, monitors: 4 });
}

describe('PRODUCERS', () => {
  it('a packet that will arm a monitor is one of what the monitor will write', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    const { firstSob, firstMonitor } = lease(file);
    rig.submit(file, 0, (words) => encodeFence(words, 0, { id: 1, target: 1, dec: 1 }));
    // Another stream would arm it, once its own fence is released.
    const later = rig.submit(file, 1, (words) => {
      const end = encodeFence(words, 0, { id: 2, target: 1, dec: 1 });
      return arm(words, end, firstSob, firstMonitor, fenceRdataAddress(0, 1), 1);
    });
    rig.run();
    const { producers } = await look(rig, ['PRODUCERS']);
    const armed = producers.find(({ target }) => target.kind === 'fence' && target.queue === 'DMA_0_0');
    expect(armed).toMatchObject({
      monitors: [],
      packets: [{ seq: later.seq, queue: 'DMA_0_1', ahead: 0, adds: null, sets: null }],
      cut: false,
    });
    expect(armed?.packets).toHaveLength(1);
    const other = producers.find(({ target }) => target.kind === 'fence' && target.queue === 'DMA_0_1');
    expect(other).toMatchObject({ monitors: [], packets: [], cut: false });
  });

  it('of a job that ends before its packets were looked through, nobody knows what they were', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    rig.submit(file, 0, (words) => encodeFence(words, 0, { id: 1, target: 1, dec: 1 }));
    rig.run();
    const sections = SNAPSHOT_SECTION.PRODUCERS;
    const all = { sections, device: -1, pid: 0, address: 0 };
    const known = { books: NO_BOOKS, daemon: () => ({}) as never };
    const before = await takeSnapshot(rig.machine, all, known);
    const after = await takeSnapshot(rig.machine, all, known);
    expect(before.page().snapshot.producers).toMatchObject([{ packets: [], cut: false }]);
    await rig.close(file);
    expect(after.page().snapshot.producers).toMatchObject([{ packets: [], cut: true }]);
  });

  it('a deadlock of two contexts: each has the packet the other waits for, behind its own fence', async () => {
    await using rig = new TestRig('shared', 2);
    const a = await rig.open(0);
    const b = await rig.open(1);
    const leases = [lease(a), lease(b)] as const;
    const exported = ([a, b] as const).map((file, i) => {
      const { dcore, firstSob, sobs } = leases[i] as (typeof leases)[0];
      return exportSyncObjects(rig.machine.dmaBufs, file.requireContext, {
        dcore,
        firstSyncObject: firstSob,
        count: sobs,
      });
    });
    const files = [a, b];
    const windows = files.map(
      (file, i) => importDmaBuf(file.requireContext, exported[1 - i] as (typeof exported)[0]).address,
    );
    const jobs = files.map((file, i) => {
      const { firstSob, firstMonitor } = leases[i] as (typeof leases)[0];
      rig.submit(file, 0, (words) => {
        const end = arm(words, 0, firstSob, firstMonitor, fenceRdataAddress(0, 1), 1);
        return encodeFence(words, end, { id: 1, target: 1, dec: 1 });
      });
      return rig.submit(file, 0, (words) =>
        encodeMsgLong(words, 0, { value: sobValue('add', 1), address: windows[i] as number }),
      );
    });
    rig.run();

    const { producers } = await look(rig, ['PRODUCERS']);
    expect(producers).toHaveLength(4);
    for (const [i, file] of files.entries()) {
      const { asid, pid } = file.requireContext;
      const other = files[1 - i]?.requireContext;
      const { firstSob, firstMonitor } = leases[i] as (typeof leases)[0];
      const own = producers.filter(({ device }) => device === i);
      const [atFence, atObject] = [
        own.find(({ target }) => target.kind === 'fence'),
        own.find(({ target }) => target.kind === 'sob'),
      ];
      expect(atFence).toMatchObject({
        target: { asid, queue: 'DMA_0_0', fence: 1 },
        packets: [],
        unread: [],
        cut: false,
      });
      expect(atFence?.monitors).toEqual([{ dcore: 'E_N', monitor: firstMonitor, asid, device: i }]);
      expect(atObject?.target).toEqual({ kind: 'sob', dcore: 'E_N', sob: firstSob });
      expect(atObject?.packets).toMatchObject([
        {
          device: 1 - i,
          asid: other?.asid,
          pid: other?.pid,
          seq: jobs[1 - i]?.seq,
          queue: 'DMA_0_0',
          ahead: 1,
          text: expect.stringContaining('MSG_LONG'),
        },
      ]);
      expect(atObject?.holders).toEqual([
        { pid, program: '', device: i, asid, role: 'owner', alive: true },
        { pid: other?.pid, program: '', device: 1 - i, asid: other?.asid, role: 'importer', alive: true },
      ]);
    }
    // One process first: what its own streams wait for, then those of whom it waits for.
    const second = await look(rig, ['PRODUCERS'], { about: b.requireContext.pid });
    expect(second.producers.map(({ device, target }) => [device, target.kind])).toEqual([
      [1, 'fence'],
      [1, 'sob'],
      [0, 'fence'],
      [0, 'sob'],
    ]);
    expect(second.producersLeft).toBe(0);
    // One process asked for: what its own streams wait for, wherever that is.
    const mine = await look(rig, ['PRODUCERS'], { pid: a.requireContext.pid });
    expect(mine.producers.map(({ target }) => target.kind)).toEqual(['fence', 'sob']);
    for (const object of exported) {
      object.put();
    }
  });

  it('packets of every kind that write a sync object, the completion of a move too, and none that is done', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const sob = 3;
    rig.submit(file, 4, (words) => {
      const end = arm(words, 0, sob, 5, fenceRdataAddress(4, 1), 1);
      return encodeFence(words, end, { id: 1, target: 1, dec: 1 });
    });
    rig.submit(file, 0, (words) => {
      // Done already when the stream stands at the fence.
      let end = encodeMsgShort(words, 0, { value: sobValue('set', 0), addressOffset: 4 * sob, base: 1 });
      end = encodeFence(words, end, { id: 1, target: 1, dec: 1 });
      end = encodeMsgShort(words, end, { value: sobValue('add', 1), addressOffset: 4 * sob, base: 1 });
      const low = CFG_BASE + 0x50_0080;
      end = encodeMsgLong(words, end, { value: sobAddress(DCORE.E_N, sob) % 2 ** 32, address: low });
      return encodeLinDma(words, end, { size: 8, src: SRAM_USER_BASE, dst: SRAM_USER_BASE + 64, wrComp: true });
    });
    rig.run();
    const { producers } = await look(rig, ['PRODUCERS']);
    const found = producers.find(({ target }) => target.kind === 'sob' && target.sob === sob);
    expect(found?.packets.map(({ text }) => text.split(' ')[0])).toEqual(['MSG_SHORT', 'LIN_DMA']);
    // What a move writes is in a register of the engine.
    expect(found?.packets.map(({ adds }) => adds)).toEqual([1, null]);
    rig.device().requestReset({ kind: 'manual' });
    await rig.finishReset();
  });

  it('a packet that adds says how much; one that sets, or writes a fence, does not', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const sob = 3;
    rig.submit(file, 4, (words) => {
      const end = arm(words, 0, sob, 5, fenceRdataAddress(4, 1), 1);
      return encodeFence(words, end, { id: 1, target: 1, dec: 1 });
    });
    rig.submit(file, 0, (words) => {
      let end = fence(words);
      for (const value of [sobValue('add', 5), sobValue('set', 2)]) {
        end = encodeMsgLong(words, end, { value, address: sobAddress(DCORE.E_N, sob) });
      }
      return encodeMsgLong(words, end, { value: 1, address: fenceRdataAddress(4, 1) });
    });
    rig.run();
    const { producers } = await look(rig, ['PRODUCERS']);
    const adds = (kind: string, queue?: string) =>
      producers
        .find(({ target }) => target.kind === kind && (target.kind === 'sob' || target.queue === queue))
        ?.packets.map((packet) => packet.adds);
    expect(adds('sob')).toEqual([5, null]);
    expect(adds('fence', 'DMA_1_0')).toEqual([null]);
    rig.device().requestReset({ kind: 'manual' });
    await rig.finishReset();
  });

  it('more than a look asks about is counted, and a process that is named comes first', async () => {
    await using rig = new TestRig('shared');
    const files: OpenFile[] = [];
    for (let i = 0; i < 140; i++) {
      const file = await rig.open();
      for (const queue of QUEUES_BLOCKED) {
        rig.submit(file, queue, fence);
      }
      files.push(file);
    }
    rig.run();
    const last = files.at(-1)?.requireContext;
    const about = last?.pid ?? 0;
    const whole = await takeSnapshot(
      rig.machine,
      { sections: SNAPSHOT_SECTION.PRODUCERS, device: -1, pid: 0, address: 0, about },
      { books: NO_BOOKS, daemon: () => DAEMON },
    );
    const { snapshot } = whole.page();
    expect(snapshot.producersLeft).toBe(140 * QUEUES_BLOCKED.length - 1024);
    const first = snapshot.producers?.slice(0, QUEUES_BLOCKED.length).map(({ target }) => target);
    expect(first?.map((target) => target.kind === 'fence' && target.asid)).toEqual(
      QUEUES_BLOCKED.map(() => last?.asid),
    );
  });

  it('packets in SRAM are not read, and that is said', async () => {
    await using rig = new TestRig('exclusive');
    const file = await rig.open();
    const chunk = await rig.sramChunk(10, SRAM_USER_BASE, (words) => fence(words));
    rig.csNow(file, { chunksExecute: [chunk, rig.chunk(file, 0, fence)] });
    rig.run();
    const { producers } = await look(rig, ['PRODUCERS']);
    expect(producers.map(({ unread }) => unread.map(({ queue }) => queue))).toEqual([['DMA_2_1'], ['DMA_2_1']]);
    rig.device().requestReset({ kind: 'manual' });
    await rig.finishReset();
  });

  it('who is gone is no longer alive, and its object says so', async () => {
    await using rig = new TestRig('shared', 2);
    const owner = await rig.open(0);
    const user = await rig.open(1);
    const { dcore, firstSob, sobs } = lease(owner);
    const range = { dcore, firstSyncObject: firstSob, count: sobs };
    const exported = exportSyncObjects(rig.machine.dmaBufs, owner.requireContext, range);
    importDmaBuf(user.requireContext, exported);
    exported.put();
    // Its own object leads to that of the one that leaves: a monitor waits for one object, and its fence for the monitor.
    const own = lease(user);
    rig.submit(user, 0, (words) => {
      const end = arm(words, 0, own.firstSob, own.firstMonitor, fenceRdataAddress(0, 1), 1);
      return encodeFence(words, end, { id: 1, target: 1, dec: 1 });
    });
    rig.run();
    await rig.close(owner);
    const { memory, objects, producers } = await look(rig, ['MEMORY', 'OBJECTS', 'PRODUCERS']);
    expect(producers).toHaveLength(2);
    const left = memory.owners.filter(({ alive }) => !alive);
    expect(left.map(({ pid, device }) => [pid, device])).toEqual([[1000, 0]]);
    const orphans = objects.filter(({ ownerAlive }) => !ownerAlive);
    expect(orphans.map(({ kind, pid }) => [kind, pid])).toEqual([
      ['context', 1000],
      ['dma-buf', 1000],
    ]);
    expect(orphans[1]?.holders).toEqual([{ holder: 'attachment', pid: 1001, count: 1 }]);
    expect(orphans[0]?.holders).toEqual([{ holder: 'dma-buf', pid: 1000, count: 1 }]);
  });
});

describe('SUBMISSIONS', () => {
  it('running, queued and over, with the time that is left', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    const done = rig.submit(file, 1, (words) => encodeNop(words, 0));
    rig.run();
    rig.clock.advance(2e6);
    const running = rig.submit(file, 0, fence, { flags: 0x2000, timeoutSec: 5 });
    const queued = rig.submit(file, 0, (words) => encodeNop(words, 0));
    rig.run();
    rig.clock.advance(3e6);
    const { submissions } = await look(rig, ['SUBMISSIONS']);
    expect(submissions.map(({ seq, state, jobsLeft }) => [seq, state, jobsLeft])).toEqual([
      [done.seq, 'done', 0],
      [running.seq, 'running', 1],
      [queued.seq, 'queued', 1],
    ]);
    expect(submissions[0]).toMatchObject({ finishedMs: 5, jobs: [{ queue: 'DMA_0_1', state: 'done', bytes: null }] });
    expect(submissions[1]).toMatchObject({ ageMs: 3, jobs: [{ queue: 'DMA_0_0', state: 'running' }] });
    const { timeoutNs } = running;
    expect(submissions[1]?.timeoutLeftMs).toBe((timeoutNs - 3e6) / 1e6);
    expect(submissions[2]?.timeoutLeftMs).toBe(queued.timeoutNs / 1e6);
  });

  it('those of a context that is gone, with what became of them', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    const { seq } = rig.submit(file, 0, fence);
    rig.run();
    await rig.close(file);
    const { submissions } = await look(rig, ['SUBMISSIONS'], { pid: 1000 });
    expect(submissions).toMatchObject([
      { seq, pid: 1000, state: 'failed', error: 'EIO', detail: 'the file was closed', jobsLeft: 1 },
    ]);
    expect(submissions[0]?.jobs).toEqual([{ queue: 'DMA_0_0', state: 'dropped', bytes: null }]);
  });

  it('one that failed by a fault ran to its end, and its jobs are done', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    rig.submit(file, 0, (words) => encodeMsgLong(words, 0, { value: 1, address: sobAddress(0, 2000) }));
    rig.run();
    const { submissions } = await look(rig, ['SUBMISSIONS']);
    expect(submissions).toMatchObject([{ state: 'failed', error: 'EIO', jobsLeft: 0, jobs: [{ state: 'done' }] }]);
  });

  it('one that is held back names the fence, the producer behind it and the buffer', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    const first = rig.submit(file, 0, fence);
    rig.run();
    using made = submissionFence(rig.machine.fences, first);
    using syncFile = new SyncFile(made);
    const chunk = rig.chunk(file, 1, (words) => encodeNop(words, 0));
    const cs = {
      flags: 0,
      chunksRestore: [],
      chunksExecute: [chunk],
      timeoutSec: 0,
      stagedSeq: 0,
      reservation: 0,
      signals: { count: 0, queue: 0 },
    };
    const held = submitSynced(file, rig.machine.fences, { cs, buffers: [], waitFor: [syncFile] });
    held.fence.put();
    const behind = rig.submit(file, 1, (words) => encodeNop(words, 0));
    const { asid, pid } = file.requireContext;
    const { submissions, queues } = await look(rig, ['SUBMISSIONS', 'QUEUES']);
    expect(submissions.find(({ seq }) => seq === held.submission.seq)).toMatchObject({
      state: 'held',
      jobs: [{ queue: 'DMA_0_1', state: 'queued' }],
      fences: [{ name: made.name, producer: { device: 0, asid, pid, seq: first.seq }, buffer: null }],
      heldBehind: null,
    });
    expect(submissions.find(({ seq }) => seq === behind.seq)).toMatchObject({
      state: 'held',
      fences: [],
      heldBehind: held.submission.seq,
    });
    expect(queues[0]?.queues.find(({ id }) => id === 1)?.held).toBe(2);
    rig.device().requestReset({ kind: 'manual' });
    await rig.finishReset();
  });
});

describe('MEMORY', () => {
  it("the rows add up to the allocators' own totals", async () => {
    await using rig = new TestRig('shared');
    for (const pages of [1, 3]) {
      const file = await rig.open();
      const context = file.requireContext;
      const size = pages * 0x20_0000;
      const request = { size, pageSize: 0, contiguous: false, shared: false, ownerAsid: context.asid, owner: context };
      context.allocations.add(rig.device().memory.allocate(request));
      context.leases.leaseSram(4096);
      rig.submit(file, 0, fence);
    }
    rig.run();
    const { memory } = await look(rig, ['MEMORY']);
    const sum = (key: 'hbmBytes' | 'sramBytes' | 'commandBufferBytes' | 'hostBytes') =>
      memory.owners.reduce((total, owner) => total + owner[key], 0);
    expect(memory.devices).toHaveLength(1);
    const [device] = memory.devices;
    expect(device?.hbm.used).toBe(rig.device().memory.used);
    expect(sum('hbmBytes')).toBe(device?.hbm.used);
    expect(device?.hbm.allocatedBytes).toBe(device?.hbm.used);
    expect(sum('sramBytes')).toBe(device?.sram.leased);
    expect(sum('commandBufferBytes')).toBe(device?.commandBufferBytes);
    expect(sum('hostBytes')).toBe(
      [...rig.device().files].reduce((total, { hostMemory }) => total + hostMemory.allocated, 0),
    );
  });
});

describe('MAPPINGS', () => {
  it('ranges, mappings, the walk of an address, and the last fault', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    const buffer = new HostBuffer(file, 8192);
    const va = mapHostMemory(file, { address: buffer.address, size: 8192, hint: 0, forceHint: false });
    const { mappings } = await look(rig, ['MAPPINGS'], { address: va + 5000 });
    expect(mappings).toHaveLength(1);
    expect(mappings[0]?.mappings).toEqual([
      { va, size: 8192, writable: true, kind: 'host', what: `host buffer ${buffer.id}` },
    ]);
    expect(mappings[0]?.walk).toMatchObject({ va: va + 5000, outcome: 'mapped', mapping: va });
    expect(mappings[0]?.walk?.target).toMatch(/^host bus 0x[0-9a-f]+$/);
    expect(mappings[0]?.ranges.find(({ name }) => name === 'host')?.usedBytes).toBe(8192);
    expect(mappings[0]?.lastFault).toBeNull();

    const wild = va + 0x100_0000;
    rig.submit(file, 0, (words) => encodeMsgLong(words, 0, { value: 1, address: wild }));
    rig.run();
    rig.clock.advance(4e6);
    const after = await look(rig, ['MAPPINGS', 'EVENTS'], { address: wild });
    expect(after.mappings[0]?.walk).toEqual({ va: wild, outcome: 'unmapped', target: null, mapping: null });
    expect(after.mappings[0]?.lastFault).toMatchObject({ address: wild, ageMs: 4 });
    expect(after.events.filter(({ kind }) => kind === 'fault')).toMatchObject([
      { device: 0, pid: 1000, queue: 'DMA_0_0', seq: 1, severity: 'error' },
    ]);
  });
});

describe('SYNC', () => {
  it('objects, armed monitors and what they write to, leases', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    const { asid, pid } = file.requireContext;
    const { firstSob, firstMonitor } = lease(file);
    rig.submit(file, 0, (words) => {
      let end = arm(words, 0, firstSob, firstMonitor, fenceRdataAddress(4, 2), 1);
      end = arm(words, end, firstSob, firstMonitor + 1, sobAddress(DCORE.E_N, firstSob + 1), sobValue('add', 1));
      return encodeMsgLong(words, end, { value: sobValue('set', 7), address: sobAddress(DCORE.E_N, firstSob + 2) });
    });
    rig.run();
    const { sync } = await look(rig, ['SYNC']);
    expect(sync[0]?.objects).toEqual([{ dcore: 'E_N', sob: firstSob + 2, value: 7, asid, pid }]);
    expect(sync[0]?.monitors.map(({ payload }) => payload.meaning)).toEqual([
      { kind: 'fence', asid, queue: 'DMA_1_0', fence: 2 },
      { kind: 'sob', device: 0, dcore: 'E_N', sob: firstSob + 1 },
    ]);
    expect(sync[0]?.leases).toContainEqual({ dcore: 'E_N', asid, pid, firstSob, sobs: 8, firstMonitor, monitors: 4 });
  });
});

describe('OBJECTS', () => {
  it('each with its birth and what keeps it', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    file.caller.begin(12, 0x81_000);
    const buffer = new HostBuffer(file, 4096);
    mapHostMemory(file, { address: buffer.address, size: 4096, hint: 0, forceHint: false });
    const { objects } = await look(rig, ['OBJECTS']);
    const host = objects.find(({ kind }) => kind === 'host buffer');
    expect(host).toMatchObject({
      id: String(buffer.id),
      ownerAlive: true,
      bytes: 4096,
      born: 'HOST_ALLOC, call 12 of this file',
    });
    expect(host?.holders).toEqual([
      { holder: 'handle', pid: 1000, count: 1 },
      { holder: 'use', pid: 1000, count: 1 },
    ]);
    expect(objects.map(({ kind }) => kind)).toEqual(['host buffer', 'context', 'mapping']);
  });
});

describe('a look', () => {
  it('at one process puts nothing of any other into words', async () => {
    await using rig = new TestRig('shared');
    const files = [await rig.open(), await rig.open(), await rig.open()];
    for (const file of files) {
      const buffer = new HostBuffer(file, 4096);
      mapHostMemory(file, { address: buffer.address, size: 4096, hint: 0, forceHint: false });
      rig.submit(file, 0, fence);
    }
    rig.run();
    const asked: number[] = [];
    const programOf = (pid: number) => {
      asked.push(pid);
      return '';
    };
    const { OBJECTS, MAPPINGS, SUBMISSIONS, QUEUES } = SNAPSHOT_SECTION;
    const pages = await takeSnapshot(
      rig.machine,
      { sections: OBJECTS | MAPPINGS | SUBMISSIONS | QUEUES, device: -1, pid: 1001, address: 0 },
      { books: { ...NO_BOOKS, programOf }, daemon: () => DAEMON },
    );
    expect(asked).toEqual([]);
    const { snapshot } = pages.page();
    expect(new Set(asked)).toEqual(new Set([1001]));
    expect(snapshot.objects).toHaveLength(asked.length - (snapshot.mappings?.length ?? 0));
    expect(snapshot.submissions?.map(({ pid }) => pid)).toEqual([1001]);
    expect(snapshot.queues?.flatMap(({ queues }) => queues.map(({ pid }) => pid))).toEqual([1001]);
  });

  it('asks for what there is, and says what there is not', async () => {
    await using rig = new TestRig('shared');
    const code = (request: Promise<unknown>) =>
      request.then(
        () => 'ok',
        (error: unknown) => (error instanceof HlError ? error.code : String(error)),
      );
    expect(await code(look(rig, ['DEVICES'], { device: 1 }))).toBe('ENXIO');
    expect(await code(look(rig, ['DEVICES'], { pid: 77 }))).toBe('ESRCH');
    const ring = { device: 0, queue: 0, asid: 0, from: 0, to: 0 };
    expect(await code(inspectRing(rig.machine, ring))).toBe('ENOENT');
    expect(await code(inspectRing(rig.machine, { ...ring, queue: 8 }))).toBe('EINVAL');
  });

  it('waits for no device that says nothing, and shows it without what only it knows', async () => {
    await using rig = new TestRig('shared', 2);
    const { hardware } = rig.device(1);
    const silent = rig.machine.devices[1]?.hardware as { snapshot: unknown };
    const { snapshot } = hardware;
    silent.snapshot = () => new Promise(() => undefined);
    const looking = look(rig, ['DEVICES', 'ENGINES', 'QUEUES']);
    await rig.settle();
    rig.clock.advance(1e9);
    const seen = await looking;
    silent.snapshot = snapshot;
    expect(seen.devices.map(({ status }) => status)).toEqual(['operational', 'operational']);
    expect(new Set(seen.engines.map(({ device }) => device))).toEqual(new Set([0]));
    expect(seen.queues.map(({ queues }) => queues.length)).toEqual([8, 8]);
  });

  it('during a reset answers from the books', async () => {
    await using rig = new TestRig('shared');
    const file = await rig.open();
    rig.submit(file, 0, fence);
    rig.run();
    rig.device().requestReset({ kind: 'manual' });
    const all = Object.keys(SNAPSHOT_SECTION) as Sections;
    for (let i = 0; i < 6; i++) {
      const { devices } = await look(rig, all);
      expect(devices[0]?.status).toBe('in reset');
      expect(devices[0]?.lastReset?.reason).toBe('a hard reset was asked for');
    }
    await rig.finishReset();
    const { events, devices } = await look(rig, ['EVENTS', 'DEVICES']);
    expect(events.map(({ kind }) => kind)).toEqual(['reset', 'context ended', 'reset']);
    expect(devices[0]?.resets.hard).toBe(1);
  });
});
