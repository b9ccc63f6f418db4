/** What a program without malloc needs, and what the shared policy hands out in pieces. This project's own calls. */
import { optional } from '../composite-kinds.js';
import { HOST_ALLOC_FLAGS } from '../constants.js';
import { defineIoctl, row } from '../ioctl.js';
import { flags, handle, u32, u53 } from '../kinds.js';
import { OWN_NR } from './blocks.js';

export const HOST_ALLOC = defineIoctl({
  name: 'HOST_ALLOC',
  nr: OWN_NR.HOST,
  op: 0,
  access: 'primary',
  duringReset: true,
  req: { size: u53, flags: optional(flags(HOST_ALLOC_FLAGS)) },
  res: { handle: handle('host'), address: u53 },
  errors: [
    row('EINVAL', 'size', 'size 0 or beyond 8 GiB'),
    row('EINVAL', 'flags', 'unknown flags'),
    row('ENOMEM', 'memory', 'no memory, or the client holds as much as it may'),
  ],
  doc: 'Allocates zeroed host memory that the caller maps with MMAP and the device reaches once MEMORY_MAP_HOST was given its address. The address names the memory and is no pointer of any process. What is to be exported has to be SHAREABLE: it then lies in memory of its own.',
  level: 'functional',
  evidence: { section: 'architecture 4' },
});

export const HOST_FREE = defineIoctl({
  name: 'HOST_FREE',
  nr: OWN_NR.HOST,
  op: 1,
  access: 'primary',
  duringReset: true,
  req: { handle: handle('host') },
  res: {},
  errors: [row('EINVAL', 'handle', 'unknown handle')],
  doc: 'Gives host memory back. As with free() after a driver pinned the pages, device mappings of it stay good until they are unmapped.',
  level: 'functional',
  evidence: { section: 'architecture 4' },
});

export const SYNC_LEASE = defineIoctl({
  name: 'SYNC_LEASE',
  nr: OWN_NR.HOST,
  op: 2,
  access: 'primary',
  duringReset: false,
  req: { dcore: u32, syncObjects: u32, monitors: u32 },
  res: { dcore: u32, firstSyncObject: u32, syncObjects: u32, firstMonitor: u32, monitors: u32 },
  errors: [
    row('EBUSY', 'not-operational', 'the device is not operational'),
    row('EINVAL', 'dcore', 'no such dcore'),
    row('EINVAL', 'nothing', 'nothing asked for'),
    row('EBUSY', 'leased', 'the context has a lease there already'),
    row('ENOSPC', 'space', 'the sync manager has no range of that length left'),
  ],
  doc: 'Gives the context a range of sync objects and monitors of one sync manager, zeroed and disarmed. Under the exclusive policy it owns all the driver does not reserve, and the answer says so.',
  level: 'functional',
  evidence: { section: 'architecture 2' },
});

export const SRAM_LEASE = defineIoctl({
  name: 'SRAM_LEASE',
  nr: OWN_NR.HOST,
  op: 3,
  access: 'primary',
  duringReset: false,
  req: { size: u53 },
  res: { address: u53, size: u53 },
  errors: [
    row('EBUSY', 'not-operational', 'the device is not operational'),
    row('EINVAL', 'size', 'size 0 or more than the device has'),
    row('EBUSY', 'leased', 'the context has a lease already'),
    row('ENOSPC', 'space', 'no range of that length is left'),
  ],
  doc: 'Gives the context a range of the on-chip memory, zeroed. Under the exclusive policy it owns all of it, and the answer says so.',
  level: 'functional',
  evidence: { section: 'architecture 2' },
});
