/** The text of the three inspections, as people see it. */
import type { BuffersSnapshot, ClientsSnapshot, QueueState, QueuesSnapshot } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { makeStyle } from '../text/style.js';
import { renderBuffers } from './buffers.js';
import { renderClients } from './clients.js';
import { renderQueues } from './queues.js';

const plain = makeStyle(220, false);

const idle: QueueState = {
  id: 0,
  name: 'DMA_0_0',
  kind: 'external',
  pi: 0,
  ci: 0,
  pending: 0,
  inFlight: 0,
  completed: 0,
  head: null,
  blockedOn: null,
  pid: null,
  asid: null,
  oldestMs: null,
};

const blocked: QueueState = {
  ...idle,
  id: 4,
  name: 'DMA_1_0',
  pi: 11,
  ci: 0,
  pending: 10,
  inFlight: 11,
  head: { opcode: 8, name: 'FENCE', text: 'FENCE 0 waits for 1, takes 1' },
  blockedOn: {
    fence: { id: 0, target: 1, value: 0 },
    monitors: [
      {
        dcore: 'E_N',
        monitor: 3,
        mode: '>=',
        awaited: 1,
        objects: [{ sob: 8, value: 0, awaited: 1, address: 0x7f_fc4f_2020 }],
      },
    ],
    reason: 'fence 0',
  },
  pid: 4712,
  asid: 2,
  oldestMs: 1234,
};

const snapshot: QueuesSnapshot = {
  schema: 'pedrera.queues/1',
  devices: [
    { index: 0, queues: [idle] },
    { index: 1, queues: [idle, blocked] },
  ],
};

describe('queues', () => {
  it('shows only what has something to say', () => {
    expect(renderQueues(snapshot, plain, false)).toBe(
      `
device 0: no work

device 1: 1 stream, 1 blocked
ID  QUEUE    KIND       PID  ASID  PI  CI  PEND  FLIGHT  DONE    AGE  HEAD
 4  DMA_1_0  external  4712     2  11   0    10      11     0  1.2 s  FENCE 0 waits for 1, takes 1
      blocked at fence 0: needs 1, has 0; monitor E_N 3 waits for SOB E_N 8 >= 1, now 0`.trimStart(),
    );
  });

  it('--all shows the idle ones, too', () => {
    expect(renderQueues(snapshot, plain, true)).toBe(
      `
device 0: 1 stream
ID  QUEUE    KIND      PID  ASID  PI  CI  PEND  FLIGHT  DONE  AGE  HEAD
 0  DMA_0_0  external    -     -   0   0     0       0     0    -  -

device 1: 2 streams, 1 blocked
ID  QUEUE    KIND       PID  ASID  PI  CI  PEND  FLIGHT  DONE    AGE  HEAD
 0  DMA_0_0  external     -     -   0   0     0       0     0      -  -
 4  DMA_1_0  external  4712     2  11   0    10      11     0  1.2 s  FENCE 0 waits for 1, takes 1
      blocked at fence 0: needs 1, has 0; monitor E_N 3 waits for SOB E_N 8 >= 1, now 0`.trimStart(),
    );
  });

  it('fits into 80 columns', () => {
    const lines = renderQueues(snapshot, makeStyle(80, false), false).split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(lines.slice(-3)).toEqual([
      ' 4  DMA_1_0  external  4712     2  11   0    10      11     0  1.2 s  FENCE 0 w…',
      '      blocked at fence 0: needs 1, has 0; monitor E_N 3 waits for SOB E_N 8',
      '        >= 1, now 0',
    ]);
  });

  it('a fence that nobody can raise', () => {
    const lonely = { ...blocked, blockedOn: { fence: { id: 2, target: 1, value: 0 }, monitors: [], reason: '' } };
    const text = renderQueues({ schema: 'pedrera.queues/1', devices: [{ index: 0, queues: [lonely] }] }, plain, false);
    expect(text.split('\n').at(-1)).toBe('      blocked at fence 2: needs 1, has 0; no armed monitor points at it');
  });

  it('colour only changes how it looks', () => {
    const color = renderQueues(snapshot, makeStyle(200, true), true);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what colour is made of
    expect(color.replace(/\u001b\[\d+m/g, '')).toBe(renderQueues(snapshot, plain, true));
    expect(color).not.toBe(renderQueues(snapshot, plain, true));
  });
});

describe('ps', () => {
  it('nobody there', () => {
    expect(renderClients({ schema: 'pedrera.ps/1', clients: [] }, plain)).toBe('no clients');
  });

  it('one client of each kind of node', () => {
    const clients: ClientsSnapshot = {
      schema: 'pedrera.ps/1',
      clients: [
        {
          pid: 4712,
          program: 'relay\u001b[31m.js',
          node: 'hl1',
          device: 1,
          asid: 2,
          memory: { hbmBytes: 2 ** 21, hostBytes: 131_072, mappedBytes: 2 ** 22 },
          handles: { commandBuffers: 11, hostBuffers: 2, dmaBufs: 2 },
          inFlight: 11,
          submitted: 12,
          faults: 0,
          requests: 12,
          connectedMs: 2500,
        },
        {
          pid: 5,
          program: 'watch',
          node: 'hl_controlD0',
          device: 0,
          asid: null,
          memory: { hbmBytes: 0, hostBytes: 0, mappedBytes: 0 },
          handles: { commandBuffers: 0, hostBuffers: 0, dmaBufs: 0 },
          inFlight: 0,
          submitted: 0,
          faults: 0,
          requests: 12,
          connectedMs: 100,
        },
      ],
    };
    expect(renderClients(clients, plain)).toBe(
      `
 PID  NODE          ASID    HBM     HOST  MAPPED  CB/HOST/DMABUF  FLIGHT  CS  FAULTS     AGE  PROGRAM
4712  hl1              2  2 MiB  128 KiB   4 MiB          11/2/2      11  12       0   2.5 s  relay?[31m.js
   5  hl_controlD0     -    0 B      0 B     0 B           0/0/0       0   0       0  100 ms  watch`.slice(1),
    );
  });
});

const TOTALS: BuffersSnapshot['totals'] = {
  buffers: 0,
  attachments: 0,
  references: 0,
  pendingFences: 0,
  tokens: 0,
  devices: [],
};
const DEVICE_TOTALS: BuffersSnapshot['totals']['devices'][number] = {
  device: 0,
  usedBytes: 0,
  allocations: 0,
  allocatedBytes: 0,
  exportedBytes: 0,
  exports: 0,
  buffers: 0,
};

describe('bufs', () => {
  it('none', () => {
    expect(renderBuffers({ schema: 'pedrera.bufs/1', buffers: [], next: null, totals: TOTALS }, plain)).toBe(
      'no dma-bufs',
    );
  });

  it('memory with an importer, sync objects of a process that is gone', () => {
    const buffers: BuffersSnapshot = {
      schema: 'pedrera.bufs/1',
      next: null,
      totals: {
        ...TOTALS,
        buffers: 2,
        attachments: 2,
        references: 5,
        pendingFences: 1,
        devices: [{ ...DEVICE_TOTALS, allocations: 1, usedBytes: 2 ** 21, exportedBytes: 2 ** 21 }],
      },
      buffers: [
        {
          id: 1,
          kind: 'memory',
          size: 2 ** 20,
          name: 'frame',
          exporter: { pid: 10, device: 0, asid: 1, alive: true, driver: 'habanalabs' },
          importers: [{ pid: 11, device: 1, asid: 1, address: 0x2_7fc0_0000_0000 }],
          importerCount: 1,
          attachments: [
            { pid: 11, importer: 'hl1', device: 1, dynamic: true, peer2peer: true, mapped: 1 },
            { pid: 12, importer: 'hli', device: null, dynamic: true, peer2peer: true, mapped: 0 },
          ],
          attachmentCount: 2,
          fences: [
            { name: 'a', usage: 'write', state: 'pending', error: null },
            { name: 'b', usage: 'read', state: 'failed', error: 'EIO' },
          ],
          references: [
            { holder: 'descriptor', pid: 10, count: 2 },
            { holder: 'attachment', pid: 11, count: 1 },
          ],
          refs: 3,
          ageMs: 50,
        },
        {
          id: 2,
          kind: 'sync-objects',
          size: 32,
          name: '',
          exporter: { pid: 9, device: 1, asid: 1, alive: false, driver: 'habanalabs' },
          importers: [],
          importerCount: 0,
          attachments: [],
          attachmentCount: 0,
          fences: [],
          references: [{ holder: 'poll', pid: 0, count: 1 }],
          refs: 1,
          ageMs: 0,
        },
      ],
    };
    expect(renderBuffers(buffers, plain)).toBe(
      `
ID  KIND           SIZE  NAME   EXPORTER                     AGE  FENCES                             HELD BY                                IMPORTERS
 1  memory        1 MiB  frame  pid 10 on device 0         50 ms  1 pending (write), 1 failed (EIO)  2 descriptors of 10, attachment of 11  pid 11 on device 1 at 0x27fc000000000, pid 12 on hli, not mapped
 2  sync-objects   32 B  -      pid 9 on device 1 (gone)  0.0 ms  -                                  poll                                   -

2 dma-bufs, 2 attachments, 5 references, 1 pending fences; device 0: 2 MiB allocated, 2 MiB of it exported`.trimStart(),
    );
  });
});
