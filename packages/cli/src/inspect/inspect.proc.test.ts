/** queues, ps and bufs on a real daemon, with this test as the client that is looked at. */
import path from 'node:path';
import { Dcore, type Device, openDevice, Queue } from '@pedrera/thunk';
import type { BuffersSnapshot, ClientsSnapshot, QueuesSnapshot, RingSnapshot } from '@pedrera/uapi';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from '../exit.js';
import { runCli, temporaryDirectory } from '../testing/run-cli.js';
import type { AddressSpacesDocument } from './address-space.js';
import type { EnginesDocument } from './engines.js';
import type { EventsDocument } from './events.js';
import type { MemoryDocument } from './memory.js';
import type { SmiDocument } from './smi.js';
import type { SubmissionsDocument } from './submissions.js';

const directory = temporaryDirectory();
const socket = path.join(directory.path, 'p.sock');

async function json<T>(...args: string[]): Promise<T> {
  const { code, out, err } = await runCli([...args, '--json', '--socket', socket]);
  expect({ code, err }).toEqual({ code: EXIT.ok, err: '' });
  return JSON.parse(out) as T;
}

async function lines(...args: string[]): Promise<string[]> {
  return (await runCli([...args, '--socket', socket])).out.trimEnd().split('\n');
}

function open(device: number): Promise<Device> {
  return openDevice(device, { socketPath: socket, program: 'inspected' });
}

beforeAll(async () => {
  expect(await runCli(['start', '--devices', '2', '--socket', socket])).toMatchObject({ code: EXIT.ok });
});

afterAll(async () => {
  expect(await runCli(['stop', '--socket', socket])).toMatchObject({ code: EXIT.ok });
  directory[Symbol.dispose]();
});

describe('a daemon nobody uses', () => {
  it('has queues without work, no clients, no dma-bufs', async () => {
    expect(await lines('queues')).toEqual(['device 0: no work', '', 'device 1: no work']);
    expect(await lines('ps')).toEqual(['no clients']);
    expect(await lines('bufs')).toEqual(['no dma-bufs']);
    const { devices } = await json<QueuesSnapshot>('queues');
    expect(devices.map(({ index }) => index)).toEqual([0, 1]);
    expect(devices[0]?.queues[0]).toMatchObject({
      id: 0,
      name: 'DMA_0_0',
      kind: 'external',
      pid: null,
      blockedOn: null,
    });
  });

  it('has no device 7', async () => {
    const { code, err } = await runCli(['queues', '--device', '7', '--socket', socket]);
    expect(code).toBe(EXIT.deviceError);
    expect(err).toMatch(/^pedrera: INSPECT_SNAPSHOT: ENXIO/);
  });
});

describe('a client blocked on a fence', () => {
  it('queues names the fence, the monitor and the sync object, with its value now and the value awaited', async () => {
    await using device = await open(1);
    const lease = await device.leaseSync({ dcore: Dcore.E_N, syncObjects: 2, monitors: 1 });
    const [object, monitor] = [lease.object(1), lease.monitor(0)];
    const packets = await device.createCommandBuffer();
    packets.setSyncObject(object, 2).waitFor({ syncObject: object, monitor, value: 5, queue: Queue.DMA_1_2, fence: 3 });
    const work = await device.submit({ queue: Queue.DMA_1_2, cb: packets });

    // The daemon answers when the device has looked; the device gets to the fence at its own pace.
    let queue: QueuesSnapshot['devices'][number]['queues'][number] | undefined;
    while (queue?.blockedOn?.monitors.length !== 1) {
      const { devices } = await json<QueuesSnapshot>('queues', '--device', '1');
      expect(devices.map(({ index }) => index)).toEqual([1]);
      queue = devices[0]?.queues.find(({ id, pid }) => id === Queue.DMA_1_2 && pid === process.pid);
    }
    expect(queue).toMatchObject({ name: 'DMA_1_2', kind: 'external', pi: 1, ci: 0, asid: device.asid, completed: 0 });
    expect(queue.head?.name).toBe('FENCE');
    expect(queue.oldestMs).toBeGreaterThan(0);
    expect(queue.blockedOn?.fence).toEqual({ id: 3, target: 1, value: 0 });
    expect(queue.blockedOn?.monitors).toEqual([
      {
        dcore: 'E_N',
        monitor: monitor.index,
        mode: '>=',
        awaited: 5,
        objects: [{ sob: object.index, value: 2, awaited: 5, address: object.address }],
      },
    ]);
    expect((await lines('queues')).at(-1)).toBe(
      `      blocked at fence 3: needs 1, has 0; monitor E_N ${monitor.index} waits for SOB E_N ${object.index} >= 5, now 2`,
    );

    const pid = String(process.pid);
    const cs = await json<SubmissionsDocument>('cs', '--pid', pid);
    expect(cs.submissions).toMatchObject([{ device: 1, asid: device.asid, seq: 1, state: 'running', jobsLeft: 1 }]);
    expect(cs.submissions[0]?.waitsFor).toMatch(/^DMA_1_2: fence 3 /);
    const ring = await json<RingSnapshot>('queues', '--ring', 'DMA_1_2', '--device', '1', '--pid', pid);
    expect(ring).toMatchObject({ asid: device.asid, pid: process.pid, pi: 1, ci: 0 });
    const running = ring.entries.find(({ state }) => state === 'running');
    expect(running?.packets.filter(({ current }) => current)).toMatchObject([{ name: 'FENCE' }]);
    expect((await lines('queues', '--ring', 'DMA_1_2[0:1]', '--device', '1')).join('\n')).toMatch(
      /\n +> \+\w+ {2}FENCE 3/,
    );
    const engines = await json<EnginesDocument>('engines', '--device', '1');
    expect(engines.engines.find(({ name }) => name === 'DMA1')?.times.waitSyncNs).toBeGreaterThan(0);

    const release = await device.createCommandBuffer();
    release.signal(object, 3);
    await device.submit({ queue: Queue.DMA_0_0, cb: release });
    await work.wait();
    const after = await json<QueuesSnapshot>('queues', '--device', '1');
    expect(after.devices[0]?.queues.find(({ id, pid }) => id === Queue.DMA_1_2 && pid === process.pid)).toMatchObject({
      pi: 1,
      ci: 1,
      pending: 0,
      inFlight: 0,
      completed: 1,
      blockedOn: null,
      oldestMs: null,
    });
  });
});

describe('clients and what they share', () => {
  it('ps and bufs know them, and forget them', async () => {
    const exporter = await open(0);
    const importer = await open(1);
    const memory = await exporter.allocHbm(3 * 2 ** 20);
    const shared = await exporter.exportDmaBuf(memory);
    const imported = await importer.importDmaBuf(shared.token);

    const { clients } = await json<ClientsSnapshot>('ps');
    expect(clients.map(({ node, pid, program }) => ({ node, pid, program }))).toEqual([
      { node: 'hl0', pid: process.pid, program: 'inspected' },
      { node: 'hl1', pid: process.pid, program: 'inspected' },
    ]);
    expect(clients[0]?.memory.hbmBytes).toBeGreaterThanOrEqual(memory.size);
    const { owners, totals, devices } = await json<MemoryDocument>('mem');
    expect(owners.map(({ device }) => device).sort()).toEqual([0, 1]);
    expect(totals.hbmBytes).toBe(devices.reduce((sum, { hbm }) => sum + hbm.allocatedBytes, 0));
    expect(devices.every(({ hbm }) => hbm.used === hbm.allocatedBytes)).toBe(true);
    const walk = ['vm', String(process.pid), '--walk', `0x${(imported.address + 16).toString(16)}`, '--device', '1'];
    const { spaces } = await json<AddressSpacesDocument>(...walk);
    expect(spaces).toMatchObject([{ device: 1, walk: { outcome: 'mapped', mapping: imported.address } }]);
    const nowhere = await lines('vm', String(process.pid), '--walk', '0x1000', '--device', '0');
    expect(nowhere.at(-1)).toContain('0x1000 leads nowhere; in none of the ranges');
    const { buffers } = await json<BuffersSnapshot>('bufs');
    expect(buffers).toHaveLength(1);
    expect(buffers[0]).toMatchObject({
      kind: 'memory',
      size: memory.size,
      exporter: { pid: process.pid, device: 0, alive: true },
      importers: [{ pid: process.pid, device: 1, asid: importer.asid, address: imported.address }],
    });

    await Promise.all([exporter.close(), importer.close()]);
    while ((await json<ClientsSnapshot>('ps')).clients.length > 0);
    while ((await json<BuffersSnapshot>('bufs')).buffers.length > 0);
  });
});

describe('a reset', () => {
  it('is told by events and smi, and forgotten by neither', async () => {
    expect(await runCli(['write', 'class/habanalabs/hl0/hard_reset', '1', '--socket', socket])).toMatchObject({
      code: EXIT.ok,
    });
    let devices: SmiDocument['devices'] = [];
    while (devices[0]?.status !== 'operational' || devices[0].resets.hard !== 1) {
      // Asked while it lasts, too: an inspection answers in every state.
      ({ devices } = await json<SmiDocument>('smi'));
    }
    expect(devices[0].lastReset).not.toBeNull();
    const { events } = await json<EventsDocument>('events', '--device', '0');
    expect(events.some(({ kind }) => kind === 'reset')).toBe(true);
    expect((await lines('smi')).some((line) => line.startsWith('device 0 was reset'))).toBe(true);
  });
});
