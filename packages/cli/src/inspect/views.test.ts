/** mem, vm, engines and events: what is made of a snapshot, and how it looks. */
import type { AddressSpaceState, EventState, Snapshot } from '@pedrera/uapi';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { crowd, FIRST_PID } from '../testing/crowd.js';
import { makeStyle } from '../text/style.js';
import { addressSpacesDocument, renderAddressSpaces } from './address-space.js';
import { enginesDocument, renderEngines } from './engines.js';
import { eventsDocument, renderEvents } from './events.js';
import { memoryDocument, renderMemory } from './memory.js';

const plain = makeStyle(200, false);
const everything = { device: undefined, pid: undefined, limit: Number.POSITIVE_INFINITY };
const MIB = 2 ** 20;

describe('mem', () => {
  const options = { ...everything, sort: 'hbm' } as const;

  it('owners add up to what the allocators say', () => {
    const { totals, devices } = memoryDocument(crowd({ clients: 5 }), { ...options, limit: 2 });
    expect(totals.hbmBytes).toBe(devices.reduce((sum, { hbm }) => sum + hbm.allocatedBytes, 0));
    expect(totals).toMatchObject({ hbmBytes: 10 * MIB, hbmAllocations: 5, hostBytes: 5 * MIB });
  });

  it('the largest first; memory whose owner is closed is marked', () => {
    const snapshot = crowd({ clients: 2 });
    const owner = snapshot.memory?.owners[1];
    if (owner) Object.assign(owner, { hbmBytes: 9 * MIB, alive: false });
    const document = memoryDocument(snapshot, options);
    expect(document.owners.map(({ pid }) => pid)).toEqual([FIRST_PID + 1, FIRST_PID]);
    const text = renderMemory(document, plain);
    expect(text).toContain('worker-1.js (closed, kept by others)');
    expect(text).toContain('all together: HBM 11 MiB in 2 allocations, 0 B exported; SRAM 0 B, host 2 MiB');
  });

  it('books that disagree with the allocator are an alarm', () => {
    const snapshot = crowd({ clients: 2 });
    const device = snapshot.memory?.devices[0];
    if (device) device.hbm.allocatedBytes += MIB;
    expect(renderMemory(memoryDocument(snapshot, options), plain)).toContain(
      'device 0: the allocator has given away 2 MiB, the books know of 3 MiB: please report this',
    );
  });
});

describe('vm', () => {
  const space = (more: Partial<AddressSpaceState>): Snapshot => {
    const snapshot = crowd({ clients: 1 });
    return { ...snapshot, mappings: (snapshot.mappings ?? []).map((one) => ({ ...one, ...more })) };
  };
  const textOf = (snapshot: Snapshot, style = plain) =>
    renderAddressSpaces(addressSpacesDocument(snapshot, { ...everything, pid: FIRST_PID, walk: undefined }), style);

  it('ranges and mappings', () => {
    expect(textOf(space({}))).toBe(
      `
device 0, ASID 1: pid 5000, worker-0.js; 1 MiB in 1 mapping
  RANGE            FROM              TO   SIZE   USED
  host   0x100000000000  0x180000000000  8 TiB  1 MiB

  ADDRESS         END              SIZE  ACCESS  KIND  WHAT
  0x100000000000  0x100000100000  1 MiB  rw      host  host buffer 1`.trimStart(),
    );
  });

  it('an address that is mapped', () => {
    const walk = {
      va: 0x1000_0000_0010,
      outcome: 'mapped',
      target: 'host buffer 1 + 0x10',
      mapping: 0x1000_0000_0000,
    } as const;
    expect(textOf(space({ walk }))).toContain(
      '0x100000000010 leads to host buffer 1 + 0x10, in the mapping at 0x100000000000',
    );
  });

  it('one that is not: what is beside it', () => {
    const walk = (va: number) => ({ va, outcome: 'unmapped', target: null, mapping: null }) as const;
    expect(textOf(space({ walk: walk(0x1000_0010_0040) }))).toContain(
      '0x100000100040 leads nowhere; in the range host; 64 B past the end of 0x100000000000 (host buffer 1)',
    );
    expect(textOf(space({ walk: walk(0xfff_ffff_ff00) }))).toContain(
      'in none of the ranges; 256 B before 0x100000000000',
    );
    expect(textOf(space({ walk: walk(0x17) }))).toContain(
      '0x17 leads nowhere; in none of the ranges; nothing is mapped near it',
    );
  });

  it('the last fault, in 80 columns', () => {
    const lastFault = {
      address: 0x1000_0010_0000,
      text: 'DMA0 stream 0 read an address that is not mapped',
      ageMs: 2500,
    };
    const lines = textOf(space({ lastFault }), makeStyle(80, false)).split('\n');
    expect(lines.slice(-3).join(' ').replace(/\s+/g, ' ')).toContain(
      'last fault, 2.5 s ago, at 0x100000100000: DMA0 stream 0 read an address that is not mapped; in the range host; 0 B past the end of',
    );
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(80);
  });

  it('nobody of that number', () => {
    expect(() => addressSpacesDocument(crowd({ clients: 1 }), { ...everything, pid: 4, walk: undefined })).toThrow(
      'process 4 has no address space',
    );
  });
});

describe('engines', () => {
  const options = { device: undefined, pid: undefined, all: false };

  it('the first look has sums, the next ones shares', () => {
    const first = crowd({ clients: 2 });
    expect(enginesDocument(first, undefined, options)).toMatchObject({
      periodMs: null,
      engines: [{ shares: null }, {}],
    });
    expect(renderEngines(enginesDocument(first, undefined, options), plain)).toContain(
      '  0  DMA0    active  2.0 ms     4.0 ms    0.0 ms  5000 (ASID 1)',
    );
    const second = later(first, { busyNs: 25e6, waitSyncNs: 50e6 });
    const document = enginesDocument(second, first, options);
    expect(document).toMatchObject({
      periodMs: 100,
      engines: [{ shares: { busy: 0.25, waitSync: 0.5, waitMemory: 0 } }, {}],
    });
    expect(renderEngines(document, plain)).toContain('25.0%  |#####...............|      50.0%      0.0%  5000');
  });

  it('a reset begins the sums anew', () => {
    const first = later(crowd({ clients: 2 }), { busyNs: 900e6, waitSyncNs: 0 });
    const second = { ...crowd({ clients: 2 }), timeNs: first.timeNs + 100e6 };
    expect(enginesDocument(second, first, options).engines[0]?.shares?.busy).toBe(0.02);
  });

  it('of one process', () => {
    const { engines } = enginesDocument(crowd({ clients: 4 }), undefined, {
      ...options,
      pid: FIRST_PID + 3,
      all: true,
    });
    expect(engines.map(({ contexts }) => contexts.length)).toEqual([0, 1]);
    expect(engines[1]?.times.busyNs).toBe(1e6);
  });

  it('engines nobody has used are counted only', () => {
    const document = enginesDocument(crowd({ clients: 0 }), undefined, options);
    expect(renderEngines(document, plain)).toBe('no engine has been used\n2 engines never used (--all)');
    expect(enginesDocument(crowd({ clients: 0 }), undefined, { ...options, all: true }).engines).toHaveLength(2);
  });
});

function later(snapshot: Snapshot, more: { busyNs: number; waitSyncNs: number }): Snapshot {
  const engines = (snapshot.engines ?? []).map((engine) => ({
    ...engine,
    times: {
      ...engine.times,
      busyNs: engine.times.busyNs + more.busyNs,
      waitSyncNs: engine.times.waitSyncNs + more.waitSyncNs,
    },
  }));
  return { ...snapshot, timeNs: snapshot.timeNs + 100e6, engines };
}

describe('events', () => {
  const options = {
    ...everything,
    severity: 'info',
    follow: false,
    seen: 0,
    nowMs: Date.UTC(2024, 1, 3, 4, 5, 6, 789),
  } as const;
  afterEach(() => {
    vi.unstubAllEnvs();
  });

  it('when, how serious, where, what', () => {
    vi.stubEnv('TZ', 'UTC');
    const document = eventsDocument(crowd({ clients: 1 }), options);
    expect(document.events[0]?.time).toBe('2024-02-03T04:05:06.779Z');
    expect(renderEvents(document, plain, options)).toBe(
      '04:05:06.779 error   fault hl0 pid 5000 ASID 1 DMA_0_0 cs 1: read of unmapped address 0x1000',
    );
  });

  it('only those as serious, of the device, of the process; the last of them', () => {
    const snapshot = crowd({ clients: 4 });
    Object.assign(snapshot.events?.[0] as EventState, { severity: 'warning' });
    const numbers = (more: object) =>
      eventsDocument(snapshot, { ...options, ...more }).events.map(({ number }) => number);
    expect(numbers({ severity: 'error' })).toEqual([2, 3, 4]);
    expect(numbers({ device: 0 })).toEqual([1, 3]);
    expect(numbers({ pid: FIRST_PID + 1 })).toEqual([2]);
    const document = eventsDocument(snapshot, { ...options, limit: 1 });
    expect(document).toMatchObject({ notShown: 3, events: [{ number: 4 }] });
  });

  it('what the daemon no longer keeps is told; when following, what came and went between two looks', () => {
    const snapshot = crowd({ clients: 4 });
    snapshot.events?.splice(0, 2);
    expect(eventsDocument(snapshot, options)).toMatchObject({ lost: 2, events: [{ number: 3 }, { number: 4 }] });
    expect(eventsDocument(snapshot, { ...options, seen: 3 })).toMatchObject({ lost: 0, events: [{ number: 4 }] });
    expect(renderEvents(eventsDocument(snapshot, options), plain, options)).toMatch(
      /^2 older ones are no longer kept\n/,
    );
  });

  it('none', () => {
    const document = eventsDocument(crowd({ clients: 0 }), options);
    expect(document.lost).toBe(0);
    expect(renderEvents(document, plain, options)).toBe('no events');
  });
});
