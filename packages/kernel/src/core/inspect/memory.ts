/**
 * MEMORY: who has how much of which memory.
 *
 * Owns: the sums, which are made of the same objects the allocators count: their totals agree. Reads only.
 */
import { DRAM_USER_SIZE, HOST_SLOT_COUNT, SRAM_USER_SIZE } from '@pedrera/hw';
import type { MemorySection, Snapshot } from '@pedrera/uapi';
import type { Context } from '../context.js';
import type { HlDevice } from '../device.js';
import { sramLeased } from './devices.js';
import { type Chapter, concerns, inWords, type Moment, type Row } from './moment.js';

type MemoryOfDevice = MemorySection['devices'][number];
type MemoryOwner = MemorySection['owners'][number];
type MemoryRow = { readonly device: MemoryOfDevice } | { readonly owner: MemoryOwner };

export function memoryChapter(moment: Moment): Chapter {
  const rows: Row<MemoryRow>[] = [];
  for (const device of moment.devices) {
    const state = memoryOf(device);
    rows.push(() => ({ device: state }));
  }
  for (const owner of owners(moment)) {
    rows.push(() => ({ owner: { ...owner, program: moment.books.programOf(owner.pid) } }));
  }
  const open = (page: Snapshot): MemorySection => {
    page.memory ??= { devices: [], owners: [] };
    return page.memory;
  };
  return {
    rows: inWords<MemoryRow>(rows),
    light: true,
    open,
    put(page, row: MemoryRow) {
      if ('device' in row) {
        open(page).devices.push(row.device);
      } else {
        open(page).owners.push(row.owner);
      }
    },
  };
}

function memoryOf(device: HlDevice): MemoryOfDevice {
  let allocatedBytes = 0;
  for (const { size } of device.memory.live) {
    allocatedBytes += size;
  }
  let commandBufferBytes = 0;
  for (const { patchedPool } of device.contexts) {
    commandBufferBytes += patchedPool.liveBytes;
  }
  return {
    device: device.index,
    hbm: {
      total: DRAM_USER_SIZE,
      used: Math.max(0, device.hbmUsed),
      allocatedBytes,
      allocations: device.memory.live.size,
    },
    sram: { size: SRAM_USER_SIZE, leased: sramLeased(device) },
    commandBufferBytes,
    busSlots: { total: HOST_SLOT_COUNT, used: device.bus.slotsInUse },
  };
}

type OwnerSums = Omit<MemoryOwner, 'program'>;

function nothing(pid: number, device: number | null, asid: number | null, alive: boolean): OwnerSums {
  return {
    pid,
    device,
    asid,
    alive,
    hbmBytes: 0,
    hbmAllocations: 0,
    exportedBytes: 0,
    sramBytes: 0,
    hostBytes: 0,
    commandBufferBytes: 0,
    mappedBytes: 0,
  };
}

/** Contexts whose file is open. */
export function openContexts({ files }: HlDevice): Set<Context> {
  const open = new Set<Context>();
  for (const { context } of files) {
    if (context !== undefined) {
      open.add(context);
    }
  }
  return open;
}

/** A row for each context, and for each process whose context is gone while others keep its memory. */
function owners(moment: Moment): OwnerSums[] {
  const rows: OwnerSums[] = [];
  for (const device of moment.devices) {
    const byContext = new Map<object, OwnerSums>();
    const open = openContexts(device);
    for (const context of device.contexts) {
      byContext.set(context, ownerOf(device, context, open.has(context)));
    }
    const leftBehind = new Map<number, OwnerSums>();
    addAllocations(device, byContext, leftBehind);
    for (const { context, hostMemory } of device.files) {
      const own = context === undefined ? undefined : byContext.get(context);
      if (own !== undefined) {
        own.hostBytes = hostMemory.allocated;
      }
    }
    addKeptBuffers(moment, device, byContext);
    rows.push(...byContext.values(), ...leftBehind.values());
  }
  return rows.filter(({ pid }) => concerns(moment, pid));
}

function ownerOf(device: HlDevice, context: Context, alive: boolean): OwnerSums {
  const { pid, asid, addressSpace, patchedPool, leases } = context;
  return {
    ...nothing(pid, device.index, asid, alive),
    // Only counted under `exclusive`; by allocation otherwise.
    hbmBytes: device.policy.ownsDevice ? Math.max(0, context.dramUsed) : 0,
    sramBytes: leases.sram?.size ?? 0,
    commandBufferBytes: patchedPool.liveBytes,
    mappedBytes: addressSpace.mappedBytes,
  };
}

/** Memory whose context is gone is still its process's, as long as somebody keeps it. */
function addAllocations(
  device: HlDevice,
  byContext: ReadonlyMap<object, OwnerSums>,
  leftBehind: Map<number, OwnerSums>,
): void {
  for (const { size, exports, owner = { pid: 0 } } of device.memory.live) {
    let sums = byContext.get(owner) ?? leftBehind.get(owner.pid);
    if (sums === undefined) {
      sums = nothing(owner.pid, device.index, null, false);
      leftBehind.set(owner.pid, sums);
    }
    sums.hbmBytes += size;
    sums.hbmAllocations++;
    sums.exportedBytes += exports > 0 ? size : 0;
  }
}

/** Host buffers of closed files that dma-bufs keep. */
function addKeptBuffers({ machine }: Moment, device: HlDevice, byContext: ReadonlyMap<object, OwnerSums>): void {
  const seen = new Set<object>();
  for (const { exporter } of machine.dmaBufs) {
    const buffer = exporter.hostBuffer;
    const own = byContext.get(exporter.context);
    if (exporter.context.device === device && buffer !== undefined && own?.alive === false && !seen.has(buffer)) {
      seen.add(buffer);
      own.hostBytes += buffer.range.length;
    }
  }
}
