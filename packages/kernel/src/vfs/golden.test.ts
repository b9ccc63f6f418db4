/**
 * Every file of sysfs and debugfs of a busy device, compared with the text it should have. The clock is virtual and the
 * silicon runs in the same thread, so nothing of the text has to be made alike first.
 */
import {
  CFG_BASE,
  encodeFence,
  encodeMsgLong,
  encodeNop,
  fenceRdataAddress,
  monitorArm,
  monitorRegisters,
  SRAM_USER_BASE,
  sobAddress,
  sobValue,
} from '@pedrera/hw';
import { describe, expect, it } from 'vitest';
import { CommandBuffer, HostBuffer } from '../core/command-buffer.js';
import { mapHostMemory } from '../core/host-mapping.js';
import type { OpenFile } from '../core/open-file.js';
import { TestRig } from '../core/test-rig.js';
import { VirtualFiles } from './virtual-files.js';

const E_N = 2;
const W_S = 0;
const PAGE_2M = 2 ** 21;
const MEBI = 2 ** 20;

/** A long dump of nothing says nothing. */
const UNREAD = new Set(['eeprom', 'data_dma', 'monitor_dump']);

function visible(text: string): string {
  const shown = text.replaceAll('\0', '<NUL>');
  return shown.endsWith('\n') || shown === '' ? shown : `${shown}<no newline>\n`;
}

async function render(files: VirtualFiles, directory: string): Promise<string> {
  let text = '';
  for (const { name, kind, mode } of files.list(directory)) {
    const path = `${directory}/${name}`;
    const head = `=== ${path} ${kind} ${mode.toString(8).padStart(4, '0')}`;
    if (kind === 'dir') {
      text += `${head}\n${await render(files, path)}`;
    } else if (kind === 'link') {
      text += `${head} -> ${files.stat(path).target}\n`;
    } else if (UNREAD.has(name)) {
      text += `${head}, ${(await files.read(path, 0, 2 ** 20)).length} bytes\n`;
    } else {
      const content = await files.read(path, 0, 65536).then(
        (bytes) => Buffer.from(bytes).toString('latin1'),
        (error: Error) => `<${error.message}>`,
      );
      text += `${head}\n${visible(content)}`;
    }
  }
  return text;
}

/** A host buffer of one file, mapped. */
function mapBuffer(file: OpenFile, size: number): { buffer: HostBuffer; va: number } {
  const buffer = new HostBuffer(file, size);
  const va = mapHostMemory(file, { address: buffer.address, size, hint: 0, forceHint: false });
  return { buffer, va };
}

/**
 * A submission on DMA_1_0 that waits at a fence for SOB `sob`, which is 2, to become 5, under `exclusive` with a job on
 * DMA_2_0 too; and one behind it.
 */
async function submitBlocked(rig: TestRig, file: OpenFile, sob: number, monitor: number): Promise<void> {
  const registers = monitorRegisters(E_N, monitor);
  const fence = fenceRdataAddress(4, 3);
  const arm = monitorArm({ group: sob >> 3, mask: 0xff & ~(1 << (sob & 7)), mode: 'ge', value: 5 });
  const blocked = rig.chunk(file, 4, (words) => {
    let at = 0;
    for (const [address, value] of [
      [sobAddress(E_N, sob), sobValue('set', 2)],
      [registers.addressLow, fence % 2 ** 32],
      [registers.addressHigh, Math.floor(fence / 2 ** 32)],
      [registers.data, 1],
      [registers.arm, arm],
    ] as const) {
      at = encodeMsgLong(words, at, { address, value });
    }
    return encodeFence(words, at, { id: 3, target: 1, dec: 1 });
  });
  const chunksExecute = [blocked];
  if (file.device.policy.ownsDevice) {
    chunksExecute.push(await rig.sramChunk(9, SRAM_USER_BASE, (words) => encodeNop(words, 0)));
  }
  rig.csNow(file, { chunksExecute });
  rig.csNow(file, { chunksExecute: [rig.chunk(file, 4, (words) => encodeNop(words, 0))] });
}

/** HBM by a handle, mapped. */
function allocate(file: OpenFile, size: number): number {
  const { memory } = file.device;
  const context = file.requireContext;
  const allocation = memory.allocate({ size, pageSize: 0, contiguous: false, shared: false, ownerAsid: context.asid });
  context.allocations.add(allocation);
  return context.addressSpace.map({
    range: 'dram',
    size,
    source: { kind: 'device', handle: allocation.handle },
    pieces: allocation.extents.map((extent) => ({ space: 'hbm', ...extent })),
    pageOffset: 0,
    pageSize: PAGE_2M,
    alignment: PAGE_2M,
    hint: 0,
    forceHint: false,
    writable: true,
    onUnmapped: () => undefined,
  });
}

const DEBUGFS = '/sys/kernel/debug/habanalabs/hl0';

function write(files: VirtualFiles, name: string, text: string): Promise<number> {
  return files.write(`${DEBUGFS}/${name}`, 0, Buffer.from(text));
}

describe('a busy device', () => {
  it('exclusive', async () => {
    await using rig = new TestRig('exclusive', 1);
    const files = new VirtualFiles(rig.machine);
    const file = await rig.open();
    const { buffer, va } = mapBuffer(file, 8192);
    buffer.range.bytes().set([0x78, 0x56, 0x34, 0x12, 0xef, 0xcd, 0xab, 0x90]);
    mapBuffer(file, 16 * MEBI);
    new CommandBuffer(file, file.requireContext, 5000).map();
    await submitBlocked(rig, file, 21, 7);
    rig.run();
    await rig.device().stateDumps.take();
    await write(files, 'addr', `0x${va.toString(16)}\0`);
    await write(files, 'userptr_lookup', `0x${(buffer.address + 0x123).toString(16)}`);
    await write(files, 'mmu', `1 0x${(va + 0x123).toString(16)}`);
    await write(files, 'dma_size', '10').catch(() => 0);
    await write(files, 'monitor_dump_trig', '1');
    const text =
      (await render(files, '/sys/devices/virtual/habanalabs')) +
      (await render(files, '/sys/devices/pci0000:00')) +
      (await render(files, DEBUGFS));
    await expect(text).toMatchFileSnapshot('golden/exclusive.txt');
    await rig.device().hardware.writeRegister(sobAddress(E_N, 21) - CFG_BASE, 5);
    rig.run();
  });

  it('shared, two contexts', async () => {
    await using rig = new TestRig('shared', 2);
    const files = new VirtualFiles(rig.machine);
    const [one, two] = [await rig.open(), await rig.open()];
    for (const file of [one, two]) {
      const { firstSob, firstMonitor } = file.requireContext.leases.leaseSync(E_N, { syncObjects: 8, monitors: 2 });
      file.requireContext.leases.heldOrLeased(W_S);
      mapBuffer(file, 4096);
      allocate(file, 3 * PAGE_2M);
      await submitBlocked(rig, file, firstSob, firstMonitor);
    }
    rig.run();
    await rig.device().stateDumps.take();
    await write(files, 'mmu', '2 0x27fc000000010');
    const text =
      (await render(files, '/sys/class')) + (await render(files, '/sys/dev')) + (await render(files, DEBUGFS));
    await expect(text).toMatchFileSnapshot('golden/shared.txt');
  });

  it('a device nobody uses', async () => {
    await using rig = new TestRig('exclusive', 1);
    const files = new VirtualFiles(rig.machine);
    await expect(await render(files, DEBUGFS)).toMatchFileSnapshot('golden/idle.txt');
  });
});
