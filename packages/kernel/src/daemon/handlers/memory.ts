/** MEMORY: device memory and mappings, timestamp buffers, exports (uapi.md 5). */
import { errno } from '@pedrera/base';
import { DRAM_USER_BASE, DRAM_USER_END } from '@pedrera/hw';
import {
  type Handlers,
  MAX_TS_ELEMENTS,
  MEM_FLAGS,
  memoryHandle,
  PAGE_SIZE,
  timestampBufferHandle,
} from '@pedrera/uapi';
import { TimestampBuffer } from '../../core/command-buffer.js';
import { mapAllocation } from '../../core/device-mapping.js';
import { fileFlags } from '../../core/dma-buf/descriptor.js';
import type { DmaBuf } from '../../core/dma-buf/dma-buf.js';
import { exportAllocation, exportMemory, type MemoryRange } from '../../core/dma-buf/exporters.js';
import { mapHostMemory } from '../../core/host-mapping.js';
import type { Session } from '../session.js';

type MemoryCalls = Pick<Handlers<Session>, Extract<keyof Handlers<Session>, `MEMORY_${string}`>>;

export const MEMORY_HANDLERS: MemoryCalls = {
  MEMORY_ALLOC(session, { size, pageSize, flags }) {
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
    const allocation = device.memory.allocate({
      size,
      pageSize,
      contiguous: (flags & MEM_FLAGS.CONTIGUOUS) !== 0,
      shared: (flags & MEM_FLAGS.SHARED) !== 0,
      ownerAsid: context.asid,
      owner: context,
      birth: file.caller.birth(),
    });
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
    const allocation = device.memory.peekOwn(handle, context.asid);
    if (allocation.mappings > 0) {
      throw errno('EINVAL', `device memory ${handle} is mapped ${allocation.mappings} times; unmap it first`);
    }
    if (allocation.exports > 0) {
      session.table.handed.look((exporter) => exporter === context);
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
    const forceHint = (flags & MEM_FLAGS.FORCE_HINT) !== 0;
    // The driver pins memory of who calls, whoever opened the file (uapi.md 5.4).
    const request = { address: hostVirtAddr, size, hint: hintAddr, forceHint, pid: session.callerPid };
    return { deviceVirtAddr: mapHostMemory(session.openFile, request) };
  },

  MEMORY_MAP_DEVICE(session, { handle, hintAddr, flags }) {
    const file = session.openFile;
    const context = file.liveContext;
    if (file.device.policy.ownsDevice) {
      throw errno('EINVAL', `no device memory has the handle ${handle}: Gaudi's DRAM is used by physical address`);
    }
    const allocation = file.device.memory.peek(handle, context.asid);
    const options = { hint: hintAddr, forceHint: (flags & MEM_FLAGS.FORCE_HINT) !== 0 };
    return { deviceVirtAddr: mapAllocation(context, allocation, options) };
  },

  async MEMORY_UNMAP(session, { deviceVirtAddr }) {
    await session.openFile.liveContext.addressSpace.unmap(deviceVirtAddr);
    return {};
  },

  MEMORY_MAP_BLOCK() {
    throw errno('EPERM', 'Gaudi lets nobody map its register blocks');
  },

  MEMORY_EXPORT_DMABUF_FD(session, { handle, size, flags }) {
    const file = session.openFile;
    const context = file.liveContext;
    const { dmaBufs } = session.machine;
    let object: DmaBuf;
    if (file.device.policy.ownsDevice) {
      object = exportMemory(dmaBufs, context, physicalRange(Number(handle), size));
    } else {
      const allocation = file.device.memory.peekOwn(handle, context.asid);
      // The first bytes of it, or all for size 0.
      object = exportAllocation(dmaBufs, context, allocation, { offset: 0, size: size === 0 ? allocation.size : size });
    }
    return { fd: file.descriptors.add(dmaBufs, object, { flags: fileFlags(flags), readOnly: false }) };
  },

  MEMORY_TS_ALLOC(session, { numOfElements }) {
    if (numOfElements > MAX_TS_ELEMENTS) {
      throw errno('EINVAL', `a timestamp buffer has at most ${MAX_TS_ELEMENTS} elements, not ${numOfElements}`);
    }
    const buffer = new TimestampBuffer(session.openFile, numOfElements);
    return { handle: timestampBufferHandle(buffer.id) };
  },
};

/** Any physical window of user HBM can be exported on Gaudi, tied to no allocation (uapi.md 5.8). */
function physicalRange(address: number, size: number): MemoryRange {
  if (address % PAGE_SIZE !== 0 || size < PAGE_SIZE || address < DRAM_USER_BASE || address + size > DRAM_USER_END) {
    throw errno(
      'EINVAL',
      `[0x${address.toString(16)}, +${size}) is not a page-aligned range of at least a page in user DRAM`,
    );
  }
  return { extents: [{ address, size }], size, allocation: undefined };
}
