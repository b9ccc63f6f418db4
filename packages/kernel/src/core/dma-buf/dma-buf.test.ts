/** The rules of attach, map, unmap, detach and release (uapi.md 6.1, 6.2), on exporters made up for the purpose. */
import { HlError } from '@pedrera/base';
import { ATTACH_FLAGS, DMA_DIRECTION } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { FenceRig } from '../fence/fence-rig.js';
import { USAGE } from '../fence/reservation.js';
import { importOptions } from './context-import.js';
import type { DmaBuf } from './dma-buf.js';
import { type Direction, type DmaBufExporter, directionOf, type ImporterDevice, type SgTable } from './exporter.js';
import { DmaBufRegistry } from './registry.js';
import { underLock } from './under-lock.js';

const { BIDIRECTIONAL, TO_DEVICE, FROM_DEVICE } = DMA_DIRECTION;
const PEER = { allowPeer2peer: true };

const DEVICE: ImporterDevice = {
  name: 'importer',
  pid: 7,
  device: undefined,
  asid: 0,
  bus: undefined,
  maxSegmentBytes: Number.POSITIVE_INFINITY,
};

/** Writes down what is asked of it. */
class Exporter implements DmaBufExporter {
  readonly kind = 'host';
  readonly name = 'made up';
  readonly context = { lost: undefined } as DmaBufExporter['context'];
  readonly size = 8192;
  readonly allocation = undefined;
  readonly keepsMapping: boolean;
  readonly heard: string[] = [];
  failsWith: HlError | undefined;
  maps: SgTable | undefined = { segments: [] };

  constructor(keepsMapping = false) {
    this.keepsMapping = keepsMapping;
  }

  attach(): void {
    this.heard.push('attach');
  }
  detach(): void {
    this.heard.push('detach');
  }
  map(_: unknown, direction: Direction): SgTable | undefined {
    if (this.failsWith !== undefined) {
      throw this.failsWith;
    }
    this.heard.push(`map ${direction}`);
    return this.maps === undefined ? undefined : { segments: [...this.maps.segments] };
  }
  unmap(_: unknown, __: SgTable, direction: Direction): void {
    this.heard.push(`unmap ${direction}`);
  }
  release(): void {
    this.heard.push('release');
  }
  beginCpuAccess(write: boolean): void {
    this.heard.push(`begin ${write ? 'write' : 'read'}`);
  }
  endCpuAccess(write: boolean): void {
    this.heard.push(`end ${write ? 'write' : 'read'}`);
  }
}

class Rig extends FenceRig {
  readonly registry = new DmaBufRegistry({ clock: this.clock, tracker: this.tracker, fences: this.domain });

  create(exporter: DmaBufExporter = new Exporter()): DmaBuf {
    return this.registry.create(exporter);
  }
}

function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return error instanceof HlError ? error.code : String(error);
  }
  return 'none';
}

/** As a caller that knows there is nothing to wait for. */
function map(object: ReturnType<DmaBuf['attach']>, direction: Direction): SgTable {
  return object.map(direction) as SgTable;
}

describe('export', () => {
  it('checks-its-exporter-and-releases-it-when-it-fails', () => {
    using rig = new Rig();
    const exporters = [
      { pin() {} },
      { unpin() {} },
      { pin() {}, unpin() {}, keepsMapping: true },
      { size: 0 },
      { size: Number.NaN },
    ];
    for (const odd of exporters) {
      const exporter: Exporter = Object.assign(new Exporter(), odd as object);
      expect(codeOf(() => rig.create(exporter))).toBe('EINVAL');
      expect(exporter.heard).toEqual(['release']);
    }
    expect(rig.registry.size).toBe(0);
    const moving = Object.assign(new Exporter(), { pin() {}, unpin() {} });
    rig.create(moving).put();
    expect(moving.heard).toEqual(['release']);
  });

  it('lives-until-the-last-holder-lets-go', () => {
    using rig = new Rig();
    const exporter = new Exporter();
    const object = rig.create(exporter);
    const [one, two] = [object.hold('descriptor', 1), object.hold('mapping', 2)];
    object.put();
    expect([...object.holds].map(({ kind, pid }) => `${kind} ${pid}`)).toEqual(['descriptor 1', 'mapping 2']);
    expect(object.refs).toBe(object.holds.size);
    one.release();
    expect(() => one.release()).toThrow('twice');
    expect([...rig.registry]).toEqual([object]);
    two.release();
    expect([...rig.registry]).toEqual([]);
    expect(exporter.heard).toEqual(['release']);
  });
});

describe('importers that are gone', () => {
  it('are-remembered-the-last-sixteen-with-when-they-left', () => {
    using rig = new Rig();
    const object = rig.create();
    const attached = Array.from({ length: 18 }, (_, i) =>
      object.attach({ ...DEVICE, pid: 100 + i, device: 1, asid: i }),
    );
    expect(object.pastImporters).toEqual([]);
    for (const attachment of attached) {
      rig.clock.advance(10);
      attachment.detach();
    }
    expect(object.pastImporters.map(({ pid }) => pid)).toEqual(Array.from({ length: 16 }, (_, i) => 102 + i));
    expect(object.pastImporters.at(-1)).toEqual({ pid: 117, device: 1, asid: 17, endedNs: rig.clock.nowNs() });
    object.put();
  });
});

describe('a static importer', () => {
  it('maps-as-often-as-it-likes', () => {
    using rig = new Rig();
    const exporter = new Exporter();
    const object = rig.create(exporter);
    const attachment = object.attach(DEVICE);
    const [one, two] = [map(attachment, TO_DEVICE), map(attachment, BIDIRECTIONAL)];
    expect(one).not.toBe(two);
    expect(codeOf(() => attachment.detach())).toBe('EBUSY');
    attachment.unmap(one, TO_DEVICE);
    attachment.unmap(two, BIDIRECTIONAL);
    expect(() => attachment.unmap(two, BIDIRECTIONAL)).toThrow('more often');
    attachment.detach();
    expect(codeOf(() => attachment.detach())).toBe('EINVAL');
    expect(codeOf(() => attachment.map(TO_DEVICE))).toBe('EINVAL');
    object.put();
    expect(exporter.heard).toEqual(['attach', 'map 1', 'map 0', 'unmap 1', 'unmap 0', 'detach', 'release']);
  });

  it('a-kept-mapping-serves-its-direction-only', () => {
    using rig = new Rig();
    const exporter = new Exporter(true);
    const object = rig.create(exporter);
    const attachment = object.attach(DEVICE);
    const table = map(attachment, FROM_DEVICE);
    expect(map(attachment, FROM_DEVICE)).toBe(table);
    attachment.unmap(table, FROM_DEVICE);
    attachment.unmap(table, FROM_DEVICE);
    expect(codeOf(() => attachment.map(BIDIRECTIONAL))).toBe('EBUSY');
    expect(codeOf(() => attachment.map(TO_DEVICE))).toBe('EBUSY');
    expect(attachment.mapped).toBe(0);
    attachment.detach();
    object.put();
    expect(exporter.heard).toEqual(['attach', 'map 2', 'unmap 2', 'detach', 'release']);
  });

  it('waits-for-the-kernel-and-for-nobody-else', async () => {
    using rig = new Rig();
    const object = rig.create();
    const [kernel, writer] = [rig.fence(), rig.fence()];
    underLock([object.reservation], () => {
      object.reservation.reserve(2);
      object.reservation.add(kernel, USAGE.KERNEL);
      object.reservation.add(writer, USAGE.WRITE);
    });
    const attachment = object.attach(DEVICE);
    const table = attachment.map(TO_DEVICE);
    expect(table).toBeInstanceOf(Promise);
    kernel.signal();
    attachment.unmap(await table, TO_DEVICE);
    const again = attachment.map(TO_DEVICE);
    expect(again).not.toBeInstanceOf(Promise);
    attachment.unmap(again as SgTable, TO_DEVICE);
    attachment.detach();
    object.put();
    kernel.put();
    writer.put();
  });

  it('no-memory-for-a-mapping', () => {
    using rig = new Rig();
    const exporter = new Exporter();
    exporter.maps = undefined;
    const object = rig.create(exporter);
    const attachment = object.attach(DEVICE);
    expect(codeOf(() => attachment.map(TO_DEVICE))).toBe('ENOMEM');
    expect(attachment.mapped).toBe(0);
    attachment.detach();
    object.put();
  });
});

describe('a dynamic importer', () => {
  it('is-mapped-once-from-attach-to-detach', () => {
    using rig = new Rig();
    const exporter = new Exporter();
    const object = rig.create(exporter);
    const attachment = object.attach(DEVICE, PEER);
    underLock([object.reservation], () => {
      const table = map(attachment, TO_DEVICE);
      expect(map(attachment, BIDIRECTIONAL)).toBe(table);
      attachment.unmap(table, TO_DEVICE);
      attachment.unmap(table, BIDIRECTIONAL);
    });
    expect(() => attachment.map(TO_DEVICE)).toThrow('not locked');
    attachment.detach();
    object.put();
    expect(exporter.heard).toEqual(['attach', 'map 0', 'unmap 0', 'detach', 'release']);
  });

  it('what-map-refuses-attach-does-and-nothing-is-left', () => {
    using rig = new Rig();
    const exporter = new Exporter();
    exporter.failsWith = new HlError('EPERM', 'no way');
    const object = rig.create(exporter);
    expect(codeOf(() => object.attach(DEVICE, PEER))).toBe('EPERM');
    expect([object.attachments.size, object.refs]).toEqual([0, 1]);
    expect(exporter.heard).toEqual(['attach', 'detach']);
    object.put();
  });

  it('of-an-exporter-that-moves-is-mapped-when-it-asks', () => {
    using rig = new Rig();
    const exporter = Object.assign(new Exporter(), { pin() {}, unpin() {} });
    const object = rig.create(exporter);
    const attachment = object.attach(DEVICE, PEER);
    expect(exporter.heard).toEqual(['attach']);
    attachment.detach();
    object.put();
  });

  it('an-exporter-may-veto', () => {
    using rig = new Rig();
    const exporter = new Exporter();
    exporter.attach = () => {
      throw new HlError('EBUSY', 'not this one');
    };
    const object = rig.create(exporter);
    expect(codeOf(() => object.attach(DEVICE))).toBe('EBUSY');
    expect([object.attachments.size, object.refs]).toEqual([0, 1]);
    object.put();
    expect(exporter.heard).toEqual(['release']);
  });
});

describe('the processor', () => {
  it('the-exporter-is-asked-before-the-wait', async () => {
    using rig = new Rig();
    const exporter = new Exporter();
    const object = rig.create(exporter);
    const [reader, writer] = [rig.fence(), rig.fence()];
    underLock([object.reservation], () => {
      object.reservation.reserve(2);
      object.reservation.add(reader, USAGE.READ);
      object.reservation.add(writer, USAGE.WRITE);
    });
    const reads = object.cpuAccess(1);
    const writes = object.cpuAccess(2);
    expect(exporter.heard).toEqual(['begin read', 'begin write']);
    writer.signal();
    expect((await reads?.result)?.outcome).toBe('signalled');
    expect(writes?.settled).toBeUndefined();
    expect(object.cpuAccess(4 | 1)).toBeUndefined();
    expect(object.cpuAccess(4 | 3)).toBeUndefined();
    expect(exporter.heard.slice(2)).toEqual(['end read', 'end write']);
    writes?.cancel();
    expect((await writes?.result)?.outcome).toBe('interrupted');
    for (const flags of [0, 4, 8, 2 ** 33 + 1]) {
      expect(codeOf(() => object.cpuAccess(flags))).toBe('EINVAL');
    }
    expect(exporter.heard).toHaveLength(4);
    object.put();
    reader.put();
    writer.put();
  });

  it('a-poll-that-waits-holds-the-buffer', () => {
    using rig = new Rig();
    const object = rig.create();
    const fence = rig.fence();
    underLock([object.reservation], () => {
      object.reservation.reserve();
      object.reservation.add(fence, USAGE.WRITE);
    });
    expect(object.poll.poll(5)).toBe(0);
    expect([...object.holds].map(({ kind }) => kind)).toEqual(['poll', 'poll']);
    object.put();
    expect(rig.registry.size).toBe(1);
    fence.signal();
    expect(rig.registry.size).toBe(0);
    fence.put();
  });
});

it('flags-and-directions', () => {
  expect(importOptions(0)).toEqual({ dynamic: false, peer2peer: false });
  expect(importOptions(ATTACH_FLAGS.DYNAMIC | ATTACH_FLAGS.PEER2PEER)).toEqual({ dynamic: true, peer2peer: true });
  expect(codeOf(() => importOptions(ATTACH_FLAGS.PEER2PEER))).toBe('EINVAL');
  expect([0, 1, 2].map(directionOf)).toEqual([0, 1, 2]);
  expect(codeOf(() => directionOf(3))).toBe('EINVAL');
});

it('ten-thousand-buffers-with-ten-attachments-each', () => {
  using rig = new Rig({ recordStacks: false });
  const objects = Array.from({ length: 10_000 }, () => rig.create());
  const attachments = objects.flatMap((object) => Array.from({ length: 10 }, () => object.attach(DEVICE, PEER)));
  expect(rig.registry.size).toBe(10_000);
  expect(objects.every(({ refs }) => refs === 11)).toBe(true);
  for (const attachment of attachments) {
    attachment.detach();
  }
  for (const object of objects) {
    object.put();
  }
  expect(rig.registry.size).toBe(0);
});
