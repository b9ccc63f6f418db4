/**
 * MAPPINGS: the address space of each context: ranges, mappings, the walk of one address, the last fault.
 *
 * Owns: what a mapping and the end of a walk are called. Reads only.
 */
import { type AddressWalk, formatAddress } from '@pedrera/hw';
import { type AddressSpaceState, hostBufferIdAt, type Snapshot } from '@pedrera/uapi';
import type { Context } from '../context.js';
import type { LiveMapping } from '../mapping.js';
import { type Chapter, concerns, type Moment, milliseconds, Notes, type Row } from './moment.js';

type MappingState = AddressSpaceState['mappings'][number];
interface SpaceRow {
  readonly space: AddressSpaceState;
}
interface MappingRow {
  readonly mapping: MappingState;
}

/** Walks that were made before the moment, by device and ASID. */
export type Walks = ReadonlyMap<string, AddressWalk | null>;

export function walkKey(device: number, asid: number): string {
  return `${device} ${asid}`;
}

export function mappingsChapter(moment: Moment): Chapter {
  const rows = new Notes<SpaceRow | MappingRow>();
  for (const device of moment.devices) {
    for (const context of device.contexts) {
      if (concerns(moment, context.pid)) {
        rows.add(showSpace, moment, spaceRow(context, moment));
        for (const mapping of context.addressSpace.mappings()) {
          rows.add(showMapping, moment, mapping);
        }
      }
    }
  }
  let last: AddressSpaceState | undefined;
  const open = (page: Snapshot) => {
    page.mappings ??= [];
    return page.mappings;
  };
  return {
    rows,
    light: true,
    open,
    put(page, row: SpaceRow | MappingRow) {
      const spaces = open(page);
      if ('space' in row) {
        last = row.space;
        spaces.push(row.space);
        return;
      }
      if (spaces.at(-1) === undefined && last !== undefined) {
        // It goes on from the page before.
        spaces.push({ ...last, mappings: [] });
      }
      spaces.at(-1)?.mappings.push(row.mapping);
    },
  };
}

function showSpace(space: Row<AddressSpaceState>): SpaceRow {
  return { space: space() };
}

function showMapping(mapping: LiveMapping): MappingRow {
  return { mapping: shown(mapping) };
}

function spaceRow(context: Context, moment: Moment): Row<AddressSpaceState> {
  const { asid, pid, addressSpace, lastFault, device } = context;
  const { mappedBytes } = addressSpace;
  const ranges = addressSpace.rangesInUse();
  const walk = moment.address === 0 ? null : walked(context, moment);
  return () => ({
    device: device.index,
    asid,
    pid,
    program: moment.books.programOf(pid),
    ranges,
    mappings: [],
    mappedBytes,
    walk,
    lastFault:
      lastFault === undefined
        ? null
        : { address: lastFault.address, text: lastFault.text, ageMs: milliseconds(moment.nowNs - lastFault.atNs) },
  });
}

/** A mapping never changes: what is said of it later was so at the moment. */
function shown({ va, size, source, writable, pieces }: LiveMapping): MappingState {
  switch (source.kind) {
    case 'device':
      return { va, size, writable, kind: 'hbm', what: `device memory ${source.handle}${inPieces(pieces.length)}` };
    case 'import':
      return { va, size, writable, kind: 'dma-buf', what: `dma-buf ${source.id}` };
    case 'host': {
      const { address, pid } = source;
      const buffer = hostBufferIdAt(address);
      return buffer === undefined
        ? { va, size, writable, kind: 'user memory', what: `memory of process ${pid} at ${formatAddress(address)}` }
        : { va, size, writable, kind: 'host', what: `host buffer ${buffer}` };
    }
  }
}

function inPieces(count: number): string {
  return count > 1 ? ` in ${count} pieces` : '';
}

function walked(context: Context, { address, walks }: Moment): AddressSpaceState['walk'] {
  const { device, asid, addressSpace } = context;
  let mapping: number | null = null;
  for (const { va, size, pageOffset } of addressSpace.mappings()) {
    if (address >= va - pageOffset && address < va + size) {
      mapping = va;
    }
  }
  const end = walks.get(walkKey(device.index, asid));
  if (end === undefined) {
    return null;
  }
  if (end === null) {
    return { va: address, outcome: 'unmapped', target: null, mapping };
  }
  return { va: address, outcome: 'mapped', target: targetOf(end), mapping };
}

const SPACES: Record<AddressWalk['space'], string> = {
  hbm: 'HBM',
  sram: 'SRAM',
  registers: 'registers',
  bus: 'host bus',
  peer: 'HBM',
  'peer-registers': 'registers',
};

function targetOf({ space, address, device, writable }: AddressWalk): string {
  const where = device === null ? SPACES[space] : `${SPACES[space]} of hl${device}`;
  return `${where} ${formatAddress(address)}${writable ? '' : ', read only'}`;
}
