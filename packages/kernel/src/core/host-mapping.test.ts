/** Memory of a real process, this one: what can be mapped, where it goes, and that the device reaches it (uapi.md 5.4). */
import { readFileSync } from 'node:fs';
import { BUS_SLOT_SIZE, DRAM_USER_BASE, encodeLinDma, encodeMsgLong, HOST_VA_USER_BASE } from '@pedrera/hw';
import { type MappedView, SharedMemory } from '@pedrera/wire';
import { describe, expect, it } from 'vitest';
import { mapHostMemory } from './host-mapping.js';
import type { OpenFile } from './open-file.js';
import { checkAddressable, readProcess, writeProcess } from './process-memory.js';
import { TestRig } from './test-rig.js';
import { codeOf } from './test-support.js';

const PAGE = 4096;
const NO_HINT = { hint: 0, forceHint: false };

/** Memory of this process with its address, as a C program has it. */
class Memory {
  readonly bytes: Uint8Array;
  readonly address: number;
  readonly #memory: SharedMemory;
  readonly #view: MappedView;

  constructor(name: string, size: number) {
    this.#memory = SharedMemory.create(name, size);
    this.#view = this.#memory.map(0, size);
    this.bytes = this.#view.bytes;
    const line = maps().find((text) => text.includes(`/memfd:${name} `)) as string;
    this.address = Number.parseInt(line, 16);
  }

  [Symbol.dispose](): void {
    this.#view.unmap();
    this.#memory.close();
  }
}

function maps(): string[] {
  return readFileSync('/proc/self/maps', 'utf8').split('\n');
}

function open(rig: TestRig): Promise<OpenFile> {
  return rig.open(0, 'primary', process.pid);
}

describe('mapping memory of a process', () => {
  it('the-device-reads-and-writes-it', async () => {
    await using rig = new TestRig('exclusive');
    using memory = new Memory('reads-and-writes', 4 * PAGE);
    const file = await open(rig);
    memory.bytes.set([1, 2, 3, 4, 5, 6, 7, 8], 100);
    const va = mapHostMemory(file, { address: memory.address + 100, size: 2 * PAGE, ...NO_HINT });
    expect(va).toBe(HOST_VA_USER_BASE + 100);
    rig.submit(file, 0, (words) => encodeLinDma(words, 0, { size: 8, src: va, dst: DRAM_USER_BASE }));
    rig.submit(file, 0, (words) => encodeLinDma(words, 0, { size: 8, src: DRAM_USER_BASE, dst: va + PAGE }));
    const message = rig.submit(file, 0, (words) => encodeMsgLong(words, 0, { address: va + 200, value: 0x01020304 }));
    rig.run();
    expect(message.finished).toBe(true);
    expect([...memory.bytes.subarray(100 + PAGE, 108 + PAGE)]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect([...memory.bytes.subarray(300, 304)]).toEqual([4, 3, 2, 1]);
    // The whole of the last page is mapped, the next one is not (uapi.md 5.4).
    const before = file.requireContext.faults;
    rig.submit(file, 0, (words) =>
      encodeLinDma(words, 0, { size: 8, src: va - 100 + 3 * PAGE - 8, dst: DRAM_USER_BASE }),
    );
    rig.run();
    expect(file.requireContext.faults).toBe(before);
    rig.submit(file, 0, (words) => encodeLinDma(words, 0, { size: 8, src: va - 100 + 3 * PAGE, dst: DRAM_USER_BASE }));
    rig.run();
    expect(file.requireContext.faults).toBe(before + 1);
    await file.requireContext.addressSpace.unmap(va);
  });

  it('what-is-no-memory-is-EFAULT-and-takes-nothing', async () => {
    await using rig = new TestRig('shared');
    using memory = new Memory('no-memory', 4 * PAGE);
    const file = await open(rig);
    const map = (address: number, size: number) => codeOf(() => mapHostMemory(file, { address, size, ...NO_HINT }));
    expect(await map(8, 16)).toBe('EFAULT');
    expect(await map(2 ** 47, 16)).toBe('EFAULT');
    expect(await map(memory.address, 2 ** 40)).toBe('EFAULT');
    const readOnly = maps().find((line) => / r-xp .*node/.test(line) || / r--p .*libc/.test(line)) as string;
    // Private memory that may only be read can be had, as a copy; the device can read it.
    expect(await map(Number.parseInt(readOnly, 16), 16)).toBe('ok');
    const vvar = maps().find((line) => line.endsWith('[vvar]'));
    if (vvar !== undefined) {
      expect(await map(Number.parseInt(vvar, 16), 16)).toBe('EFAULT');
    }
    const { bus } = rig.device();
    expect(bus.slotsInUse).toBe(1);
    await rig.close(file);
    expect(bus.slotsInUse).toBe(0);
  });

  it('a-process-that-is-gone-has-none', async () => {
    expect(await codeOf(() => checkAddressable(2 ** 22 + 1, 0x1000, 16))).toBe('EFAULT');
  });

  it('small-mappings-of-one-window-share-its-slot', async () => {
    await using rig = new TestRig('shared');
    using memory = new Memory('one-window', 512 * PAGE);
    const file = await open(rig);
    const { bus } = rig.device();
    const windows = new Set<number>();
    const vas: number[] = [];
    for (let i = 0; i < 512; i++) {
      const address = memory.address + i * PAGE;
      windows.add(Math.floor(address / BUS_SLOT_SIZE));
      vas.push(mapHostMemory(file, { address, size: PAGE, ...NO_HINT }));
    }
    expect(bus.slotsInUse).toBe(windows.size);
    expect([...file.requireContext.addressSpace.mappings()][7]).toMatchObject({
      source: { kind: 'host', pid: process.pid, address: memory.address + 7 * PAGE },
      size: PAGE,
    });
    for (const va of vas) {
      await file.requireContext.addressSpace.unmap(va);
    }
    await rig.settle();
    expect(bus.slotsInUse).toBe(0);
  });

  it('a-range-over-several-windows-is-one-range-of-device-addresses', async () => {
    await using rig = new TestRig('exclusive');
    const size = 2 * BUS_SLOT_SIZE;
    using memory = new Memory('several-windows', size);
    const file = await open(rig);
    const va = mapHostMemory(file, { address: memory.address, size, ...NO_HINT });
    const { addressSpace } = file.requireContext;
    const { pieces } = [...addressSpace.mappings()][0] as { pieces: readonly { size: number }[] };
    expect(pieces.length).toBe(memory.address % BUS_SLOT_SIZE === 0 ? 2 : 3);
    // Across the border of two windows.
    const border = BUS_SLOT_SIZE - (memory.address % BUS_SLOT_SIZE);
    memory.bytes.set([9, 8, 7, 6], border - 2);
    rig.submit(file, 0, (words) => encodeLinDma(words, 0, { size: 4, src: va + border - 2, dst: va + 64 }));
    rig.run();
    expect([...memory.bytes.subarray(64, 68)]).toEqual([9, 8, 7, 6]);
    expect(rig.device().bus.read(addressSpace.translate(va + 64)?.address as number, 4)).toEqual(Buffer.of(9, 8, 7, 6));
    rig.device().bus.write(addressSpace.translate(va + 65)?.address as number, Uint8Array.of(1, 2));
    expect([...memory.bytes.subarray(64, 68)]).toEqual([9, 1, 2, 6]);
  });

  it('inspection-of-what-is-gone-is-EFAULT', async () => {
    expect(await codeOf(() => readProcess(process.pid, 8, 4))).toBe('EFAULT');
    expect(await codeOf(() => writeProcess(process.pid, 8, new Uint8Array(4)))).toBe('EFAULT');
  });
});
