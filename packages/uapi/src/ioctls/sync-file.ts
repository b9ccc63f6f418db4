/**
 * Explicit and implicit synchronization: sync files of submissions (uapi.md 6.5), and submissions that wait for fences and leave their own
 * behind on the buffers they use (uapi.md 6.4). This project's own calls; the driver attaches no fences to anything.
 */
import { array, optional, struct } from '../composite-kinds.js';
import { DMABUF_SYNC_FLAGS } from '../constants.js';
import { defineIoctl, row } from '../ioctl.js';
import { bool8, flags, s32, string, u16, u32, u53 } from '../kinds.js';
import { MAX_FENCE_INFOS, MAX_SYNCED } from '../limits.js';
import { OWN_NR } from './blocks.js';
import { CS } from './cs.js';

const MAX_NAME = 32;
const SECTION = { section: 'uapi.md 6.5' } as const;
const NO_DESCRIPTOR = row('EBADF', 'fd', 'no descriptor of this open file has the number');
const NO_ROOM = row('EMFILE', 'descriptors', 'the caller holds as many descriptors as it may');
const NO_SUCH_CALL = row('ENOTTY', 'other-file', 'the descriptor is that of a dma-buf, which does not know the call');
const RESERVED = row('EINVAL', 'reserved', 'flags or pad are not 0');

export const SYNC_FILE_CREATE = defineIoctl({
  name: 'SYNC_FILE_CREATE',
  nr: OWN_NR.SYNC_FILE,
  op: 0,
  access: 'primary',
  duringReset: true,
  req: { seq: u53 },
  res: { fd: s32 },
  errors: [
    NO_ROOM,
    row('EINVAL', 'never-issued', 'a sequence number that was never issued'),
    row('ENOENT', 'gone', 'so old that nothing is known of it any more'),
  ],
  doc: 'A sync file of a submission of this file: it signals when that is complete, or with the error it ends with, at the latest when the process or the device dies.',
  level: 'functional',
  evidence: SECTION,
});

export const SYNC_FILE_MERGE = defineIoctl({
  name: 'SYNC_FILE_MERGE',
  nr: OWN_NR.SYNC_FILE,
  op: 1,
  access: 'sharing',
  duringReset: true,
  req: { fd: s32, name: string(MAX_NAME), fd2: s32, flags: u32, pad: u32 },
  res: { fd: s32 },
  errors: [
    NO_DESCRIPTOR,
    NO_SUCH_CALL,
    NO_ROOM,
    RESERVED,
    row('ENOENT', 'fd2', 'the second descriptor is not that of a sync file'),
  ],
  doc: 'A sync file of both: of each timeline the later fence, if it is pending. If all have signalled, so has the result (SYNC_IOC_MERGE).',
  level: 'functional',
  evidence: SECTION,
});

export const SYNC_FILE_INFO = defineIoctl({
  name: 'SYNC_FILE_INFO',
  nr: OWN_NR.SYNC_FILE,
  op: 2,
  access: 'sharing',
  duringReset: true,
  req: { fd: s32, flags: u32, pad: u32, numFences: u32 },
  res: {
    name: string(MAX_NAME),
    status: s32,
    flags: u32,
    numFences: u32,
    fences: array(
      struct({ objName: string(MAX_NAME), driverName: string(MAX_NAME), status: s32, flags: u32, timestampNs: u53 }),
      MAX_FENCE_INFOS,
    ),
  },
  errors: [NO_DESCRIPTOR, NO_SUCH_CALL, RESERVED, row('EINVAL', 'room', 'fewer than the file has, and not 0')],
  doc: 'Name and state of a sync file: 1 signalled, 0 pending, below 0 the error. numFences says how many fences there is room for; with 0 they are only counted (SYNC_IOC_FILE_INFO).',
  level: 'functional',
  evidence: SECTION,
});

export const CS_SYNCED = defineIoctl({
  name: 'CS_SYNCED',
  nr: OWN_NR.SYNC_FILE,
  op: 3,
  access: 'primary',
  duringReset: false,
  req: {
    submission: struct(CS.req),
    buffers: array(struct({ fd: s32, access: flags(DMABUF_SYNC_FLAGS) }), MAX_SYNCED),
    waitFor: array(s32, MAX_SYNCED),
    exportFence: bool8,
  },
  res: { seq: u53, status: u32, sobBaseAddrOffset: u32, sobCountBeforeSubmission: u16, held: bool8, fd: optional(s32) },
  errors: [
    row('EBUSY', 'not-operational', 'the device is not operational'),
    row('EINVAL', 'not-plain', 'a signal, a wait, a part of a staged submission, or one with a forced restore phase'),
    NO_DESCRIPTOR,
    row('EINVAL', 'not-a-dma-buf', 'a buffer whose descriptor is that of a sync file'),
    row('EINVAL', 'access', 'a buffer with neither READ nor WRITE, or other bits'),
    row('EACCES', 'read-only', 'WRITE of a buffer of which reading is all that was given'),
    row('EINVAL', 'not-a-sync-file', 'something to wait for that is no sync file'),
    NO_ROOM,
    row('EINVAL', 'submission', 'the submission is refused; all causes of CS apply'),
  ],
  doc: 'CS for work on buffers that others use too. The submission gets its number at once; its jobs go onto their queues when the sync files of waitFor, and what its kind of access to each buffer has to wait for, have signalled (with errors or without), and later work of this file on the same queues stays behind it. Its own fence is left on each buffer, as a reader’s or a writer’s, and is returned as a sync file with exportFence. What has to be waited for longer than the time-outs allow ends the submission with ETIMEDOUT. The state of the dependencies is not carried over: who must know asks SYNC_FILE_INFO.',
  level: 'functional',
  evidence: { section: 'uapi.md 6.4' },
});
