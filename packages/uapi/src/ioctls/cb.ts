/** Command buffers: host memory of the kernel that a program fills with packets. Ioctl 2 (uapi.md 3). */
import { CB_FLAGS, CB_OP } from '../constants.js';
import { defineIoctl, row } from '../ioctl.js';
import { flags, handle, u32, u53 } from '../kinds.js';
import { CB_BLOCK, NR } from './blocks.js';

const BUSY = row('EBUSY', 'not-operational', 'the device is not operational');

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
    // When the device stops meanwhile the block is zeroed, but not when it had stopped before (uapi.md 3.2); only the latter happens here.
    failure: { start: 'zero', untouchedOn: ['EBUSY'] },
  },
  errors: [
    BUSY,
    row('EINVAL', 'size', 'more than 2 MiB - 32'),
    row(
      'EBUSY',
      'stopped-meanwhile',
      'the device stopped between the test at entry and the allocation',
      'the daemon does both at once',
    ),
    row('ENOMEM', 'map', 'MAP was asked for, which Gaudi does not have'),
    row('ENOMEM', 'memory', 'no memory'),
  ],
  doc: 'Makes a zeroed command buffer and returns its handle, which is also the offset to mmap it at. Sizes below 4096 count as 4096; the mappable length is the size rounded up to pages (uapi.md 3.2).',
  level: 'exact',
  evidence: { source: 'common/command_buffer.c', section: 'uapi.md 3.2' },
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
  errors: [
    BUSY,
    row('EINVAL', 'handle', 'unknown handle'),
    row('EINVAL', 'destroyed-twice', 'destroyed before, while a mapping or a submission keeps the buffer'),
  ],
  doc: 'Drops the creation reference. A buffer that is still mapped or in a submission lives on, and its handle with it, until the last reference is gone (uapi.md 3.4). A second destroy fails, unlike the driver, which takes the reference of the mapping.',
  level: 'functional',
  evidence: { source: 'common/command_buffer.c', section: 'uapi.md 3.4' },
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
  errors: [
    BUSY,
    row('EINVAL', 'handle', 'unknown handle'),
    row('EINVAL', 'no-device-address', 'GET_DEVICE_VA of a buffer that has no device address'),
  ],
  doc: 'How many submissions use the buffer, or with GET_DEVICE_VA its device address, which no buffer on Gaudi has (uapi.md 3.2, 3.5).',
  level: 'exact',
  evidence: { source: 'common/command_buffer.c', section: 'uapi.md 3.2' },
});
