/** Device memory and mappings. Ioctl 5 (uapi.md 5). */
import { MEM_FLAGS, MEM_OP } from '../constants.js';
import { type BlockStart, defineIoctl, type FailureForm, row } from '../ioctl.js';
import { flags, handle, s32, u32, u53, u64 } from '../kinds.js';
import { MEMORY_BLOCK, NR } from './blocks.js';

const BUSY = row('EBUSY', 'not-operational', 'the device is not operational');
const ZEROED: { readonly success: BlockStart; readonly failure: FailureForm } = {
  success: 'zero',
  failure: { start: 'zero', untouchedOn: ['EBUSY'] },
};
const ECHOED: { readonly success: BlockStart; readonly failure: FailureForm } = {
  success: 'echo',
  failure: { start: 'echo' },
};
/** The number of a descriptor that is none: the driver leaves -EBADF next to the errno. */
const NO_FD = -9;

export const MEMORY_ALLOC = defineIoctl({
  name: 'MEMORY_ALLOC',
  nr: NR.MEMORY,
  op: MEM_OP.ALLOC,
  access: 'primary',
  duringReset: false,
  req: { size: u53, pageSize: u53, flags: flags(MEM_FLAGS) },
  res: { handle: handle('memory') },
  abi: {
    block: MEMORY_BLOCK,
    in: { size: 'allocMemSize', pageSize: 'allocPageSize', flags: 'flags' },
    out: { handle: 'handle' },
    success: 'zero',
    failure: { start: 'zero', untouchedOn: ['EBUSY', 'EINVAL'] },
  },
  errors: [
    BUSY,
    row('EINVAL', 'size', 'size 0'),
    row('EINVAL', 'page-size', 'pages that are no power of two from 2 MiB to 1 GiB (shared policy)'),
    row('ENOMEM', 'memory', 'the device memory left is too little (shared policy)'),
    row('ENOMEM', 'contiguous', 'CONTIGUOUS, or large pages, and no free run is long enough (shared policy)'),
  ],
  doc: 'Allocates device memory. Under the exclusive policy this only counts, as on Gaudi, and the handle is 0 (uapi.md 5.1); under the shared policy the handle names memory to map (5.2).',
  level: 'exact',
  evidence: { source: 'common/memory.c', section: 'uapi.md 5.1' },
});

export const MEMORY_FREE = defineIoctl({
  name: 'MEMORY_FREE',
  nr: NR.MEMORY,
  op: MEM_OP.FREE,
  access: 'primary',
  duringReset: false,
  req: { handle: handle('memory') },
  res: {},
  abi: { block: MEMORY_BLOCK, in: { handle: 'freeHandle' }, out: {}, ...ECHOED },
  errors: [
    BUSY,
    row('EINVAL', 'handle', 'unknown handle (shared policy)'),
    row('EPERM', 'not-owner', 'memory of another context (shared policy)'),
    row('EINVAL', 'mapped', 'memory that is still mapped (shared policy)'),
    row('EINVAL', 'exported', 'memory that is still exported (shared policy)'),
  ],
  doc: 'Gives device memory back. Under the exclusive policy it always succeeds and subtracts the handle from the count, as Gaudi does (uapi.md 5.3).',
  level: 'exact',
  evidence: { source: 'common/memory.c', section: 'uapi.md 5.3' },
});

export const MEMORY_MAP_HOST = defineIoctl({
  name: 'MEMORY_MAP_HOST',
  nr: NR.MEMORY,
  op: MEM_OP.MAP,
  variant: { index: 1, when: { field: 'flags', mask: MEM_FLAGS.USERPTR } },
  access: 'primary',
  duringReset: false,
  req: { hostVirtAddr: u53, hintAddr: u53, size: u53, flags: flags(MEM_FLAGS) },
  res: { deviceVirtAddr: u53 },
  abi: {
    block: MEMORY_BLOCK,
    in: { hostVirtAddr: 'mapHostHostVirtAddr', hintAddr: 'mapHostHintAddr', size: 'mapHostMemSize', flags: 'flags' },
    memory: { address: 'mapHostHostVirtAddr', size: 'mapHostMemSize' },
    set: { flags: MEM_FLAGS.USERPTR },
    out: { deviceVirtAddr: 'deviceVirtAddr' },
    ...ZEROED,
  },
  errors: [
    BUSY,
    row('EINVAL', 'size', 'size 0'),
    row('EINVAL', 'wraps', 'a range that wraps, also when rounded up to pages'),
    row('EFAULT', 'not-addressable', 'the host range is not memory of the caller'),
    row('EFAULT', 'pages', 'not all pages of the range can be had'),
    row('EINVAL', 'forced-hint-offset', 'FORCE_HINT with a source that is not page aligned'),
    row('ENOMEM', 'no-address', 'no device address fits', 'the range has 1.5 PiB, more than anyone can map'),
    row('ENOMEM', 'hint-taken', 'the hint that was insisted on is taken, unaligned or 0'),
    row('ENOMEM', 'structures', 'no memory for page tables or structures', 'they are small objects of the daemon'),
  ],
  doc: 'Maps host memory into the device addresses of the context: memory of a C program, or the address HOST_ALLOC gave. The result keeps the offset of the source inside its page (uapi.md 5.4).',
  level: 'functional',
  evidence: { source: 'common/memory.c', section: 'uapi.md 5.4' },
});

export const MEMORY_MAP_DEVICE = defineIoctl({
  name: 'MEMORY_MAP_DEVICE',
  nr: NR.MEMORY,
  op: MEM_OP.MAP,
  access: 'primary',
  duringReset: false,
  req: { handle: handle('memory'), hintAddr: u53, flags: flags(MEM_FLAGS) },
  res: { deviceVirtAddr: u53 },
  abi: {
    block: MEMORY_BLOCK,
    in: { handle: 'mapDeviceHandle', hintAddr: 'mapDeviceHintAddr', flags: 'flags' },
    out: { deviceVirtAddr: 'deviceVirtAddr' },
    ...ZEROED,
  },
  errors: [
    BUSY,
    row('EINVAL', 'handle', 'unknown handle; always, under the exclusive policy'),
    row('EPERM', 'not-shared', 'memory of another context that is not SHARED'),
    row('ENOMEM', 'no-address', 'no device address fits, or the hint that was insisted on is taken'),
  ],
  doc: 'Maps allocated device memory into the device addresses of the context (uapi.md 5.4). Gaudi itself has no handles to map, so under the exclusive policy it always fails.',
  level: 'exact',
  evidence: { source: 'common/memory.c', section: 'uapi.md 5.4' },
});

export const MEMORY_UNMAP = defineIoctl({
  name: 'MEMORY_UNMAP',
  nr: NR.MEMORY,
  op: MEM_OP.UNMAP,
  access: 'primary',
  duringReset: false,
  req: { deviceVirtAddr: u53 },
  res: {},
  abi: { block: MEMORY_BLOCK, in: { deviceVirtAddr: 'unmapDeviceVirtAddr' }, out: {}, ...ECHOED },
  errors: [BUSY, row('EINVAL', 'address', 'not an address that a map or an import returned')],
  doc: 'Undoes a map or a dma-buf import, whole, by the very address it returned. Work in flight is not looked for: what touches the address afterwards faults (uapi.md 5.6).',
  level: 'exact',
  evidence: { source: 'common/memory.c', section: 'uapi.md 5.6' },
});

export const MEMORY_EXPORT_DMABUF_FD = defineIoctl({
  name: 'MEMORY_EXPORT_DMABUF_FD',
  nr: NR.MEMORY,
  op: MEM_OP.EXPORT_DMABUF_FD,
  access: 'primary',
  duringReset: false,
  req: { handle: u64, size: u53, flags: u32 },
  res: { fd: s32 },
  abi: {
    block: MEMORY_BLOCK,
    in: { handle: 'exportDmabufFdHandle', size: 'exportDmabufFdMemSize', flags: 'flags' },
    out: { fd: 'fd' },
    success: 'zero',
    failure: { start: 'zero', set: { fd: NO_FD }, untouchedOn: ['EBUSY'] },
  },
  errors: [
    BUSY,
    row('EINVAL', 'alignment', 'an address that is not page aligned'),
    row('EINVAL', 'size', 'less than a page'),
    row('EINVAL', 'range', 'not wholly inside user device memory, or wrapping'),
    row('EINVAL', 'handle', 'unknown handle (shared policy)'),
    row('EPERM', 'not-owner', 'memory of another context (shared policy)'),
    row('ENOMEM', 'memory', 'no memory', 'a dma-buf is a small object of the daemon'),
    row('EMFILE', 'descriptors', 'the caller holds as many dma-bufs as it may'),
    row('EOPNOTSUPP', 'virtual-dram', 'device memory with virtual addresses', 'Gaudi has none'),
    row('EPERM', 'no-mmu', 'a device without MMU', 'Gaudi has one, and it is on'),
  ],
  doc: 'Makes a dma-buf of device memory: named by device address under the exclusive policy, as on Gaudi, and by handle under the shared one (uapi.md 5.8). flags are the file flags of the descriptor.',
  level: 'functional',
  evidence: { source: 'common/memory.c', section: 'uapi.md 5.8' },
});

export const MEMORY_MAP_BLOCK = defineIoctl({
  name: 'MEMORY_MAP_BLOCK',
  nr: NR.MEMORY,
  op: MEM_OP.MAP_BLOCK,
  access: 'primary',
  duringReset: false,
  req: { blockAddr: u53 },
  res: { blockHandle: handle('block'), blockSize: u32 },
  abi: {
    block: MEMORY_BLOCK,
    in: { blockAddr: 'mapBlockBlockAddr' },
    out: { blockHandle: 'blockHandle', blockSize: 'blockSize' },
    success: 'zero',
    failure: { start: 'zero8', set: { blockSize: 0 }, untouchedOn: ['EBUSY'] },
  },
  errors: [BUSY, row('EPERM', 'no-blocks', 'always: Gaudi has no hardware blocks that can be mapped')],
  doc: 'Would make a block of registers mappable. Gaudi has none, and leaves handle and size 0 in the block (uapi.md 5.7).',
  level: 'refused',
  evidence: { source: 'common/memory.c', section: 'uapi.md 5.7' },
});

export const MEMORY_TS_ALLOC = defineIoctl({
  name: 'MEMORY_TS_ALLOC',
  nr: NR.MEMORY,
  op: MEM_OP.TS_ALLOC,
  access: 'primary',
  duringReset: false,
  req: { numOfElements: u32 },
  res: { handle: handle('ts') },
  abi: {
    block: MEMORY_BLOCK,
    in: { numOfElements: 'numOfElements' },
    out: { handle: 'handle' },
    success: 'zero8',
    failure: { start: 'echo' },
  },
  errors: [
    BUSY,
    row('EINVAL', 'count', 'more than 1048576 elements'),
    row('ENOMEM', 'no-elements', '0 elements'),
    row('ENOMEM', 'memory', 'no memory'),
  ],
  doc: 'Makes a buffer for time stamps of user interrupts, 8 bytes an element, to mmap at its handle. Gaudi has no such interrupts, so nothing ever writes it; it shares its numbering with command buffers, and CB_DESTROY releases it too (uapi.md 5.9).',
  level: 'exact',
  evidence: { source: 'common/memory.c', section: 'uapi.md 5.9' },
});
