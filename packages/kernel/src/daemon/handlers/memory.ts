/** MEMORY: device memory and mappings (uapi.md 5). */
import { errno } from '@pedrera/base';
import { DRAM_PAGE_SIZE, DRAM_USER_BASE, DRAM_USER_END } from '@pedrera/hw';
import { type Handlers, hostBufferIdAt, MEM_FLAGS, memoryHandle, PAGE_SIZE } from '@pedrera/uapi';
import { HostBuffer } from '../../core/command-buffer.js';
import { hostAlignment } from '../../core/mapping.js';
import type { OpenFile } from '../../core/open-file.js';
import { exportMemory, type MemoryRange } from '../../core/sharing.js';
import type { Session } from '../session.js';

type MemoryCalls = Pick<Handlers<Session>, Extract<keyof Handlers<Session>, `MEMORY_${string}`>>;

const U64_END = 2 ** 64;

export const MEMORY_HANDLERS: MemoryCalls = {
  MEMORY_ALLOC(session, { size, flags }) {
    const file = session.openFile;
    const context = file.liveContext;
    const { device } = file;
    if (size === 0) {
      throw errno('EINVAL', 'an allocation of no bytes');
    }
    if (device.policy.ownsDevice) {
      // Gaudi only counts, whatever the size (uapi.md 5.1).
      device.countDram(context, size);
      return { handle: memoryHandle(0) };
    }
    const allocation = device.memory.allocate(size, context.asid, (flags & MEM_FLAGS.CONTIGUOUS) !== 0);
    context.allocations.add(allocation);
    device.countDram(context, allocation.size);
    return { handle: memoryHandle(allocation.handle) };
  },

  MEMORY_FREE(session, { handle }) {
    const file = session.openFile;
    const context = file.liveContext;
    const { device } = file;
    if (device.policy.ownsDevice) {
      // Subtracts the handle, as if it were a size (uapi.md 5.3).
      device.countDram(context, -Number(handle));
      return {};
    }
    const allocation = device.memory.peek(handle, context.asid);
    if (allocation.mappings > 0) {
      throw errno('EINVAL', `device memory ${handle} is mapped ${allocation.mappings} times; unmap it first`);
    }
    if (allocation.exports > 0) {
      throw errno(
        'EINVAL',
        `device memory ${handle} is exported ${allocation.exports} times; close the dma-bufs first`,
      );
    }
    context.allocations.delete(allocation);
    device.countDram(context, -allocation.size);
    device.memory.forget(allocation);
    return {};
  },

  MEMORY_MAP_HOST(session, { hostVirtAddr, hintAddr, size, flags }) {
    const file = session.openFile;
    const { addressSpace } = file.liveContext;
    if (size === 0) {
      throw errno('EINVAL', 'a mapping of no bytes');
    }
    if (hostVirtAddr + size >= U64_END) {
      throw errno('EINVAL', `0x${hostVirtAddr.toString(16)} + ${size} wraps around`);
    }
    const { buffer, offset } = hostMemoryAt(file, hostVirtAddr, size);
    const { bus } = file.device;
    const { attachment, address } = bus.attach(buffer.range.segment);
    try {
      const deviceVirtAddr = addressSpace.map({
        range: 'host',
        kind: 'host',
        pieces: [{ space: 'bus', address: address + buffer.range.offset + offset, size }],
        pageOffset: hostVirtAddr % PAGE_SIZE,
        alignment: hostAlignment(hostVirtAddr),
        hint: hintAddr,
        forceHint: (flags & MEM_FLAGS.FORCE_HINT) !== 0,
        writable: true,
        // Pages stay pinned until UNMAP, also after the owner freed them (uapi.md 5.6).
        onUnmapped: async () => {
          await bus.detach(attachment);
          buffer.put();
        },
      });
      buffer.get();
      return { deviceVirtAddr };
    } catch (error) {
      void bus.detach(attachment);
      throw error;
    }
  },

  MEMORY_MAP_DEVICE(session, { handle, hintAddr, flags }) {
    const file = session.openFile;
    const context = file.liveContext;
    if (file.device.policy.ownsDevice) {
      throw errno('EINVAL', `no device memory has the handle ${handle}: Gaudi's DRAM is used by physical address`);
    }
    const allocation = file.device.memory.peek(handle, context.asid);
    const deviceVirtAddr = context.addressSpace.map({
      range: 'dram',
      kind: 'device',
      pieces: allocation.extents.map(({ address, size }) => ({ space: 'hbm', address, size })),
      pageOffset: 0,
      alignment: DRAM_PAGE_SIZE,
      hint: hintAddr,
      forceHint: (flags & MEM_FLAGS.FORCE_HINT) !== 0,
      writable: true,
      onUnmapped: () => {
        allocation.mappings--;
        allocation.put();
      },
    });
    allocation.get();
    allocation.mappings++;
    return { deviceVirtAddr };
  },

  async MEMORY_UNMAP(session, { deviceVirtAddr }) {
    await session.openFile.liveContext.addressSpace.unmap(deviceVirtAddr);
    return {};
  },

  MEMORY_EXPORT_DMABUF_FD(session, { handle, size }) {
    const file = session.openFile;
    const context = file.liveContext;
    const range = file.device.policy.ownsDevice
      ? physicalRange(Number(handle), size)
      : allocatedRange(file, handle, size);
    const object = exportMemory(session.machine, context, range);
    return { fd: file.addDescriptor(object) };
  },
};

/** The host buffer that holds [address, address + size). Errors: EFAULT when none does. */
function hostMemoryAt(file: OpenFile, address: number, size: number): { buffer: HostBuffer; offset: number } {
  const id = hostBufferIdAt(address);
  const buffer = id === undefined ? undefined : file.handles.peek(id);
  if (!(buffer instanceof HostBuffer)) {
    throw errno(
      'EFAULT',
      `0x${address.toString(16)} is not the address of a host buffer of this file; memory of the process itself is not reachable over this connection`,
    );
  }
  const offset = address - buffer.address;
  if (offset + size > buffer.range.length) {
    throw errno(
      'EFAULT',
      `${size} bytes at offset ${offset} reach past the host buffer's ${buffer.range.length} bytes`,
    );
  }
  return { buffer, offset };
}

/** Any physical window of user HBM can be exported on Gaudi (uapi.md 5.8). */
function physicalRange(address: number, size: number): MemoryRange {
  if (address % PAGE_SIZE !== 0 || size < PAGE_SIZE || address < DRAM_USER_BASE || address + size > DRAM_USER_END) {
    throw errno(
      'EINVAL',
      `[0x${address.toString(16)}, +${size}) is not a page-aligned range of at least a page in user DRAM`,
    );
  }
  return { pieces: [{ space: 'hbm', address, size }], size, allocation: undefined };
}

/** The first `size` bytes of an allocation, or all of it for size 0. */
function allocatedRange(file: OpenFile, handle: bigint, size: number): MemoryRange {
  const allocation = file.device.memory.peek(handle, file.liveContext.asid);
  const length = size === 0 ? allocation.size : size;
  if (length < PAGE_SIZE || length > allocation.size) {
    throw errno('EINVAL', `${length} bytes: less than a page, or more than the ${allocation.size} allocated`);
  }
  const pieces: MemoryRange['pieces'][number][] = [];
  let left = length;
  for (const extent of allocation.extents) {
    if (left <= 0) {
      break;
    }
    const taken = Math.min(left, extent.size);
    pieces.push({ space: 'hbm', address: extent.address, size: taken });
    left -= taken;
  }
  return { pieces, size: length, allocation };
}
