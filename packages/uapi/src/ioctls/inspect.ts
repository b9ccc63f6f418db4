/** Looking into a running daemon, without opening a device. This project's own calls; the documents are in ../inspect.ts. */
import { document, optional } from '../composite-kinds.js';
import type { BuffersSnapshot, ClientsSnapshot, DaemonSnapshot, QueuesSnapshot, RingSnapshot } from '../inspect.js';
import { defineIoctl, row } from '../ioctl.js';
import { s32, u32, u53 } from '../kinds.js';
import type { Snapshot } from '../snapshot.js';
import { OWN_NR } from './blocks.js';

const NONE = {} as const;

export const INSPECT_QUEUES = defineIoctl({
  name: 'INSPECT_QUEUES',
  nr: OWN_NR.INSPECT,
  op: 0,
  access: 'any',
  duringReset: true,
  req: { device: s32 },
  res: { snapshot: document<QueuesSnapshot>('pedrera.queues/1') },
  errors: [row('ENXIO', 'device', 'no such device')],
  doc: 'Every stream of one device, or of all with -1: how full, how far, at which packet, and what it is blocked on.',
  level: 'functional',
  evidence: { section: 'architecture 8' },
});

export const INSPECT_CLIENTS = defineIoctl({
  name: 'INSPECT_CLIENTS',
  nr: OWN_NR.INSPECT,
  op: 1,
  access: 'any',
  duringReset: true,
  req: NONE,
  res: { snapshot: document<ClientsSnapshot>('pedrera.ps/1') },
  errors: [],
  doc: 'Every open file: whose it is, what it holds and what it has in flight.',
  level: 'functional',
  evidence: { section: 'architecture 8' },
});

export const INSPECT_BUFFERS = defineIoctl({
  name: 'INSPECT_BUFFERS',
  nr: OWN_NR.INSPECT,
  op: 2,
  access: 'any',
  duringReset: true,
  req: { from: optional(u53) },
  res: { snapshot: document<BuffersSnapshot>('pedrera.bufs/1') },
  errors: [],
  doc: 'Every dma-buf: who exported it, who imports it, its fences, who holds it, and totals that agree with those of the allocators. As many as fit a frame, from the id `from` on; the document says with which id to go on.',
  level: 'functional',
  evidence: { section: 'architecture 8' },
});

export const INSPECT_DAEMON = defineIoctl({
  name: 'INSPECT_DAEMON',
  nr: OWN_NR.INSPECT,
  op: 3,
  access: 'any',
  duringReset: true,
  req: NONE,
  res: { snapshot: document<DaemonSnapshot>('pedrera.daemon/1') },
  errors: [],
  doc: 'The daemon itself: where it listens, how it was built, what it holds, how its devices are.',
  level: 'functional',
  evidence: { section: 'architecture 8' },
});

export const INSPECT_SNAPSHOT = defineIoctl({
  name: 'INSPECT_SNAPSHOT',
  nr: OWN_NR.INSPECT,
  op: 4,
  access: 'any',
  duringReset: true,
  req: { sections: u32, device: s32, pid: u32, address: u53, page: u32, about: optional(u32) },
  res: { snapshot: document<Snapshot>('pedrera.snapshot/1'), next: u32 },
  errors: [
    row('EINVAL', 'sections', 'a section that does not exist'),
    row('EINVAL', 'page', 'not the page that comes next of the snapshot this connection took last'),
    row('ENXIO', 'device', 'no such device'),
    row('ESRCH', 'pid', 'nothing is known of such a process'),
  ],
  doc: 'Everything asked for, as it was at one moment. Page 0 takes a snapshot of the sections in `sections` (SNAPSHOT_SECTION), of one device or all (-1), of one process or all (0), with the walk of `address` in the address spaces shown (0: no walk), and begins to tell it; `next` is the page to ask for next, 0 after the last. Arrays of the pages are put together. The search for producers has a bound; it begins with what the process `about` waits for.',
  level: 'functional',
  evidence: { section: 'architecture 8' },
});

export const INSPECT_RING = defineIoctl({
  name: 'INSPECT_RING',
  nr: OWN_NR.INSPECT,
  op: 5,
  access: 'any',
  duringReset: true,
  req: { device: s32, queue: u32, asid: u32, from: u32, to: u32 },
  res: { snapshot: document<RingSnapshot>('pedrera.ring/1') },
  errors: [
    row('ENXIO', 'device', 'no such device'),
    row('EINVAL', 'queue', 'no such queue'),
    row('EINVAL', 'several', 'asid is 0 and several contexts use the queue'),
    row('EINVAL', 'range', 'slots that are not in the ring, or none'),
    row('ENOENT', 'asid', 'no such context, or it has not used the queue'),
  ],
  doc: 'Entries of the ring of one queue of a context (asid 0: the only one that uses it), in the slots `from` up to, not including, `to`; both 0: from a few before the oldest unfinished one up to the producer. Command buffers of unfinished entries are decoded.',
  level: 'functional',
  evidence: { section: 'architecture 8' },
});
