/**
 * Sharing between contexts, processes and devices: how objects are exported, how descriptors travel, what a descriptor answers.
 * This project's own calls (cf. uapi.md 6). What only a dma-buf answers is in dma-buf.ts, what only a sync file in sync-file.ts.
 */
import { optional } from '../composite-kinds.js';
import { DMABUF_KIND, FILE_FLAGS, POLL_EVENTS, TOKEN_FLAGS } from '../constants.js';
import { defineIoctl, row } from '../ioctl.js';
import { choice, flags, s32, string, u32, u53, u64 } from '../kinds.js';
import { OWN_NR } from './blocks.js';

const MAX_TOKEN = 128;
const NO_DESCRIPTOR = row('EBADF', 'fd', 'no descriptor of this open file has the number');
const NO_ROOM = row('EMFILE', 'descriptors', 'the caller holds as many descriptors as it may');
const NOT_OPERATIONAL = row('EBUSY', 'not-operational', 'the device is not operational');

export const SYNC_EXPORT = defineIoctl({
  name: 'SYNC_EXPORT',
  nr: OWN_NR.SHARING,
  op: 0,
  access: 'primary',
  duringReset: false,
  req: { dcore: u32, firstSyncObject: u32, count: u32 },
  res: { fd: s32 },
  errors: [
    NOT_OPERATIONAL,
    row('EINVAL', 'dcore', 'no such dcore'),
    row('EINVAL', 'count', 'count 0'),
    row('EPERM', 'not-leased', 'not all of the range is leased to this context'),
    NO_ROOM,
  ],
  doc: 'Makes a dma-buf of a range of leased sync objects: whoever imports it gets a device address at which a MSG_LONG signals them, from another device too.',
  level: 'functional',
  evidence: { section: 'architecture 4' },
});

export const DMABUF_TOKEN = defineIoctl({
  name: 'DMABUF_TOKEN',
  nr: OWN_NR.SHARING,
  op: 1,
  access: 'sharing',
  duringReset: true,
  req: { fd: s32, flags: optional(flags(TOKEN_FLAGS)) },
  res: { token: string(MAX_TOKEN) },
  errors: [NO_DESCRIPTOR, row('EINVAL', 'flags', 'unknown flags')],
  doc: 'An unguessable name for what is behind a descriptor, to hand to another process by any means. Possession is the right to it; the name ends with the descriptor. Without flags it is the same each time; ONCE and READ_ONLY make a new one, which is good for one use, or gives no more than reading.',
  level: 'functional',
  evidence: { section: 'architecture 4' },
});

export const DMABUF_CLOSE = defineIoctl({
  name: 'DMABUF_CLOSE',
  nr: OWN_NR.SHARING,
  op: 2,
  access: 'sharing',
  duringReset: true,
  req: { fd: s32 },
  res: {},
  errors: [NO_DESCRIPTOR],
  doc: 'Closes a descriptor, of a dma-buf or a sync file, and ends its tokens. Importers keep what they have attached or mapped.',
  level: 'functional',
  evidence: { section: 'architecture 4' },
});

export const DMABUF_IMPORT = defineIoctl({
  name: 'DMABUF_IMPORT',
  nr: OWN_NR.SHARING,
  op: 3,
  access: 'primary',
  duringReset: false,
  req: { token: string(MAX_TOKEN) },
  res: { address: u53, size: u53, kind: choice(DMABUF_KIND), exporterDevice: u32 },
  errors: [
    NOT_OPERATIONAL,
    row('ENOENT', 'token', 'no dma-buf has this token, or it was for one use'),
    row('EINVAL', 'kind', 'the token is that of a sync file'),
    row(
      'EPERM',
      'no-route',
      'the devices cannot reach each other',
      'on a machine whose description takes the way between two devices; without one there is a way',
    ),
    row('ENOMEM', 'no-address', 'no device address fits'),
  ],
  doc: 'Attaches a dma-buf and maps it into the device addresses of the context, also when it lies on another device (peer to peer). MEMORY_UNMAP of the address undoes both. DMABUF_OPEN, DMABUF_ATTACH and DMABUF_MAP are the same in steps.',
  level: 'functional',
  evidence: { section: 'architecture 4' },
});

export const DMABUF_EXPORT = defineIoctl({
  name: 'DMABUF_EXPORT',
  nr: OWN_NR.SHARING,
  op: 4,
  access: 'primary',
  duringReset: false,
  req: { handle: u64, offset: u53, size: u53, flags: flags(FILE_FLAGS) },
  res: { fd: s32 },
  errors: [
    NOT_OPERATIONAL,
    row('EINVAL', 'handle', 'neither a host buffer of this file nor device memory (shared policy)'),
    row('EPERM', 'not-owner', 'device memory of another context'),
    row('EPERM', 'not-shareable', 'a host buffer that was not allocated SHAREABLE and lies beside others'),
    row('EINVAL', 'alignment', 'an offset that is no multiple of a page'),
    row('EINVAL', 'range', 'less than a page, or beyond the end of the memory'),
    NO_ROOM,
  ],
  doc: 'Makes a dma-buf of a range of device memory or of a host buffer. flags are the file flags of the descriptor, as in MEMORY_EXPORT_DMABUF_FD.',
  level: 'functional',
  evidence: { section: 'uapi.md 6.2' },
});

export const DMABUF_OPEN = defineIoctl({
  name: 'DMABUF_OPEN',
  nr: OWN_NR.SHARING,
  op: 5,
  access: 'sharing',
  duringReset: true,
  req: { token: string(MAX_TOKEN) },
  res: { fd: s32, kind: choice(DMABUF_KIND), size: u53 },
  errors: [row('ENOENT', 'token', 'nothing has this token, or it was for one use'), NO_ROOM],
  doc: 'A descriptor of one’s own for what a token names, a dma-buf or a sync file. It keeps the object until it is closed, and gives the rights the token gives.',
  level: 'functional',
  evidence: { section: 'architecture 4' },
});

export const DMABUF_RECEIVE = defineIoctl({
  name: 'DMABUF_RECEIVE',
  nr: OWN_NR.SHARING,
  op: 6,
  access: 'sharing',
  duringReset: true,
  req: { descriptor: s32 },
  res: { fd: s32, kind: choice(DMABUF_KIND), size: u53 },
  errors: [
    NO_ROOM,
    row('EBADF', 'descriptor', 'the calling process has no such descriptor'),
    row('EINVAL', 'other-file', 'it is a descriptor of something else'),
    row('EPERM', 'machine', 'the machine forbids the look into the process', 'it depends on the machine'),
  ],
  doc: 'As DMABUF_OPEN, for a descriptor of the calling process: one that DMABUF_SEND made, whichever way it came. The descriptor stays the caller’s, and open.',
  level: 'functional',
  evidence: { section: 'architecture 4' },
});

export const DMABUF_SEND = defineIoctl({
  name: 'DMABUF_SEND',
  nr: OWN_NR.SHARING,
  op: 7,
  access: 'sharing',
  duringReset: true,
  req: { fd: s32 },
  res: { tag: u32 },
  errors: [
    NO_DESCRIPTOR,
    row('EMFILE', 'handed-out', 'as many that were made for this process are still open somewhere'),
    row('ENOTCONN', 'no-side-channel', 'no side channel to send the descriptor on'),
  ],
  doc: 'Gives the calling process a descriptor of the operating system for what is behind one of this file: it arrives on the side channel with the tag, before the reply, and can be passed on by SCM_RIGHTS or fork. The object lives as long as any duplicate of it is open, in whatever process, or under way. That of a sync file becomes readable when the fence signals.',
  level: 'functional',
  evidence: { section: 'architecture 4' },
});

export const DESCRIPTOR_POLL = defineIoctl({
  name: 'DESCRIPTOR_POLL',
  nr: OWN_NR.SHARING,
  op: 8,
  access: 'sharing',
  duringReset: true,
  req: { fd: s32, events: flags(POLL_EVENTS), timeoutMs: s32 },
  res: { revents: flags(POLL_EVENTS) },
  errors: [NO_DESCRIPTOR],
  doc: 'poll(2): answers when one of the events holds, or with 0 after the time-out; below 0 there is none. A dma-buf is IN when nobody writes it any more, OUT when nobody uses it; a sync file is IN when it has signalled, with an error or without (uapi.md 6.2, 6.5).',
  level: 'functional',
  evidence: { section: 'uapi.md 6.2' },
});
