/**
 * A snapshot as a program has it, put together from the pages it came in.
 *
 * Owns: how two pages become one. Must not know connections.
 */
import type { Snapshot } from '@pedrera/uapi';

export interface InspectOptions {
  /** Bits of SNAPSHOT_SECTION; a look costs what is asked for. */
  readonly sections: number;
  /** One device; all without it. */
  readonly device?: number | undefined;
  /** One process; all without it. */
  readonly pid?: number | undefined;
  /** A device address to walk in the address spaces shown ('mappings'). */
  readonly address?: number | undefined;
  /** The process whose waits the search for producers begins with: it does not get to all of very many. */
  readonly about?: number;
}

/** Adds a page to what came before it; `whole` is changed. */
export function addPage(whole: Snapshot, page: Snapshot): void {
  const { schema, timeNs, daemon, bufferTotals, producersLeft, queues, sync, mappings, memory, ...lists } = page;
  for (const [key, list] of Object.entries(lists) as [keyof typeof lists, unknown[]][]) {
    whole[key] ??= [];
    push(whole[key] as unknown[], list);
  }
  if (bufferTotals !== undefined) {
    whole.bufferTotals ??= bufferTotals;
  }
  if (producersLeft !== undefined) {
    whole.producersLeft ??= producersLeft;
  }
  if (memory !== undefined) {
    whole.memory ??= { devices: [], owners: [] };
    push(whole.memory.devices, memory.devices);
    push(whole.memory.owners, memory.owners);
  }
  // What a page says of a device, or of an address space, may go on on the next one.
  if (queues !== undefined) {
    whole.queues ??= [];
    join(whole.queues, queues, ({ index }) => index, ['queues']);
  }
  if (sync !== undefined) {
    whole.sync ??= [];
    join(whole.sync, sync, ({ device }) => device, ['objects', 'monitors', 'leases']);
  }
  if (mappings !== undefined) {
    whole.mappings ??= [];
    join(whole.mappings, mappings, ({ device, asid }) => `${device} ${asid}`, ['mappings']);
  }
}

function join<R extends object>(
  before: R[],
  page: readonly R[],
  identity: (row: R) => number | string,
  inner: (keyof R)[],
): void {
  for (const row of page) {
    const last = before.at(-1);
    if (last !== undefined && identity(last) === identity(row)) {
      for (const key of inner) {
        push(last[key] as unknown[], row[key] as unknown[]);
      }
    } else {
      before.push(row);
    }
  }
}

/** Not with a spread: there may be more than a call takes arguments. */
function push<T>(before: T[], list: readonly T[]): void {
  for (const item of list) {
    before.push(item);
  }
}
