/**
 * A context's translation of one address as debugfs `mmu` prints it: the physical address and the five hops (uapi.md 9.2,
 * device.md 1.3).
 *
 * Owns: the page-table entries as the hardware's format has them. The simulated MMU keeps ranges, not tables: tables are
 * numbered here as if they had been laid out for the mappings of this moment, in order, behind the tables of hop 0, so the
 * addresses mean nothing beyond this text; entries and physical address are what the device uses.
 */
import { ASID_COUNT, PAGE_SIZE_2M, PAGE_SIZE_4K } from '@pedrera/hw';
import type { Context } from '../core/context.js';
import { type LiveMapping, physicalAddress } from '../core/mapping.js';

/** Where the driver keeps its tables (device.md 1.1). */
const TABLES_BASE = 0x1000_0000;
const TABLE_SIZE = 0x1000;
const PTE_SIZE = 8;
/** Lowest bit of the index into the table of each hop. */
const SHIFTS = [48, 39, 30, 21, 12] as const;
const INDEX_ENTRIES = 512;
/** The first hop has two bits of the address. */
const HOP0_ENTRIES = 4;
const PRESENT = 1;
const LAST = 0x800;

/** The mapping that holds all of [va, va + size), of the bytes that were asked for. */
export function mappingAt(context: Context, va: number, size: number): LiveMapping | undefined {
  for (const mapping of context.addressSpace.mappings()) {
    if (va >= mapping.va && va + size <= mapping.va + mapping.size) {
      return mapping;
    }
  }
  return undefined;
}

export function formatTranslation(context: Context, va: number): string | undefined {
  const mapping = mappingAt(context, va, 1);
  const behind = context.addressSpace.translate(va);
  if (mapping === undefined || behind === undefined) {
    return undefined;
  }
  const physical = physicalAddress(behind);
  const lines = [`asid: ${context.asid}, virt_addr: 0x${va.toString(16)}, phys_addr: 0x${physical.toString(16)}`];
  const pageSize = mapping.pageSize >= PAGE_SIZE_2M ? PAGE_SIZE_2M : PAGE_SIZE_4K;
  const lastHop = pageSize === PAGE_SIZE_2M ? 3 : 4;
  for (let hop = 0; hop <= lastHop; hop++) {
    const table = tableAddress(context, va, hop);
    const entry = table + PTE_SIZE * indexAt(va, hop);
    const value =
      hop === lastHop
        ? physical - (physical % pageSize) + LAST + PRESENT
        : tableAddress(context, va, hop + 1) + PRESENT;
    lines.push(
      `hop${hop}_addr: 0x${table.toString(16)}`,
      `hop${hop}_pte_addr: 0x${entry.toString(16)}`,
      `hop${hop}_pte: 0x${value.toString(16)}`,
    );
  }
  return `${lines.join('\n')}\n`;
}

function indexAt(va: number, hop: number): number {
  return Math.floor(va / 2 ** (SHIFTS[hop] as number)) % (hop === 0 ? HOP0_ENTRIES : INDEX_ENTRIES);
}

/** Hop 0 has one table an ASID; below, each table covers one entry of the hop above. */
function tableAddress(context: Context, va: number, hop: number): number {
  if (hop === 0) {
    return TABLES_BASE + context.asid * TABLE_SIZE;
  }
  let number = ASID_COUNT;
  for (let above = 1; above < hop; above++) {
    number += tablesBelow(context, Number.POSITIVE_INFINITY, above);
  }
  return TABLES_BASE + (number + tablesBelow(context, va, hop)) * TABLE_SIZE;
}

/** How many tables of a hop the mappings need for addresses before the table of `va`. */
function tablesBelow(context: Context, va: number, hop: number): number {
  const span = 2 ** (SHIFTS[hop - 1] as number);
  const end = Math.floor(va / span);
  let tables = 0;
  let next = 0;
  for (const mapping of [...context.addressSpace.mappings()].sort((a, b) => a.va - b.va)) {
    const first = Math.max(next, Math.floor(mapping.va / span));
    const last = Math.min(end - 1, Math.floor((mapping.va + mapping.size - 1) / span));
    if (last >= first) {
      tables += last - first + 1;
      next = last + 1;
    }
  }
  return tables;
}
