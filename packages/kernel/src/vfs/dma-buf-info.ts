/**
 * /sys/kernel/debug/dma_buf: the dma-bufs of the machine, as the kernel shows them (drivers/dma-buf/dma-buf.c of 6.1), and what
 * they come to for each device, which is this project's own.
 *
 * Owns: the text. Must not know paths.
 */
import { FILE_FLAGS } from '@pedrera/uapi';
import type { DmaBuf } from '../core/dma-buf/dma-buf.js';
import type { ImporterDevice } from '../core/dma-buf/exporter.js';
import { type ReservedFence, USAGE } from '../core/fence/reservation.js';
import type { Machine } from '../core/machine.js';
import { debugfsFile } from './attributes.js';
import { pciAddress } from './pci.js';
import { type DirectoryNode, directory } from './tree.js';

const DIGITS = 8;
const ACCESS_MODE = FILE_FLAGS.O_WRONLY | FILE_FLAGS.O_RDWR;
/** As the file of an anonymous inode has them: opened, can seek; FMODE_READ and FMODE_WRITE are the access mode and one. */
const FMODE_OPENED = 0x80000;
const FMODE_LSEEK = 0x4;

const USAGE_NAMES = ['kernel', 'write', 'read', 'bookkeep'] as const;

export function dmaBufDirectory(machine: Machine): DirectoryNode {
  return directory({
    bufinfo: () => debugfsFile({ mode: 0o444, show: () => bufInfo(machine) }),
    device_totals: () => debugfsFile({ mode: 0o444, show: () => deviceTotals(machine) }),
  });
}

/** dma_buf_debug_show(): the newest first, as it stands at the head of the kernel's list. */
function bufInfo(machine: Machine): string {
  machine.drainInterrupts();
  const objects = [...machine.dmaBufs].reverse();
  const bytes = objects.reduce((sum, { size }) => sum + size, 0);
  const columns = ['size', 'flags', 'mode', 'count'].map((title) => title.padEnd(DIGITS));
  return [
    '\nDma-buf Objects:\n',
    `${columns.join('\t')}\texp_name\t${'ino'.padEnd(DIGITS)}\tname\n`,
    ...objects.map((object) => describe(machine, object)),
    `\nTotal ${objects.length} objects, ${bytes} bytes\n`,
  ].join('');
}

function describe(machine: Machine, object: DmaBuf): string {
  const flags = object.fileFlags & (ACCESS_MODE | FILE_FLAGS.O_NONBLOCK);
  const mode = FMODE_OPENED | FMODE_LSEEK | (((flags & ACCESS_MODE) + 1) & ACCESS_MODE);
  const numbers = [decimal(object.size), hex(flags), hex(mode), decimal(object.refs)];
  const name = object.name === '' ? '<none>' : object.name;
  const attached = [...object.attachments].map(({ importer }) => `\t${deviceName(machine, importer)}\n`);
  return [
    `${numbers.join('\t')}\t${object.exporter.name}\t${decimal(object.id)}\t${name}\n`,
    ...object.reservation.entries(USAGE.READ).map(fenceLine),
    '\tAttached Devices:\n',
    ...attached,
    `Total ${attached.length} devices attached\n\n`,
  ].join('');
}

/** dma_resv_describe(), which leaves out the fences that nobody waits for, and dma_fence_describe(). */
function fenceLine({ fence, usage }: ReservedFence): string {
  const { driverName, timelineName } = fence.timeline;
  const state = fence.signalled ? 'signalled' : 'unsignalled';
  return `\t${USAGE_NAMES[usage]} fence:${driverName} ${timelineName} seq ${fence.seqno} ${state}\n`;
}

/** dev_name(): a network card is known by its node. */
function deviceName({ devices }: Machine, { device, name }: ImporterDevice): string {
  const known = device === undefined ? undefined : devices[device];
  return known === undefined ? name : pciAddress(known);
}

interface Totals {
  exported: number;
  bytes: number;
  imported: number;
  importedBytes: number;
}

/** What each device has exported, and what is attached to it. */
function deviceTotals(machine: Machine): string {
  const byDevice = new Map<string, Totals>();
  const totalsOf = (name: string) => {
    const known = byDevice.get(name) ?? { exported: 0, bytes: 0, imported: 0, importedBytes: 0 };
    byDevice.set(name, known);
    return known;
  };
  for (const device of machine.devices) {
    totalsOf(pciAddress(device));
  }
  for (const { exporter, size, attachments } of machine.dmaBufs) {
    const own = totalsOf(pciAddress(exporter.context.device));
    own.exported++;
    own.bytes += size;
    for (const { importer } of attachments) {
      const his = totalsOf(deviceName(machine, importer));
      his.imported++;
      his.importedBytes += size;
    }
  }
  const rows = [...byDevice].map(([name, { exported, bytes, imported, importedBytes }]) =>
    [name.padEnd(12), ...[exported, bytes, imported, importedBytes].map(decimal)].join('\t'),
  );
  const head = [
    'device'.padEnd(12),
    ...['exported', 'bytes', 'attached', 'bytes'].map((title) => title.padEnd(DIGITS)),
  ];
  return `${[head.join('\t').trimEnd(), ...rows].join('\n')}\n`;
}

function decimal(value: number): string {
  return String(value).padStart(DIGITS, '0');
}

function hex(value: number): string {
  return value.toString(16).padStart(DIGITS, '0');
}
