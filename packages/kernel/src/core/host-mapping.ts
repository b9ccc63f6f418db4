/**
 * From a host address to device addresses: the host variant of MEMORY MAP (uapi.md 5.4).
 *
 * Owns: the order of its checks, and whose memory an address names: a host buffer of the file, or the memory of the
 * process that opened it. Must not know how the device reaches either.
 */
import { errno } from '@pedrera/base';
import { hostBufferIdAt } from '@pedrera/uapi';
import { HostBuffer } from './command-buffer.js';
import { PAGE_SIZE, pageAlign } from './host-memory.js';
import { hostAlignment, hostPageSize, type Piece } from './mapping.js';
import type { OpenFile } from './open-file.js';
import { checkAddressable } from './process-memory.js';

export interface HostMapRequest {
  readonly address: number;
  readonly size: number;
  readonly hint: number;
  readonly forceHint: boolean;
  /** Whose memory an address names, if not that of the process that opened the file. */
  readonly pid?: number;
}

/** Memory made reachable for the device, until it is let go. */
interface Pinned {
  /** Whole pages, from the one the address lies in. */
  readonly pieces: readonly Piece[];
  readonly release: () => Promise<void>;
}

const U64_END = 2 ** 64;

/** Returns the device address. Errors: EINVAL, EFAULT, ENOMEM, in the driver's order. */
export function mapHostMemory(file: OpenFile, request: HostMapRequest): number {
  const { address, size, hint, forceHint } = request;
  const context = file.liveContext;
  const pid = request.pid ?? context.pid;
  if (size === 0) {
    throw errno('EINVAL', 'a mapping of no bytes');
  }
  if (address + size > U64_END - PAGE_SIZE) {
    throw errno('EINVAL', `0x${address.toString(16)} + ${size}, rounded up to pages, wraps around`);
  }
  const pinned =
    hostBufferIdAt(address) === undefined ? pinProcess(file, { pid, address, size }) : pinBuffer(file, address, size);
  try {
    return context.addressSpace.map({
      range: 'host',
      source: { kind: 'host', pid, address },
      size,
      pieces: pinned.pieces,
      pageOffset: address % PAGE_SIZE,
      pageSize: hostPageSize(pinned.pieces),
      alignment: hostAlignment(address),
      hint,
      forceHint,
      writable: true,
      // Pages stay pinned until UNMAP, also after the owner freed them (uapi.md 5.6).
      onUnmapped: pinned.release,
    });
  } catch (error) {
    void pinned.release();
    throw error;
  }
}

/** The pages of [address, address + size): where the first begins, and how many bytes they are. */
function pages(address: number, size: number): { start: number; length: number } {
  const start = address - (address % PAGE_SIZE);
  return { start, length: pageAlign(address + size - start) };
}

/** Errors: EFAULT unless the whole range lies in one host buffer of the file. */
function pinBuffer(file: OpenFile, address: number, size: number): Pinned {
  const buffer = file.hostBuffers.peek(hostBufferIdAt(address) ?? 0);
  if (!(buffer instanceof HostBuffer)) {
    throw errno('EFAULT', `0x${address.toString(16)} is not the address of a host buffer of this file`);
  }
  const offset = address - buffer.address;
  if (offset + size > buffer.range.length) {
    throw errno(
      'EFAULT',
      `${size} bytes at offset ${offset} reach past the host buffer's ${buffer.range.length} bytes`,
    );
  }
  const { bus } = file.device;
  const { attachment, address: segment } = bus.attach(buffer.range.segment);
  buffer.get();
  const { start, length } = pages(offset, size);
  return {
    pieces: [{ space: 'bus', address: segment + buffer.range.offset + start, size: length }],
    release: async () => {
      await bus.detach(attachment);
      buffer.put();
    },
  };
}

/** Errors: EFAULT unless the whole range is memory of the process (uapi.md 5.4). */
function pinProcess(file: OpenFile, { pid, address, size }: { pid: number; address: number; size: number }): Pinned {
  const { bus } = file.device;
  const { start, length } = pages(address, size);
  checkAddressable(pid, start, length);
  const { attachment, pieces } = bus.attachProcess(pid, start, length);
  return { pieces, release: () => bus.detachProcess(attachment) };
}
