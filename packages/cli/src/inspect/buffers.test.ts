/** `bufs`: the kernel's layout, one line each, the graph, and what is suspicious. */
import type { BufferState, BuffersSnapshot } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { makeStyle } from '../text/style.js';
import { buffersDocument, renderBriefly, renderBuffers } from './buffers.js';
import { renderBufferGraph } from './buffers-graph.js';

const plain = makeStyle(220, false);
const options = { pid: undefined, sort: 'id', limit: Number.POSITIVE_INFINITY } as const;

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

const TWO: BuffersSnapshot = {
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

describe('bufs', () => {
  it('none', () => {
    const none = buffersDocument({ schema: 'pedrera.bufs/1', buffers: [], next: null, totals: TOTALS }, options);
    expect(renderBuffers(none, plain)).toBe('no dma-bufs');
    expect(renderBriefly(none, plain)).toBe('no dma-bufs');
  });

  it('as dma_buf/bufinfo has it', () => {
    expect(renderBuffers(buffersDocument(TWO, options), plain)).toBe(
      `
Dma-buf Objects:
size      count     exp_name    ino       kind             age  name
01048576  00000003  habanalabs  00000001  memory         50 ms  frame
    exported by pid 10 on device 0, held by 2 descriptors of 10, attachment of 11
    write fence:a unsignalled
    read fence:b signalled (EIO)
    Attached Devices:
    hl1 (pid 11): mapped at 0x27fc000000000
    hli (pid 12): not mapped
Total 2 devices attached

00000032  00000001  habanalabs  00000002  sync-objects  0.0 ms  <none>
    exported by pid 9 on device 1 (gone), held by poll
    leaked? its exporter has closed the device and nobody has it mapped; kept by poll
    Attached Devices:
Total 0 devices attached

Total 2 objects, 1048608 bytes
2 dma-bufs, 2 attachments, 5 references, 1 pending fence; device 0: 2 MiB allocated, 2 MiB of it exported`.trimStart(),
    );
  });

  it('one line each', () => {
    expect(renderBriefly(buffersDocument(TWO, options), plain)).toBe(
      `
ID  KIND           SIZE  NAME   EXPORTER                     AGE  FENCES                             HELD BY                                IMPORTERS
 1  memory        1 MiB  frame  pid 10 on device 0         50 ms  1 pending (write), 1 failed (EIO)  2 descriptors of 10, attachment of 11  pid 11 on device 1 at 0x27fc000000000, pid 12 on hli, not mapped
 2  sync-objects   32 B  -      pid 9 on device 1 (gone)  0.0 ms  -                                  poll                                   -

2 dma-bufs, 2 attachments, 5 references, 1 pending fence; device 0: 2 MiB allocated, 2 MiB of it exported`.trimStart(),
    );
  });

  it('both fit into 80 columns', () => {
    const document = buffersDocument(TWO, options);
    for (const render of [renderBuffers, renderBriefly]) {
      const lines = render(document, makeStyle(80, false)).split('\n');
      expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(80);
    }
  });

  it('of one process, in another order, cut', () => {
    const ids = (more: object) => buffersDocument(TWO, { ...options, ...more }).buffers.map(({ id }) => id);
    expect(ids({ pid: 12 })).toEqual([1]);
    expect(ids({ pid: 9 })).toEqual([2]);
    expect(ids({ sort: 'age' })).toEqual([1, 2]);
    expect(buffersDocument(TWO, { ...options, limit: 1 })).toMatchObject({ notShown: 1, totals: { buffers: 2 } });
  });
});

describe('suspicion of a leak', () => {
  const [used, orphan] = TWO.buffers as [BufferState, BufferState];
  const of = (buffer: BufferState) => buffersDocument({ ...TWO, buffers: [buffer] }, options).buffers[0]?.suspicion;

  it('not while somebody has it mapped or work is unfinished', () => {
    expect(of(used)).toBeNull();
    expect(of({ ...orphan, fences: [{ name: 'a', usage: 'read', state: 'pending', error: null }] })).toBeNull();
  });

  it('its exporter is gone and nobody has it mapped', () => {
    expect(of(orphan)).toBe('its exporter has closed the device and nobody has it mapped; kept by poll');
  });

  it('a minute has passed and nobody took it, or mapped it', () => {
    const fresh = { ...used, importers: [], attachments: [], fences: [] };
    expect(of(fresh)).toBeNull();
    expect(of({ ...fresh, ageMs: 61_000 })).toMatch(/^shared for 1m01s, and nobody is attached; kept by 2 descriptors/);
    const idle = used.attachments.map((attachment) => ({ ...attachment, mapped: 0 }));
    expect(of({ ...fresh, attachments: idle, ageMs: 61_000 })).toMatch(
      /^attached, but not mapped by anybody after 1m01s/,
    );
  });
});

describe('--graph', () => {
  it('processes, buffers, devices, and who has what', () => {
    expect(renderBufferGraph(buffersDocument(TWO, options)).split('\n').slice(2)).toEqual([
      '  dev0 [shape=ellipse, label="hl0"];',
      '  dev1 [shape=ellipse, label="hl1"];',
      '  pid10 [shape=box, label="pid 10"];',
      '  pid11 [shape=box, label="pid 11"];',
      '  pid12 [shape=box, label="pid 12"];',
      '  pid9 [shape=box, label="pid 9"];',
      '  buf1 [shape=cylinder, label="frame\\nmemory, 1 MiB\\n1 pending"];',
      '  pid10 -> buf1 [label="exports"];',
      '  buf1 -> dev0 [style=dotted, arrowhead=none, label="lies in"];',
      '  buf1 -> pid11 [label="hl1 at 0x27fc000000000"];',
      '  buf1 -> pid12 [style=dashed, label="hli, not mapped"];',
      '  buf2 [shape=cylinder, label="dma-buf 2\\nsync-objects, 32 B", color=red, fontcolor=red];',
      '  pid9 -> buf2 [label="exported, gone", style=dashed];',
      '  buf2 -> dev1 [style=dotted, arrowhead=none, label="lies in"];',
      '}',
    ]);
  });

  it('a name is text, whatever is in it', () => {
    const [buffer] = TWO.buffers as [BufferState, BufferState];
    const named = buffersDocument({ ...TWO, buffers: [{ ...buffer, name: 'a"; b\\' }] }, options);
    expect(renderBufferGraph(named)).toContain('label="a\\"; b\\\\\\nmemory');
  });
});
