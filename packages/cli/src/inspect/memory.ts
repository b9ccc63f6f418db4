/**
 * `pedrera mem`: who has how much of which memory.
 *
 * Owns: the document `pedrera.mem/1` and its text form. Must not know: how the daemon counts.
 */
import { type MemorySection, SNAPSHOT_SECTION, type Snapshot } from '@pedrera/uapi';
import { printable, type Style } from '../text/style.js';
import { type Column, drawTable, wrap } from '../text/table.js';
import { formatSize, orDash, plural } from '../text/units.js';
import type { Inspection } from './inspection.js';
import { cutRows, isIn, notShownLines, type Scope, type SortKeys, sortRows } from './rows.js';

export interface MemoryDocument {
  schema: 'pedrera.mem/1';
  policy: string;
  devices: MemorySection['devices'];
  owners: MemoryOwner[];
  /** How many more owners match. */
  notShown: number;
  /** Of all owners that match, shown or not. */
  totals: MemoryTotals;
}

export type MemoryOwner = MemorySection['owners'][number];
type MemoryTotals = Pick<MemoryOwner, (typeof SUMMED)[number]>;
type DeviceMemory = MemorySection['devices'][number];

interface MemoryOptions extends Scope {
  readonly sort: keyof typeof SORT_KEYS;
  readonly limit: number;
}

const SUMMED = [
  'hbmBytes',
  'hbmAllocations',
  'exportedBytes',
  'sramBytes',
  'hostBytes',
  'commandBufferBytes',
  'mappedBytes',
] as const satisfies readonly (keyof MemoryOwner)[];

const SORT_KEYS = {
  hbm: (row) => row.hbmBytes,
  host: (row) => row.hostBytes,
  cb: (row) => row.commandBufferBytes,
  mapped: (row) => row.mappedBytes,
  pid: (row) => -row.pid,
} as const satisfies SortKeys<MemoryOwner>;

const DEVICE_COLUMNS: readonly Column<DeviceMemory>[] = [
  { title: 'DEV', align: 'right', value: (row) => String(row.device) },
  { title: 'HBM', align: 'right', value: ({ hbm }) => formatSize(hbm.total) },
  { title: 'USED', align: 'right', value: ({ hbm }) => formatSize(hbm.used) },
  { title: 'ALLOCATED', align: 'right', value: ({ hbm }) => formatSize(hbm.allocatedBytes) },
  { title: 'ALLOCS', align: 'right', optional: true, value: ({ hbm }) => String(hbm.allocations) },
  {
    title: 'SRAM LEASED',
    align: 'right',
    value: ({ sram }) => `${formatSize(sram.leased)} of ${formatSize(sram.size)}`,
  },
  { title: 'CMD BUFFERS', align: 'right', optional: true, value: (row) => formatSize(row.commandBufferBytes) },
  { title: 'BUS SLOTS', align: 'right', value: ({ busSlots }) => `${busSlots.used} of ${busSlots.total}` },
];

const OWNER_COLUMNS: readonly Column<MemoryOwner>[] = [
  { title: 'PID', align: 'right', value: (row) => String(row.pid) },
  { title: 'DEV', align: 'right', value: (row) => orDash(row.device) },
  { title: 'ASID', align: 'right', value: (row) => orDash(row.asid) },
  { title: 'HBM', align: 'right', value: (row) => formatSize(row.hbmBytes) },
  { title: 'ALLOCS', align: 'right', optional: true, value: (row) => String(row.hbmAllocations) },
  { title: 'EXPORTED', align: 'right', value: (row) => formatSize(row.exportedBytes) },
  { title: 'SRAM', align: 'right', optional: true, value: (row) => formatSize(row.sramBytes) },
  { title: 'HOST', align: 'right', value: (row) => formatSize(row.hostBytes) },
  { title: 'CB', align: 'right', value: (row) => formatSize(row.commandBufferBytes) },
  { title: 'MAPPED', align: 'right', value: (row) => formatSize(row.mappedBytes) },
  {
    title: 'PROGRAM',
    shrink: true,
    value: (row) => `${printable(row.program)}${row.alive ? '' : ' (closed, kept by others)'}`,
  },
];

export function memoryInspection(options: MemoryOptions): Inspection<MemoryDocument> {
  return {
    fetch: async (session) => {
      // Of all processes: the allocators' totals are compared with the owners'.
      const { device } = options;
      return memoryDocument(await session.inspect({ sections: SNAPSHOT_SECTION.MEMORY, device }), options);
    },
    render: renderMemory,
  };
}

export function memoryDocument(snapshot: Snapshot, options: MemoryOptions): MemoryDocument {
  const owners = (snapshot.memory?.owners ?? []).filter((owner) => isIn(options, owner));
  const { rows, notShown } = cutRows(sortRows(owners, SORT_KEYS[options.sort]), options.limit);
  const devices = (snapshot.memory?.devices ?? []).filter(
    ({ device }) => options.device === undefined || device === options.device,
  );
  const totals = Object.fromEntries(
    SUMMED.map((field) => [field, owners.reduce((sum, owner) => sum + owner[field], 0)]),
  ) as MemoryTotals;
  return { schema: 'pedrera.mem/1', policy: snapshot.daemon.policy, devices, owners: rows, notShown, totals };
}

export function renderMemory(document: MemoryDocument, style: Style): string {
  return [
    ...drawTable(document.devices, DEVICE_COLUMNS, style),
    ...(document.policy === 'exclusive'
      ? [style.dim('exclusive policy: HBM is used by bare addresses, and only counted')]
      : []),
    ...document.devices.filter(disagrees).map((device) => style.red(disagreementText(device))),
    '',
    ...ownerLines(document, style),
  ].join('\n');
}

function ownerLines({ owners, notShown, totals }: MemoryDocument, style: Style): string[] {
  if (owners.length === 0) return ['nobody has any'];
  return [
    ...drawTable(owners, OWNER_COLUMNS, style),
    '',
    ...totalsLines(totals, style),
    ...notShownLines(notShown, 'owners', style),
  ];
}

/** The allocator and the books of allocations count the same memory twice. */
function disagrees({ hbm }: DeviceMemory): boolean {
  return hbm.used !== hbm.allocatedBytes;
}

function disagreementText({ device, hbm }: DeviceMemory): string {
  const [used, allocated] = [formatSize(hbm.used), formatSize(hbm.allocatedBytes)];
  return `device ${device}: the allocator has given away ${used}, the books know of ${allocated}: please report this`;
}

function totalsLines(totals: MemoryTotals, style: Style): string[] {
  const { hbmBytes, hbmAllocations, exportedBytes, sramBytes, hostBytes, commandBufferBytes } = totals;
  const pieces = [
    'all together:',
    `HBM ${formatSize(hbmBytes)} in ${plural(hbmAllocations, 'allocation')},`,
    `${formatSize(exportedBytes)} exported;`,
    `SRAM ${formatSize(sramBytes)},`,
    `host ${formatSize(hostBytes)},`,
    `command buffers ${formatSize(commandBufferBytes)}`,
  ];
  return wrap(pieces, style.width);
}
