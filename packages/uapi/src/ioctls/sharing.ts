/** Sharing between contexts, processes and devices: dma-bufs of memory and of sync objects. This project's own calls (cf. uapi.md 6). */
import { DMABUF_KIND } from '../constants.js';
import { defineIoctl, row } from '../ioctl.js';
import { choice, s32, string, u32, u53 } from '../kinds.js';
import { OWN_NR } from './blocks.js';

const MAX_TOKEN = 128;

export const SYNC_EXPORT = defineIoctl({
  name: 'SYNC_EXPORT',
  nr: OWN_NR.SHARING,
  op: 0,
  access: 'primary',
  duringReset: false,
  req: { dcore: u32, firstSyncObject: u32, count: u32 },
  res: { fd: s32 },
  errors: [
    row('EBUSY', 'not-operational', 'the device is not operational'),
    row('EINVAL', 'dcore', 'no such dcore'),
    row('EINVAL', 'count', 'count 0'),
    row('EPERM', 'not-leased', 'not all of the range is leased to this context'),
    row('EMFILE', 'descriptors', 'the caller holds as many dma-bufs as it may'),
  ],
  doc: 'Makes a dma-buf of a range of leased sync objects: whoever imports it gets a device address at which a MSG_LONG signals them, from another device too.',
  level: 'functional',
  evidence: { section: 'architecture 4' },
});

export const DMABUF_TOKEN = defineIoctl({
  name: 'DMABUF_TOKEN',
  nr: OWN_NR.SHARING,
  op: 1,
  access: 'primary',
  duringReset: true,
  req: { fd: s32 },
  res: { token: string(MAX_TOKEN) },
  errors: [row('EBADF', 'fd', 'not a dma-buf of this open file')],
  doc: 'An unguessable name for a dma-buf, to hand to another process by any means. Possession is the right to import it.',
  level: 'functional',
  evidence: { section: 'architecture 4' },
});

export const DMABUF_CLOSE = defineIoctl({
  name: 'DMABUF_CLOSE',
  nr: OWN_NR.SHARING,
  op: 2,
  access: 'primary',
  duringReset: true,
  req: { fd: s32 },
  res: {},
  errors: [row('EBADF', 'fd', 'not a dma-buf of this open file')],
  doc: 'Closes a dma-buf descriptor and ends its token. Importers keep what they have mapped.',
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
    row('EBUSY', 'not-operational', 'the device is not operational'),
    row('ENOENT', 'token', 'no dma-buf has this token'),
    row('ENOMEM', 'no-address', 'no device address fits'),
  ],
  doc: 'Attaches a dma-buf and maps it into the device addresses of the context, also when it lies on another device (peer to peer). MEMORY_UNMAP of the address undoes it.',
  level: 'functional',
  evidence: { section: 'architecture 4' },
});
