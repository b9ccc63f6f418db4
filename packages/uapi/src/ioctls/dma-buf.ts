/**
 * What a dma-buf answers: attaching and mapping, CPU access, its fences, its name and size (uapi.md 6.1, 6.2). This project's own calls;
 * each follows the kernel function of the same name.
 */
import { optional } from '../composite-kinds.js';
import { ATTACH_FLAGS, DMA_DIRECTION, DMABUF_KIND, DMABUF_SYNC_FLAGS, SEEK_WHENCE } from '../constants.js';
import { defineIoctl, row } from '../ioctl.js';
import { bool8, choice, flags, s32, string, u32, u53 } from '../kinds.js';
import { OWN_NR } from './blocks.js';

const MAX_NAME_DECODED = 256;
const SECTION = { section: 'uapi.md 6.2' } as const;
const NOT_OPERATIONAL = row('EBUSY', 'not-operational', 'the device is not operational');
const NO_DESCRIPTOR = row('EBADF', 'fd', 'no descriptor of this open file has the number');
const NO_ROOM = row('EMFILE', 'descriptors', 'the caller holds as many descriptors as it may');
const OTHER_FILE = row('EINVAL', 'other-file', 'the descriptor is that of a sync file');
const NO_SUCH_CALL = row('ENOTTY', 'other-file', 'the descriptor is that of a sync file, which does not know the call');
const NO_ATTACHMENT = row(
  'EINVAL',
  'attachment',
  'no attachment of this file has the number; it was never made, or is detached',
);
const NO_ROUTE = row(
  'EPERM',
  'no-peer-to-peer',
  'memory of a device, for an importer that is not DYNAMIC and PEER2PEER or cannot reach it',
);
const SHORT_SEGMENTS = 'memory of a device, in segments of less than a page';
const INTERRUPTED = row('EINTR', 'interrupted', 'the wait was interrupted', 'who could be told is gone then');

export const DMABUF_ATTACH = defineIoctl({
  name: 'DMABUF_ATTACH',
  nr: OWN_NR.DMA_BUF,
  op: 0,
  access: 'primary',
  duringReset: false,
  req: { fd: s32, flags: flags(ATTACH_FLAGS), maxSegmentBytes: optional(u53) },
  res: { attachment: u32, peer2peer: bool8 },
  errors: [
    NOT_OPERATIONAL,
    NO_DESCRIPTOR,
    OTHER_FILE,
    row('EINVAL', 'flags', 'unknown flags, or PEER2PEER without DYNAMIC'),
    row('EMFILE', 'attachments', 'this file holds as many attachments as it may'),
    NO_ROUTE,
    row('EINVAL', 'segment-size', SHORT_SEGMENTS),
  ],
  doc: 'Makes the device an importer of a dma-buf. A DYNAMIC one is mapped now, in both directions, until it is detached, because no exporter here ever moves its memory: what map would refuse, attach does. maxSegmentBytes bounds the pieces in which memory is described (as dma_set_max_seg_size); without it they are as long as they are.',
  level: 'functional',
  evidence: SECTION,
});

export const DMABUF_MAP = defineIoctl({
  name: 'DMABUF_MAP',
  nr: OWN_NR.DMA_BUF,
  op: 1,
  access: 'primary',
  duringReset: false,
  req: { attachment: u32, direction: choice(DMA_DIRECTION) },
  res: { address: u53, size: u53, segments: u32 },
  errors: [
    NOT_OPERATIONAL,
    NO_ATTACHMENT,
    row('EINVAL', 'direction', 'no such direction'),
    row('EACCES', 'read-only', 'a direction in which the device writes, where reading is all that was given'),
    row('EBUSY', 'direction-cached', 'the mapping is kept from before, and was made for another direction'),
    NO_ROUTE,
    row('EINVAL', 'segment-size', SHORT_SEGMENTS, 'who gets as far as that was mapped at attach'),
    row('ENOMEM', 'no-address', 'no device address fits'),
    INTERRUPTED,
  ],
  doc: 'Maps an attachment, and its bytes into the device addresses of the context. In direction TO_DEVICE the device may only read. A mapping of host memory is kept until detach, for later maps in the same direction (or any, if it was for both).',
  level: 'functional',
  evidence: SECTION,
});

export const DMABUF_UNMAP = defineIoctl({
  name: 'DMABUF_UNMAP',
  nr: OWN_NR.DMA_BUF,
  op: 2,
  access: 'primary',
  duringReset: false,
  req: { attachment: u32, address: u53 },
  res: {},
  errors: [NOT_OPERATIONAL, NO_ATTACHMENT, row('EINVAL', 'address', 'the attachment is not mapped there')],
  doc: 'Undoes DMABUF_MAP, when the device has forgotten the addresses. MEMORY_UNMAP of the address is the same.',
  level: 'functional',
  evidence: SECTION,
});

export const DMABUF_DETACH = defineIoctl({
  name: 'DMABUF_DETACH',
  nr: OWN_NR.DMA_BUF,
  op: 3,
  access: 'primary',
  duringReset: true,
  req: { attachment: u32 },
  res: {},
  errors: [NO_ATTACHMENT, row('EBUSY', 'mapped', 'it is mapped; unmap it first')],
  doc: 'Ends an attachment, and with it the mapping that was kept. With the last user of a dma-buf its memory goes.',
  level: 'functional',
  evidence: SECTION,
});

export const DMABUF_SYNC = defineIoctl({
  name: 'DMABUF_SYNC',
  nr: OWN_NR.DMA_BUF,
  op: 4,
  access: 'sharing',
  duringReset: true,
  req: { fd: s32, flags: u53 },
  res: {},
  errors: [NO_DESCRIPTOR, NO_SUCH_CALL, row('EINVAL', 'flags', 'neither READ nor WRITE, or unknown bits'), INTERRUPTED],
  doc: 'Begins or ends an access of the processor. The start of a read waits for who writes, that of a write for everybody; an end waits for nobody. That the two match is not checked.',
  level: 'functional',
  evidence: SECTION,
});

export const DMABUF_SET_NAME = defineIoctl({
  name: 'DMABUF_SET_NAME',
  nr: OWN_NR.DMA_BUF,
  op: 5,
  access: 'sharing',
  duringReset: true,
  req: { fd: s32, name: string(MAX_NAME_DECODED) },
  res: {},
  errors: [NO_DESCRIPTOR, NO_SUCH_CALL, row('EINVAL', 'name', 'more than 31 bytes')],
  doc: 'Names a dma-buf for people (DMA_BUF_SET_NAME). Whoever holds it may.',
  level: 'functional',
  evidence: SECTION,
});

export const DMABUF_EXPORT_SYNC_FILE = defineIoctl({
  name: 'DMABUF_EXPORT_SYNC_FILE',
  nr: OWN_NR.DMA_BUF,
  op: 6,
  access: 'sharing',
  duringReset: true,
  req: { fd: s32, flags: flags(DMABUF_SYNC_FLAGS) },
  res: { fd: s32 },
  errors: [NO_DESCRIPTOR, NO_SUCH_CALL, row('EINVAL', 'flags', 'neither READ nor WRITE, or other bits'), NO_ROOM],
  doc: 'A sync file of what an access of that kind would wait for now; if that is nothing, it has signalled already.',
  level: 'functional',
  evidence: SECTION,
});

export const DMABUF_IMPORT_SYNC_FILE = defineIoctl({
  name: 'DMABUF_IMPORT_SYNC_FILE',
  nr: OWN_NR.DMA_BUF,
  op: 7,
  access: 'sharing',
  duringReset: true,
  req: { fd: s32, flags: flags(DMABUF_SYNC_FLAGS), syncFile: s32 },
  res: {},
  errors: [
    NO_DESCRIPTOR,
    NO_SUCH_CALL,
    row('EINVAL', 'flags', 'neither READ nor WRITE, or other bits'),
    row('EINVAL', 'sync-file', 'the other descriptor is not that of a sync file'),
  ],
  doc: 'Adds the fences of a sync file to a dma-buf: as a writer that others wait for, or as a reader.',
  level: 'functional',
  evidence: SECTION,
});

export const DMABUF_SEEK = defineIoctl({
  name: 'DMABUF_SEEK',
  nr: OWN_NR.DMA_BUF,
  op: 8,
  access: 'sharing',
  duringReset: true,
  req: { fd: s32, offset: u53, whence: choice(SEEK_WHENCE) },
  res: { position: u53 },
  errors: [
    NO_DESCRIPTOR,
    row('ESPIPE', 'other-file', 'the descriptor is that of a sync file'),
    row('EINVAL', 'where', 'anything but offset 0 from the start or the end'),
  ],
  doc: 'llseek: how programs ask for the size, with offset 0 from the end.',
  level: 'functional',
  evidence: SECTION,
});

export const DMABUF_INFO = defineIoctl({
  name: 'DMABUF_INFO',
  nr: OWN_NR.DMA_BUF,
  op: 9,
  access: 'sharing',
  duringReset: true,
  req: { fd: s32 },
  res: {
    size: u53,
    count: u32,
    exporterName: string(MAX_NAME_DECODED),
    name: string(MAX_NAME_DECODED),
    flags: u32,
    kind: choice(DMABUF_KIND),
    exporterDevice: u32,
  },
  errors: [NO_DESCRIPTOR, NO_SUCH_CALL],
  doc: 'What fdinfo shows of a dma-buf: size, references, exporter, name, and the file flags of this descriptor.',
  level: 'functional',
  evidence: SECTION,
});

export const DMABUF_MMAP = defineIoctl({
  name: 'DMABUF_MMAP',
  nr: OWN_NR.DMA_BUF,
  op: 10,
  access: 'primary',
  duringReset: true,
  req: { fd: s32, offset: u53, length: u53, writable: bool8 },
  res: { mapping: u32, segment: u32, segmentSize: u53, offset: u53, length: u53 },
  errors: [
    NO_DESCRIPTOR,
    row('ENODEV', 'other-file', 'the descriptor is that of a sync file'),
    row('EACCES', 'read-only', 'a writable mapping through a descriptor that only reads'),
    row('EINVAL', 'not-mappable', 'memory of a device, sync objects, or a part of a host buffer'),
    row('EINVAL', 'range', 'an offset that is no multiple of a page, no length, or beyond the end'),
    row('EMFILE', 'mappings', 'this file holds as many mappings as it may'),
    row('ENOTCONN', 'no-side-channel', 'no side channel to send the descriptor on'),
  ],
  doc: 'mmap(2) of a dma-buf of host memory: the segment’s descriptor is sent on the side channel, each time anew, with the number that the reply names. A mapping holds the dma-buf until DMABUF_MUNMAP. The exporter of device memory has no mmap (uapi.md 6.1).',
  level: 'functional',
  evidence: SECTION,
});

export const DMABUF_MUNMAP = defineIoctl({
  name: 'DMABUF_MUNMAP',
  nr: OWN_NR.DMA_BUF,
  op: 11,
  access: 'primary',
  duringReset: true,
  req: { mapping: u32 },
  res: {},
  errors: [row('EINVAL', 'mapping', 'no mapping of this file has the number')],
  doc: 'munmap(2) of what DMABUF_MMAP mapped. The caller must not touch the memory any more.',
  level: 'functional',
  evidence: SECTION,
});
