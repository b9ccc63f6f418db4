/**
 * The importer node: a network card that makes memory regions of dma-bufs. Four calls of the public test suite's importer driver
 * (uapi.md 6.6), and this project's own for what a card does beyond them.
 */
import { array, optional, struct } from '../composite-kinds.js';
import { MR_ACCESS, RDMA_OP, RDMA_STATUS } from '../constants.js';
import { defineIoctl, row } from '../ioctl.js';
import { bool8, bytes, choice, flags, s32, string, u32, u53 } from '../kinds.js';
import { MAX_RDMA_BYTES, MAX_RDMA_COMPLETIONS } from '../limits.js';
import {
  IMPORTER_DEREG_BLOCK,
  IMPORTER_NR,
  IMPORTER_READ_BLOCK,
  IMPORTER_REG_BLOCK,
  IMPORTER_WRITE_BLOCK,
  OWN_NR,
} from './blocks.js';

const MAX_KEY = 128;

const UNKNOWN_REGION = row('EINVAL', 'handle', 'no memory region of this open file has the handle');
const READ_ONLY = row('EPERM', 'read-only', 'the descriptor of the region gave no more than reading');
const BEYOND = row('EINVAL', 'range', 'beyond the end of the region');
const GONE = row('EIO', 'dead', 'the memory behind the region is gone, or its device does not answer now');
const FAULT = row('EFAULT', 'memory', 'not memory of the caller that the daemon can reach');

const common = { access: 'importer', duringReset: true, level: 'functional' } as const;
const evidence = { section: 'uapi.md 6.6' } as const;
const ECHOED = { success: 'echo', failure: { start: 'echo' } } as const;

export const IMPORTER_REG_MR = defineIoctl({
  ...common,
  name: 'IMPORTER_REG_MR',
  nr: IMPORTER_NR.REG_MR,
  op: 0,
  req: { fd: s32, offset: u53, length: u53, iova: u53, accessFlags: flags(MR_ACCESS) },
  res: { mrHandle: u53 },
  abi: {
    block: IMPORTER_REG_BLOCK,
    in: { fd: 'fd', offset: 'offset', length: 'length', iova: 'iova', accessFlags: 'accessFlags' },
    out: { mrHandle: 'mrHandle' },
    success: 'zero',
    failure: { start: 'echo' },
  },
  errors: [
    row('EBADF', 'fd', 'the descriptor is not open'),
    row('EINVAL', 'kind', 'the descriptor is not that of memory'),
    row('EINVAL', 'access', 'unknown access flags'),
    row('EINVAL', 'range', 'length 0, or beyond the end of the buffer'),
    row('EPERM', 'read-only', 'remote writes are to be allowed, and the descriptor gives no more than reading'),
    row(
      'EPERM',
      'no-route',
      'the card cannot reach the memory by PCI peer-to-peer',
      'on a machine whose description takes the way from the card to the device; without one there is a way',
    ),
    row('ENOMEM', 'regions', 'as many regions as one file may have'),
  ],
  doc: 'Attaches a range of a dma-buf as a memory region of the card. The region keeps the buffer; its descriptor may be closed. The card is a dynamic importer with peer-to-peer access, so a missing route is EPERM here (uapi.md 6.1, 6.6). accessFlags say what others may do with its key, as in verbs; the own process always reads and writes.',
  evidence,
});

export const IMPORTER_DEREG_MR = defineIoctl({
  ...common,
  name: 'IMPORTER_DEREG_MR',
  nr: IMPORTER_NR.DEREG_MR,
  op: 0,
  req: { mrHandle: u53 },
  res: {},
  abi: { block: IMPORTER_DEREG_BLOCK, in: { mrHandle: 'mrHandle' }, out: {}, ...ECHOED },
  errors: [UNKNOWN_REGION],
  doc: 'Ends a memory region and detaches its buffer. Its key names nothing any more, and transfers that are under way end with an error (uapi.md 6.6).',
  evidence,
});

export const IMPORTER_WRITE_MR = defineIoctl({
  ...common,
  name: 'IMPORTER_WRITE_MR',
  nr: IMPORTER_NR.WRITE_MR,
  op: 0,
  req: { mrHandle: u53, userptr: u53, size: u32, offset: u32 },
  res: {},
  abi: {
    block: IMPORTER_WRITE_BLOCK,
    in: { mrHandle: 'mrHandle', userptr: 'userptr', size: 'size', offset: 'offset' },
    out: {},
    ...ECHOED,
  },
  errors: [UNKNOWN_REGION, READ_ONLY, BEYOND, GONE, FAULT],
  doc: "Writes memory of the calling process into a region. The bytes are there when the call returns (uapi.md 6.6). What the process may not be asked for on this machine is EFAULT; MR_PUT carries the bytes in the call's stead.",
  evidence,
});

export const IMPORTER_READ_MR = defineIoctl({
  ...common,
  name: 'IMPORTER_READ_MR',
  nr: IMPORTER_NR.READ_MR,
  op: 0,
  req: { mrHandle: u53, userptr: u53, size: u32, offset: u32 },
  res: {},
  abi: {
    block: IMPORTER_READ_BLOCK,
    in: { mrHandle: 'mrHandle', userptr: 'userptr', size: 'size', offset: 'offset' },
    out: {},
    ...ECHOED,
  },
  errors: [UNKNOWN_REGION, BEYOND, GONE, FAULT],
  doc: 'Reads a region into memory of the calling process (uapi.md 6.6). MR_GET carries the bytes in its reply.',
  evidence,
});

export const MR_PUT = defineIoctl({
  ...common,
  name: 'MR_PUT',
  nr: OWN_NR.RDMA,
  op: 0,
  req: { mrHandle: u53, offset: u53, data: bytes(MAX_RDMA_BYTES) },
  res: {},
  errors: [UNKNOWN_REGION, READ_ONLY, BEYOND, GONE],
  doc: 'Writes the given bytes into a region of this file, as IMPORTER_WRITE_MR does with memory of a C program.',
  evidence,
});

export const MR_GET = defineIoctl({
  ...common,
  name: 'MR_GET',
  nr: OWN_NR.RDMA,
  op: 1,
  req: { mrHandle: u53, offset: u53, size: u32 },
  res: { data: bytes(MAX_RDMA_BYTES) },
  errors: [UNKNOWN_REGION, row('EINVAL', 'size', 'more than one reply carries'), BEYOND, GONE],
  doc: 'Reads bytes of a region of this file, as IMPORTER_READ_MR does into memory of a C program.',
  evidence,
});

export const MR_KEY = defineIoctl({
  ...common,
  name: 'MR_KEY',
  nr: OWN_NR.RDMA,
  op: 2,
  req: { mrHandle: u53 },
  res: { key: string(MAX_KEY) },
  errors: [UNKNOWN_REGION],
  doc: 'The unguessable key by which transfers of other files, also on other cards, name a region of this one. Possession is the right to what its access flags allow; it ends with the region.',
  evidence,
});

export const RDMA_POST = defineIoctl({
  ...common,
  name: 'RDMA_POST',
  nr: OWN_NR.RDMA,
  op: 3,
  req: {
    op: choice(RDMA_OP),
    mrHandle: u53,
    offset: u53,
    key: string(MAX_KEY),
    remoteOffset: u53,
    size: u53,
  },
  res: { id: u32 },
  errors: [
    row('EINVAL', 'op', 'neither a write nor a read'),
    UNKNOWN_REGION,
    row('EINVAL', 'range', 'beyond the end of the own region'),
    row('EPERM', 'read-only', 'a read into a region whose descriptor gave no more than reading'),
    row('EAGAIN', 'queue-full', 'as many transfers of this file as may be under way'),
  ],
  doc: 'Queues a transfer between a region of this file and the one a key names: WRITE moves from here to there, READ from there to here. No processor of either side takes part. Whatever is wrong with the other side is said by the completion. Transfers of one file are carried out in order.',
  evidence,
});

export const RDMA_POLL = defineIoctl({
  ...common,
  name: 'RDMA_POLL',
  nr: OWN_NR.RDMA,
  op: 4,
  req: { max: u32, wait: optional(bool8) },
  res: { completions: array(struct({ id: u32, status: choice(RDMA_STATUS), bytes: u53 }), MAX_RDMA_COMPLETIONS) },
  errors: [
    row('EINVAL', 'max', 'none, or more than one reply carries'),
    row('EINTR', 'closed', 'the file was closed meanwhile', 'who closed it hears no answer'),
  ],
  doc: 'Takes completions of this file, oldest first. With `wait` it answers when there is one, or when no transfer is under way that could bring one.',
  evidence,
});
