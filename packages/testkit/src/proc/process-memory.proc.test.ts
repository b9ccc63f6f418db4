/** Memory of a client process that no daemon made: mapped by its pointer, as a C program's malloc is (uapi.md 5.4). */
import { readFileSync } from 'node:fs';
import { type Device, openDevice } from '@pedrera/thunk';
import { MEM_FLAGS } from '@pedrera/uapi';
import { allowTracer, type MappedView, SharedMemory } from '@pedrera/wire';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fileDaemon } from './support/file-daemon.js';
import { refusal } from './support/refusal.js';

const daemon = fileDaemon({ beforeAll, afterEach, afterAll }, { devices: 1 });

const MIB = 2 ** 20;
const PAGE = 4096;
let device: Device;
const open: { memory: SharedMemory; view: MappedView }[] = [];

beforeEach(async () => {
  device = await openDevice(0, { socketPath: daemon().socketPath });
  allowTracer(daemon().process.pid);
});

afterEach(async () => {
  await device.close();
  for (const { memory, view } of open.splice(0)) {
    view.unmap();
    memory.close();
  }
});

/** Memory of this process, and its address. */
function allocate(name: string, size: number): { bytes: Uint8Array; address: number } {
  const memory = SharedMemory.create(name, size);
  const view = memory.map(0, size);
  open.push({ memory, view });
  const maps = readFileSync('/proc/self/maps', 'utf8').split('\n');
  const line = maps.find((text) => text.includes(`/memfd:${name} `)) as string;
  return { bytes: view.bytes, address: Number.parseInt(line, 16) };
}

const map = async (hostVirtAddr: number, size: number) =>
  (await device.ioctl('MEMORY_MAP_HOST', { hostVirtAddr, hintAddr: 0, size, flags: MEM_FLAGS.USERPTR })).deviceVirtAddr;

async function copy(from: number, to: number, size: number): Promise<void> {
  const cb = await device.createCommandBuffer();
  cb.linDma({ from, to, size });
  await (await device.submit({ queue: 0, cb })).wait();
  await cb.destroy();
}

describe('process memory', () => {
  it('there-and-back-through-hbm', async () => {
    const size = 8 * MIB;
    const { bytes, address } = allocate('there-and-back', 2 * size);
    for (let i = 0; i < size; i++) {
      bytes[i] = (i * 31) >>> 3;
    }
    const va = await map(address + 100, 2 * size - 100);
    expect(va % PAGE).toBe(100);
    const hbm = await device.allocHbm(size);
    await copy(va, hbm.deviceAddress, size - 100);
    await copy(hbm.deviceAddress, va + size, size - 100);
    expect(Buffer.compare(bytes.subarray(size + 100, 2 * size), bytes.subarray(100, size))).toBe(0);
    await device.ioctl('MEMORY_UNMAP', { deviceVirtAddr: va });
    await hbm.free();
  });

  it('beyond-its-end-is-EFAULT-beyond-the-mapping-a-fault', async () => {
    const { address } = allocate('its-end', 4 * PAGE);
    expect(await refusal(map(address, 2 ** 40))).toMatch(/^EFAULT/);
    expect(await refusal(map(address + 4 * PAGE - 1, 0))).toMatch(/^EINVAL/);
    const va = await map(address, 2 * PAGE);
    const hbm = await device.allocHbm(MIB);
    await copy(va, hbm.deviceAddress, 2 * PAGE);
    await expect(copy(va, hbm.deviceAddress, 2 * PAGE + 1)).rejects.toMatchObject({ code: 'EIO' });
    // The stream goes on.
    await copy(va, hbm.deviceAddress, PAGE);
    await device.ioctl('MEMORY_UNMAP', { deviceVirtAddr: va });
    await expect(copy(va, hbm.deviceAddress, 8)).rejects.toMatchObject({ code: 'EIO' });
    await hbm.free();
  });
});
