/**
 * `pedrera vm`: what a process has mapped into its devices' address spaces, and where an address leads.
 *
 * Owns: the document `pedrera.vm/1` and its text form. Must not know: how a device translates.
 */
import { HlError } from '@pedrera/base';
import { type AddressSpaceState, SNAPSHOT_SECTION, type Snapshot } from '@pedrera/uapi';
import { type CliError, deviceError } from '../exit.js';
import { printable, type Style } from '../text/style.js';
import { type Column, drawTable, wrap } from '../text/table.js';
import { formatDuration, formatHex, formatSize, plural } from '../text/units.js';
import type { Inspection } from './inspection.js';
import { cutRows, isIn, notShownLines, type Scope } from './rows.js';

export interface AddressSpacesDocument {
  schema: 'pedrera.vm/1';
  pid: number;
  /** One for each context of the process. `notShown`: how many more mappings there are. */
  spaces: (AddressSpaceState & { notShown: number; walkNotes: string[]; faultNotes: string[] })[];
}

type Space = AddressSpacesDocument['spaces'][number];
type Mapping = AddressSpaceState['mappings'][number];
type Range = AddressSpaceState['ranges'][number];

interface AddressSpaceOptions extends Scope {
  readonly pid: number;
  readonly walk: number | undefined;
  readonly limit: number;
}

const RANGE_COLUMNS: readonly Column<Range>[] = [
  { title: '  RANGE', value: ({ name }) => `  ${name}` },
  { title: 'FROM', align: 'right', value: ({ start }) => formatHex(start) },
  { title: 'TO', align: 'right', value: ({ end }) => formatHex(end) },
  { title: 'SIZE', align: 'right', value: ({ start, end }) => formatSize(end - start) },
  { title: 'USED', align: 'right', value: ({ usedBytes }) => formatSize(usedBytes) },
];

const MAPPING_COLUMNS: readonly Column<Mapping>[] = [
  { title: '  ADDRESS', value: ({ va }) => `  ${formatHex(va)}` },
  { title: 'END', optional: true, value: ({ va, size }) => formatHex(va + size) },
  { title: 'SIZE', align: 'right', value: ({ size }) => formatSize(size) },
  { title: 'ACCESS', value: ({ writable }) => (writable ? 'rw' : 'r') },
  { title: 'KIND', value: ({ kind }) => kind },
  { title: 'WHAT', shrink: true, value: ({ what }) => printable(what) },
];

/** Farther away a mapping says nothing about an address. */
const NEAR_BYTES = 2 ** 34;

const NOTE_INDENT = { first: '  ', rest: '    ' };

export function addressSpaceInspection(options: AddressSpaceOptions): Inspection<AddressSpacesDocument> {
  const { pid, device, walk } = options;
  return {
    fetch: async (session) => {
      try {
        const snapshot = await session.inspect({ sections: SNAPSHOT_SECTION.MAPPINGS, device, pid, address: walk });
        return addressSpacesDocument(snapshot, options);
      } catch (error) {
        if (error instanceof HlError && error.code === 'ESRCH') throw noAddressSpace(options);
        throw error;
      }
    },
    render: renderAddressSpaces,
  };
}

export function addressSpacesDocument(snapshot: Snapshot, options: AddressSpaceOptions): AddressSpacesDocument {
  const { pid, limit } = options;
  const spaces = (snapshot.mappings ?? []).filter((space) => isIn(options, space));
  if (spaces.length === 0) throw noAddressSpace(options);
  return {
    schema: 'pedrera.vm/1',
    pid,
    spaces: spaces.map((space) => {
      const inOrder = [...space.mappings].sort((a, b) => a.va - b.va);
      const { rows, notShown } = cutRows(inOrder, limit);
      const { walk, lastFault } = space;
      return {
        ...space,
        mappings: rows,
        notShown,
        walkNotes: walk?.outcome === 'unmapped' ? neighbours(walk.va, space, inOrder) : [],
        faultNotes: lastFault === null ? [] : neighbours(lastFault.address, space, inOrder),
      };
    }),
  };
}

function noAddressSpace({ pid, device }: AddressSpaceOptions): CliError {
  const where = device === undefined ? '' : ` on device ${device}`;
  return deviceError(`process ${pid} has no address space${where}`, 'those that have: pedrera ps');
}

/** Most wrong addresses are a little beside a right one, or were right until they were unmapped. */
function neighbours(address: number, { ranges }: AddressSpaceState, mappings: readonly Mapping[]): string[] {
  const inside = mappings.find(({ va, size }) => address >= va && address < va + size);
  if (inside !== undefined) {
    const offset = formatHex(address - inside.va);
    return [`now inside the mapping at ${formatHex(inside.va)} (${inside.what}), at ${offset}`];
  }
  const range = ranges.find(({ start, end }) => address >= start && address < end);
  const below = mappings.filter(({ va, size }) => va + size <= address).at(-1);
  const above = mappings.find(({ va }) => va > address);
  const past = below === undefined ? NEAR_BYTES : address - below.va - below.size;
  const before = above === undefined ? NEAR_BYTES : above.va - address;
  const near = [
    ...(below === undefined || past >= NEAR_BYTES
      ? []
      : [`${formatSize(past)} past the end of ${formatHex(below.va)} (${below.what})`]),
    ...(above === undefined || before >= NEAR_BYTES
      ? []
      : [`${formatSize(before)} before ${formatHex(above.va)} (${above.what})`]),
  ];
  return [
    range === undefined ? 'in none of the ranges' : `in the range ${range.name}`,
    ...(near.length === 0 ? ['nothing is mapped near it'] : near),
  ];
}

export function renderAddressSpaces({ spaces }: AddressSpacesDocument, style: Style): string {
  return spaces.map((space) => spaceLines(space, style).join('\n')).join('\n\n');
}

function spaceLines(space: Space, style: Style): string[] {
  const count = space.mappings.length + space.notShown;
  const head = style.bold(`device ${space.device}, ASID ${space.asid}`);
  return [
    `${head}: pid ${space.pid}, ${printable(space.program)}; ${formatSize(space.mappedBytes)} in ${plural(count, 'mapping')}`,
    ...(space.ranges.length === 0 ? [] : [...drawTable(space.ranges, RANGE_COLUMNS, style), '']),
    ...mappingLines(space, style),
    ...walkLines(space, style),
    ...faultLines(space, style),
  ];
}

function mappingLines({ mappings, notShown }: Space, style: Style): string[] {
  if (mappings.length === 0) return ['  nothing is mapped'];
  const more = notShownLines(notShown, 'mappings', style).map((line) => `  ${line}`);
  return [...drawTable(mappings, MAPPING_COLUMNS, style), ...more];
}

function walkLines({ walk, walkNotes }: Space, style: Style): string[] {
  if (walk === null) return [];
  const address = formatHex(walk.va);
  if (walk.outcome === 'mapped') {
    const within = walk.mapping === null ? '' : `, in the mapping at ${formatHex(walk.mapping)}`;
    return ['', ...note(`${address} leads to ${walk.target ?? 'memory'}${within}`, style, style.green)];
  }
  return ['', ...note([`${address} leads nowhere`, ...walkNotes].join('; '), style, style.red)];
}

function faultLines({ lastFault, faultNotes }: Space, style: Style): string[] {
  if (lastFault === null) return [];
  const text = `last fault, ${formatDuration(lastFault.ageMs)} ago, at ${formatHex(lastFault.address)}: ${lastFault.text}`;
  return ['', ...note([text, ...faultNotes].join('; '), style, style.red)];
}

function note(text: string, style: Style, paint: (text: string) => string): string[] {
  return wrap(printable(text), style.width, NOTE_INDENT).map(paint);
}
