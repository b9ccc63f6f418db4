/**
 * Exporter and importer side of a dma-buf (uapi.md 5.8, 6).
 *
 * Owns: what an exported range consists of, how an importer on the same or another device reaches it.
 * Must not know tokens on the wire or who asked.
 */
import { errno } from '@pedrera/base';
import { CFG_BASE, DCORE_COUNT, DRAM_PAGE_SIZE, peerCfgBusAddress, peerHbmBusAddress, sobAddress } from '@pedrera/hw';
import type { Context } from './context.js';
import type { Allocation } from './device-memory.js';
import type { DmaBuf, Importer } from './dma-buf.js';
import { PAGE_SIZE } from './host-memory.js';
import type { Machine } from './machine.js';
import type { Piece } from './mapping.js';

export interface MemoryRange {
  readonly pieces: readonly Piece[];
  readonly size: number;
  readonly allocation: Allocation | undefined;
}

/** Device memory as a dma-buf; born with the exporter's reference. */
export function exportMemory(machine: Machine, exporter: Context, range: MemoryRange): DmaBuf {
  return machine.dmaBufs.create({ kind: 'memory', exporter, ...range, bornNs: machine.clock.nowNs() });
}

/** Leased sync objects as a dma-buf. Errors: EINVAL for no objects or no such dcore, EPERM beyond the lease. */
export function exportSyncObjects(
  machine: Machine,
  exporter: Context,
  range: { dcore: number; firstSyncObject: number; count: number },
): DmaBuf {
  const { dcore, firstSyncObject, count } = range;
  const lease = exporter.heldLease(dcore);
  if (count < 1 || dcore >= DCORE_COUNT) {
    throw errno('EINVAL', `an export of ${count} sync objects of dcore ${dcore}`);
  }
  if (
    lease === undefined ||
    firstSyncObject < lease.firstSob ||
    firstSyncObject + count > lease.firstSob + lease.sobs
  ) {
    const held = lease === undefined ? 'nothing there' : `${lease.firstSob} to ${lease.firstSob + lease.sobs - 1}`;
    throw errno(
      'EPERM',
      `sync objects ${firstSyncObject} to ${firstSyncObject + count - 1} of dcore ${dcore}: this context holds ${held}`,
    );
  }
  const offset = sobAddress(dcore, firstSyncObject) - CFG_BASE;
  const size = 4 * count;
  return machine.dmaBufs.create({
    kind: 'sync-objects',
    exporter,
    pieces: [{ space: 'bus', address: peerCfgBusAddress(exporter.device.index, offset), size }],
    size,
    allocation: undefined,
    bornNs: machine.clock.nowNs(),
  });
}

/**
 * Attaches and maps. On the exporter's own device memory keeps its place in HBM; from another device everything goes over
 * the bus. Takes over the caller's reference, also when it fails.
 */
export function importDmaBuf(importer: Context, object: DmaBuf): { address: number; size: number } {
  const { kind, pieces, size, exporter } = object.fields;
  const local = kind === 'memory' && importer.device === exporter.device;
  let attachment: Importer | undefined;
  try {
    const address = importer.addressSpace.map({
      range: local ? 'dram' : 'host',
      source: { kind: 'import', id: object.id },
      size,
      // The very bytes that were exported: what lies beside them in the same page was not.
      exact: true,
      pieces: local ? pieces : pieces.map((piece) => overBus(piece, exporter.device.index)),
      // Sync objects keep the low bits of their register address.
      pageOffset: kind === 'memory' ? 0 : (pieces[0]?.address ?? 0) % PAGE_SIZE,
      pageSize: kind === 'memory' ? DRAM_PAGE_SIZE : PAGE_SIZE,
      alignment: kind === 'memory' ? DRAM_PAGE_SIZE : PAGE_SIZE,
      hint: 0,
      forceHint: false,
      writable: true,
      onUnmapped: () => {
        if (attachment !== undefined) {
          object.importers.delete(attachment);
        }
        object.put();
      },
    });
    attachment = { pid: importer.pid, device: importer.device.index, asid: importer.asid, address };
    object.importers.add(attachment);
    return { address, size };
  } catch (error) {
    object.put();
    throw error;
  }
}

function overBus(piece: Piece, device: number): Piece {
  return piece.space === 'bus'
    ? piece
    : { space: 'bus', address: peerHbmBusAddress(device, piece.address), size: piece.size };
}
