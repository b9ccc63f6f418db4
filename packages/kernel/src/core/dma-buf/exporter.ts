/**
 * The two roles around a dma-buf, as each sees the other (uapi.md 6.1, 6.2: struct dma_buf_ops, struct dma_buf_attach_ops).
 *
 * Owns: what an exporter has to offer, what an importer says of itself, the rules an exporter is checked by.
 * Must not know any particular exporter (exporters.ts) or importer (context-import.ts).
 */
import { errno } from '@pedrera/base';
import { DMA_DIRECTION } from '@pedrera/uapi';
import type { HostBuffer } from '../command-buffer.js';
import type { Context } from '../context.js';
import type { Allocation } from '../device-memory.js';
import type { Segment } from '../host-memory.js';
import type { Piece } from '../mapping.js';
import type { Attachment } from './attachment.js';

export type DmaBufKind = 'memory' | 'sync-objects' | 'host';

export type Direction = (typeof DMA_DIRECTION)[keyof typeof DMA_DIRECTION];

/** Errors: EINVAL. */
export function directionOf(value: number): Direction {
  if (
    value !== DMA_DIRECTION.BIDIRECTIONAL &&
    value !== DMA_DIRECTION.TO_DEVICE &&
    value !== DMA_DIRECTION.FROM_DEVICE
  ) {
    throw errno('EINVAL', `${value} is no direction; 0 is both, 1 to the device, 2 from it`);
  }
  return value;
}

/** Where the bytes are, as the importing device has to address them; one behind the other. */
export interface SgTable {
  readonly segments: readonly Piece[];
}

/** What processors of other processes can map. */
export interface HostWindow {
  readonly segment: Segment;
  /** Of the buffer's first byte in the segment. */
  readonly offset: number;
}

export interface DmaBufExporter {
  readonly kind: DmaBufKind;
  /** As fdinfo has it: the driver's. */
  readonly name: string;
  /** Whose memory it is; lives on as long as the dma-buf. */
  readonly context: Context;
  /** Bytes. */
  readonly size: number;
  /** Device memory that was given out, if that is what is behind it. */
  readonly allocation: Allocation | undefined;
  /** Mappings are kept until detach. Not for one that moves its memory. */
  readonly keepsMapping: boolean;
  /** A new importer; throwing is a veto. May take peer-to-peer access away from it. */
  attach?(attachment: Attachment): void;
  detach?(attachment: Attachment): void;
  /** Undefined: there is no memory for it. */
  map(attachment: Attachment, direction: Direction): SgTable | undefined;
  unmap(attachment: Attachment, table: SgTable, direction: Direction): void;
  /** The last reference is gone. */
  release(): void;
  /** An exporter that moves its memory has both. */
  pin?(attachment: Attachment): void;
  unpin?(attachment: Attachment): void;
  beginCpuAccess?(write: boolean): void;
  endCpuAccess?(write: boolean): void;
  /** Of kind 'sync-objects': which they are. */
  readonly syncRange?: { readonly dcore: number; readonly firstSyncObject: number; readonly count: number };
  /** Of kind 'host': the buffer it keeps. */
  readonly hostBuffer?: HostBuffer;
  /** Absent where processors cannot map it. */
  mmap?(): HostWindow;
}

/** Segments as long as they are. */
export const ANY_SEGMENT = Number.POSITIVE_INFINITY;

/** struct device of an importer. */
export interface ImporterDevice {
  /** For people: 'hl0', 'hli'. */
  readonly name: string;
  readonly pid: number;
  /** Index of a simulated device; undefined for what sits on the bus beside them. */
  readonly device: number | undefined;
  readonly asid: number;
  /** Makes host memory reachable for it; undefined where it cannot be. */
  readonly bus: ImporterBus | undefined;
  readonly maxSegmentBytes: number;
}

export interface ImporterBus {
  attach(segment: Segment): { readonly attachment: unknown; readonly address: number };
  detach(attachment: unknown): Promise<void>;
}

/** Of a dynamic importer: one that would follow memory that moves. */
export interface ImporterOps {
  readonly allowPeer2peer: boolean;
  readonly moveNotify?: (attachment: Attachment) => void;
}

/** As dma_buf_export() checks its caller. Errors: EINVAL. */
export function checkExporter(exporter: DmaBufExporter): void {
  const { pin, unpin, keepsMapping, size } = exporter;
  if ((pin === undefined) !== (unpin === undefined)) {
    throw errno('EINVAL', `exporter ${exporter.name} offers one of pin and unpin; both or none are expected`);
  }
  if (pin !== undefined && keepsMapping) {
    throw errno('EINVAL', `exporter ${exporter.name} moves its memory and cannot keep mappings`);
  }
  if (!(Number.isSafeInteger(size) && size > 0)) {
    throw errno('EINVAL', `a dma-buf of ${size} bytes`);
  }
}
