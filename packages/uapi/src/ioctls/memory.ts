/** Device memory and mappings. Ioctl 5 (uapi.md 5). */
import { MEM_FLAGS, MEM_OP } from '../constants.js';
import { type BlockStart, defineIoctl, type FailureForm } from '../ioctl.js';
import { flags, handle, s32, u32, u53, u64 } from '../kinds.js';
import { MEMORY_BLOCK, NR } from './blocks.js';

const BUSY = { EBUSY: 'the device is not operational' } as const;
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
  errors: { EINVAL: 'size 0', ENOMEM: 'the device memory left is too little', ...BUSY },
  doc: 'Allocates device memory. Under the exclusive policy this only counts, as on Gaudi, and the handle is 0 (uapi.md 5.1); under the shared policy the handle names memory to map (5.2).',
  level: 'exact',
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
  errors: { EINVAL: 'unknown handle, or memory that is still mapped (shared policy)', ...BUSY },
  doc: 'Gives device memory back. Under the exclusive policy it always succeeds and subtracts the handle from the count, as Gaudi does (uapi.md 5.3).',
  level: 'exact',
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
    set: { flags: MEM_FLAGS.USERPTR },
    out: { deviceVirtAddr: 'deviceVirtAddr' },
    ...ZEROED,
  },
  errors: {
    EINVAL: 'size 0, a range that wraps, or FORCE_HINT with a source that is not page aligned',
    EFAULT: 'the host range is not memory of the caller',
    ENOMEM: 'no device address fits, or the hint that was insisted on is taken',
    ...BUSY,
  },
  doc: 'Maps host memory into the device addresses of the context: memory of a C program, or the address HOST_ALLOC gave. The result keeps the offset of the source inside its page (uapi.md 5.4).',
  level: 'functional',
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
  errors: {
    EINVAL: 'unknown handle; always, under the exclusive policy',
    EPERM: 'memory of another context that is not SHARED',
    ENOMEM: 'no device address fits, or the hint that was insisted on is taken',
    ...BUSY,
  },
  doc: 'Maps allocated device memory into the device addresses of the context (uapi.md 5.4). Gaudi itself has no handles to map, so under the exclusive policy it always fails.',
  level: 'exact',
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
  errors: { EINVAL: 'not an address that a map or an import returned', ...BUSY },
  doc: 'Undoes a map or a dma-buf import, whole, by the very address it returned. Work in flight is not looked for: what touches the address afterwards faults (uapi.md 5.6).',
  level: 'exact',
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
  errors: {
    EINVAL: 'not a page-aligned range of at least a page inside user device memory, or an unknown handle',
    ENOMEM: 'no memory',
    EMFILE: 'the caller holds as many dma-bufs as it may',
    ...BUSY,
  },
  doc: 'Makes a dma-buf of device memory: named by device address under the exclusive policy, as on Gaudi, and by handle under the shared one (uapi.md 5.8). flags are the file flags of the descriptor.',
  level: 'functional',
});
