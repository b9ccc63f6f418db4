/** Descriptors and memory of a real process, while it lives and after. */
import { closeSync, readFileSync } from 'node:fs';
import { HlError } from '@pedrera/base';
import { afterEach, describe, expect, it } from 'vitest';
import { EventFd, isEventFd } from './event-fd.unsafe.js';
import {
  allowTracer,
  ProcessMemory,
  pidfdGetfd,
  pidfdOpen,
  processVmRead,
  processVmWrite,
} from './other-process.unsafe.js';
import { ProcessAreas } from './process-areas.unsafe.js';
import { SharedMemory } from './shared-memory.unsafe.js';
import { Child } from './testing/child.js';

const PAGE = 4096;
const NO_PROCESS = 2 ** 22 + 1;
let child: Child | undefined;

afterEach(async () => {
  await child?.kill();
  child = undefined;
});

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return error instanceof HlError ? error.code : String(error);
  }
  return 'none';
}

/** Where a named memfd lies in a process. */
function addressIn(pid: number, name: string): number {
  const line = readFileSync(`/proc/${pid}/maps`, 'utf8')
    .split('\n')
    .find((text) => text.includes(`/memfd:${name} `));
  return Number.parseInt(line?.split('-')[0] ?? '', 16);
}

function outside(length: number): Buffer {
  return Buffer.allocUnsafeSlow(length);
}

describe('pidfdGetfd', () => {
  it('takes-an-event-counter-and-signals-its-owner', async () => {
    child = new Child(`
      wire.allowTracer(process.ppid);
      const counter = wire.EventFd.create(1);
      say(counter.fd);
      await heard();
      say(String(counter.take()));
      await heard();
    `);
    const theirs = (await child.says()) as number;
    const pid = child.process.pid as number;
    const fd = pidfdGetfd(pid, theirs);
    expect(isEventFd(fd)).toBe(true);
    const counter = EventFd.fromFd(fd);
    counter.signal();
    counter.close();
    child.tell('look');
    expect(await child.says()).toBe('2');
  });

  it('says-what-is-wrong', async () => {
    child = new Child(`wire.allowTracer(process.ppid); say('up'); await heard();`);
    await child.says();
    const pid = child.process.pid as number;
    expect(codeOf(() => pidfdGetfd(pid, 987))).toBe('EBADF');
    expect(codeOf(() => pidfdGetfd(pid, -1))).toBe('EBADF');
    const output = pidfdGetfd(pid, 1);
    expect(codeOf(() => EventFd.fromFd(output))).toBe('EINVAL');
    closeSync(output);
    expect(codeOf(() => pidfdGetfd(NO_PROCESS, 1))).toBe('ESRCH');
    const pidfd = pidfdOpen(pid);
    expect(pidfd).toBeGreaterThan(0);
    closeSync(pidfd);
    await child.kill();
    expect(codeOf(() => pidfdGetfd(pid, 1))).toBe('ESRCH');
    child = undefined;
  });
});

describe('memory of another process', () => {
  const CHILD = `
    wire.allowTracer(process.ppid);
    const memory = wire.SharedMemory.create('target', 3 * 4096);
    const view = memory.map(0, 3 * 4096);
    view.bytes.set([1, 2, 3], 4095);
    say('up');
    for (;;) { await heard(); say([...view.bytes.subarray(8188, 8196)]); }
  `;

  it('is-read-and-written-by-address', async () => {
    child = new Child(CHILD);
    await child.says();
    const pid = child.process.pid as number;
    const at = addressIn(pid, 'target');
    const bytes = outside(5);
    expect(processVmRead(pid, at + 4094, bytes)).toBe(5);
    expect([...bytes]).toEqual([0, 1, 2, 3, 0]);
    const own = SharedMemory.create('own', PAGE);
    const view = own.map(0, PAGE);
    view.bytes.set([5, 6, 7, 8], 100);
    expect(processVmWrite(pid, at + 8190, view.bytes.subarray(100, 104))).toBe(4);
    child.tell('look');
    expect(await child.says()).toEqual([0, 0, 5, 6, 7, 8, 0, 0]);
    view.unmap();
    own.close();
  });

  it('ends-where-it-ends', async () => {
    child = new Child(CHILD);
    await child.says();
    const pid = child.process.pid as number;
    expect(processVmRead(pid, 0, outside(16))).toBe(0);
    expect(processVmRead(pid, 2 ** 52, outside(16))).toBe(0);
    // The kernel's own pages of every process can be read, not written.
    const maps = readFileSync(`/proc/${pid}/maps`, 'utf8').split('\n');
    const vdso = Number.parseInt(maps.find((line) => line.endsWith('[vdso]'))?.split('-')[0] ?? '', 16);
    expect(processVmRead(pid, vdso, outside(16))).toBe(16);
    // The end of the stack is the end of memory: a read across it stops there.
    const stack = maps.find((line) => line.endsWith('[stack]')) as string;
    const end = Number.parseInt(/-([0-9a-f]+)/.exec(stack)?.[1] ?? '', 16);
    expect(processVmRead(pid, end - PAGE, outside(2 * PAGE))).toBe(PAGE);
    await child.kill();
    expect(codeOf(() => processVmRead(pid, end - PAGE, outside(16)))).toBe('ESRCH');
    expect(codeOf(() => processVmWrite(pid, end - PAGE, outside(16)))).toBe('ESRCH');
    child = undefined;
  });

  it('a-large-piece-comes-in-one-go', async () => {
    child = new Child(`
      wire.allowTracer(process.ppid);
      const memory = wire.SharedMemory.create('large', 1 << 26);
      const view = memory.map(0, 1 << 26);
      view.bytes.fill(0x5a);
      say('up');
      await heard();
    `);
    await child.says();
    const pid = child.process.pid as number;
    const bytes = new Uint8Array(new SharedArrayBuffer(1 << 26));
    expect(processVmRead(pid, addressIn(pid, 'large'), bytes)).toBe(1 << 26);
    expect(bytes.every((byte) => byte === 0x5a)).toBe(true);
  });
});

describe('ProcessAreas', () => {
  it('asked-and-listed-agree', async () => {
    child = new Child(`wire.allowTracer(process.ppid);
      const memory = wire.SharedMemory.create('area', 3 * 4096);
      const view = memory.map(0, 3 * 4096);
      say('up'); await heard(); say(view.length);`);
    await child.says();
    const pid = child.process.pid as number;
    const at = addressIn(pid, 'area');
    using areas = ProcessAreas.open(pid);
    const area = { start: at, end: at + 3 * PAGE, readable: true, writable: true, shared: true };
    for (const address of [at, at + 1, at + 3 * PAGE - 1]) {
      expect(areas.at(address)).toEqual(area);
    }
    expect(areas.at(0)).toBeUndefined();
    const stack = readFileSync(`/proc/${pid}/maps`, 'utf8')
      .split('\n')
      .find((line) => line.endsWith('[stack]')) as string;
    const [from = 0, to = 0] =
      stack
        .split(' ')[0]
        ?.split('-')
        .map((text) => Number.parseInt(text, 16)) ?? [];
    const asked = areas.at(to - 1);
    expect(asked).toMatchObject({ end: to, readable: true, writable: true, shared: false });
    expect(areas.at(to)).toEqual(areas.listed(to));
    expect(areas.listed(to - 1)).toEqual(asked);
    expect(areas.listed(at + PAGE)).toEqual(area);
    expect(areas.listed(0)).toBeUndefined();
    // From the list on, answers come from it.
    expect(areas.at(from)).toEqual(areas.listed(from));
    await child.kill();
    expect(codeOf(() => ProcessAreas.open(pid))).toBe('ESRCH');
    child = undefined;
  });
});

describe('ProcessMemory', () => {
  it('is-empty-once-the-process-has-ended', async () => {
    child = new Child(`wire.allowTracer(process.ppid);
      const memory = wire.SharedMemory.create('mine', 4096);
      const view = memory.map(0, 4096);
      view.bytes[7] = 7;
      say('up'); await heard(); say(view.bytes[8]); await heard();`);
    await child.says();
    const pid = child.process.pid as number;
    const at = addressIn(pid, 'mine');
    const memory = new ProcessMemory(pid);
    const bytes = outside(16);
    expect(memory.read(at, bytes)).toBe(16);
    expect(bytes[7]).toBe(7);
    bytes[8] = 9;
    expect(memory.write(at, bytes)).toBe(16);
    child.tell('look');
    expect(await child.says()).toBe(9);
    expect(memory.read(0, bytes)).toBe(0);
    await child.kill();
    expect(memory.alive).toBe(false);
    expect(memory.read(at, bytes)).toBe(0);
    expect(memory.write(at, bytes)).toBe(0);
    memory.close();
    memory.close();
    expect(codeOf(() => new ProcessMemory(NO_PROCESS))).toBe('ESRCH');
    child = undefined;
  });
});

describe('allowTracer', () => {
  it('is-no-error-where-no-consent-is-asked', () => {
    expect(typeof allowTracer(process.pid)).toBe('boolean');
  });
});
