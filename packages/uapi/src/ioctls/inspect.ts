/** Looking into a running daemon, without opening a device. This project's own calls; the documents are in ../inspect.ts. */
import { document, optional } from '../composite-kinds.js';
import type { BuffersSnapshot, ClientsSnapshot, DaemonSnapshot, QueuesSnapshot } from '../inspect.js';
import { defineIoctl, row } from '../ioctl.js';
import { s32, u53 } from '../kinds.js';
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
