/** Command buffers: host memory of the kernel that a program fills with packets. Ioctl 2 (uapi.md 3). */
import { CB_FLAGS, CB_OP } from '../constants.js';
import { defineIoctl } from '../ioctl.js';
import { flags, handle, u32, u53 } from '../kinds.js';
import { CB_BLOCK, NR } from './blocks.js';

export const CB_CREATE = defineIoctl({
  name: 'CB_CREATE',
  nr: NR.CB,
  op: CB_OP.CREATE,
  access: 'primary',
  duringReset: false,
  req: { size: u32, flags: flags(CB_FLAGS) },
  res: { handle: handle('cb') },
  abi: {
    block: CB_BLOCK,
    in: { size: 'cbSize', flags: 'flags' },
    out: { handle: 'cbHandle' },
    success: 'zero',
    failure: { start: 'zero', untouchedOn: ['EBUSY'] },
  },
  errors: {
    EINVAL: 'the size exceeds 2 MiB - 32',
    ENOMEM: 'no memory, or MAP was asked for, which Gaudi does not have',
    EBUSY: 'the device is not operational',
  },
  doc: 'Makes a zeroed command buffer and returns its handle, which is also the offset to mmap it at. Sizes below 4096 count as 4096; the mappable length is the size rounded up to pages (uapi.md 3.2).',
  level: 'exact',
});

export const CB_DESTROY = defineIoctl({
  name: 'CB_DESTROY',
  nr: NR.CB,
  op: CB_OP.DESTROY,
  access: 'primary',
  duringReset: false,
  req: { handle: handle('cb') },
  res: {},
  abi: { block: CB_BLOCK, in: { handle: 'cbHandle' }, out: {}, success: 'echo', failure: { start: 'echo' } },
  errors: { EINVAL: 'unknown handle, or destroyed before', EBUSY: 'the device is not operational' },
  doc: 'Drops the creation reference. A buffer that is still mapped or in a submission lives on, and its handle with it, until the last reference is gone (uapi.md 3.4). A second destroy fails, unlike the driver, which takes the reference of the mapping.',
  level: 'functional',
});

export const CB_INFO = defineIoctl({
  name: 'CB_INFO',
  nr: NR.CB,
  op: CB_OP.INFO,
  access: 'primary',
  duringReset: false,
  req: { handle: handle('cb'), flags: flags(CB_FLAGS) },
  res: { usageCount: u32, deviceVa: u53 },
  abi: {
    block: CB_BLOCK,
    in: { handle: 'cbHandle', flags: 'flags' },
    // The two share their bytes; the one that was not asked for is 0, and or-ing them in is the union's form.
    out: { usageCount: 'usageCnt', deviceVa: 'deviceVa' },
    success: 'zero8',
    failure: { start: 'echo' },
  },
  errors: {
    EINVAL: 'unknown handle, or GET_DEVICE_VA of a buffer that has no device address',
    EBUSY: 'the device is not operational',
  },
  doc: 'How many submissions use the buffer, or with GET_DEVICE_VA its device address, which no buffer on Gaudi has (uapi.md 3.2, 3.5).',
  level: 'exact',
});
