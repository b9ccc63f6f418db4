/** The life of a connection: greeting, opening a node, descriptors, mapping kernel memory. This project's own calls. */

import { optional } from '../composite-kinds.js';
import { defineIoctl, row } from '../ioctl.js';
import { bytes, string, u32, u53, u64 } from '../kinds.js';
import { MAX_JOINED, MAX_PROGRAM_NAME, SIDE_TOKEN_BYTES } from '../limits.js';
import { OWN_NR } from './blocks.js';

const MAX_NAME = 64;

export const HELLO = defineIoctl({
  name: 'HELLO',
  nr: OWN_NR.SESSION,
  op: 0,
  access: 'any',
  duringReset: true,
  req: { version: u32, program: string(MAX_PROGRAM_NAME) },
  res: {
    version: u32,
    daemonPid: u32,
    policy: string(MAX_NAME),
    devices: u32,
    maxFrameBytes: u32,
    maxInFlight: u32,
    build: string(MAX_NAME),
  },
  errors: [
    row('EPROTONOSUPPORT', 'version', 'the two sides speak different versions'),
    row('EINVAL', 'twice', 'greeted before'),
  ],
  doc: 'The first frame of a connection: agrees on the protocol version and tells the limits. The program name is for display; who is calling comes from the socket.',
  level: 'functional',
  evidence: { section: 'architecture 3' },
});

export const OPEN = defineIoctl({
  name: 'OPEN',
  nr: OWN_NR.SESSION,
  op: 1,
  access: 'any',
  duringReset: true,
  req: { node: string(MAX_NAME) },
  res: { device: u32, asid: u32, sideToken: bytes(SIDE_TOKEN_BYTES) },
  errors: [
    row('EINVAL', 'twice', 'the connection has a node open already'),
    row('ENOENT', 'name', 'no node has this name'),
    row('ENXIO', 'node', 'no device is behind the node'),
    row('EAGAIN', 'in-reset', 'the device is in reset (primary node)'),
    row(
      'EPERM',
      'not-operational',
      'the device is broken or waits for a reset; on the control node, also while it is in reset',
    ),
    row(
      'EAGAIN',
      'scrub',
      'device memory is being scrubbed',
      'a scrub is done before the write that starts it returns',
    ),
    row('EAGAIN', 'in-release', 'the previous context is still being torn down (exclusive policy)'),
    row('EBUSY', 'active', 'another context is active (exclusive policy)'),
    row('ENOMEM', 'asid', 'no address space id is free'),
    row('ENOMEM', 'context', 'the context could not be made'),
  ],
  doc: 'open(2) of `hl<i>` or `hl_controlD<i>`, with the order of checks of uapi.md 1.2 and 1.4. The connection is the open file: closing it is close(2). A control node has no context and reports ASID 0. The token opens the side channel on which descriptors arrive.',
  level: 'functional',
  evidence: { source: 'common/habanalabs_drv.c', section: 'uapi.md 1.2' },
});

export const SIDE_CHANNEL = defineIoctl({
  name: 'SIDE_CHANNEL',
  nr: OWN_NR.SESSION,
  op: 2,
  access: 'any',
  duringReset: true,
  req: { token: bytes(SIDE_TOKEN_BYTES) },
  res: {},
  errors: [
    row('EPERM', 'token', 'not a token of OPEN to this process, nor one of JOIN'),
    row('EINVAL', 'not-first', 'not the first frame'),
    row('EINVAL', 'twice', 'there is a side channel with this token already'),
  ],
  doc: 'The first and only request on a second connection: it becomes the channel on which the descriptors of an open file arrive.',
  level: 'functional',
  evidence: { section: 'architecture 4' },
});

export const JOIN = defineIoctl({
  name: 'JOIN',
  nr: OWN_NR.SESSION,
  op: 5,
  access: 'any',
  duringReset: true,
  req: {},
  res: { node: string(MAX_NAME), process: u32, daemonPid: u32, sideToken: bytes(SIDE_TOKEN_BYTES) },
  errors: [
    row('ENOTTY', 'no-node', 'no node is open on the connection'),
    row('EMFILE', 'processes', `${MAX_JOINED} other processes have joined the file already`),
  ],
  doc: 'For a process that has the connection of a file which another process opened: it came by fork, by exec, or in a message. The answer says which node it is, and has a token for a side connection, which makes the process known (SO_PEERCRED) under a number. Requests that carry the number behind their arguments name memory and descriptors of that process, and what is sent to it comes on its side connection.',
  level: 'functional',
  evidence: { section: 'architecture 2' },
});

export const CALL_INTERRUPT = defineIoctl({
  name: 'CALL_INTERRUPT',
  nr: OWN_NR.SESSION,
  op: 6,
  access: 'any',
  duringReset: true,
  req: { request: u53 },
  res: {},
  errors: [
    row('ENOENT', 'request', 'no request with the number waits: it has been answered, or is none that can be ended'),
  ],
  doc: 'For a program that met a signal while it waits: the request with this number is answered at once, as one of which the time is over (WAIT_CS: BUSY; DESCRIPTOR_POLL: no events; DMABUF_SYNC: EINTR).',
  level: 'functional',
  evidence: { section: 'uapi.md 4.14' },
});

export const MMAP = defineIoctl({
  name: 'MMAP',
  nr: OWN_NR.SESSION,
  op: 3,
  access: 'both',
  duringReset: true,
  req: { offset: u64, length: optional(u53) },
  res: { segment: u32, segmentSize: u53, offset: u53, length: u53 },
  errors: [
    row('ENODEV', 'control', 'the control node maps nothing'),
    row('EINVAL', 'handle', 'unknown handle'),
    row('EINVAL', 'length', 'a length that is not the size of the object rounded up to pages'),
    row('EINVAL', 'type', 'unknown type bits'),
    row('EINVAL', 'mapped', 'a command buffer that is mapped already'),
    row('EPERM', 'block', 'a hardware block'),
    row('ENOTCONN', 'no-side-channel', 'no side channel to send the descriptor on'),
  ],
  doc: "mmap(2): says in which shared-memory segment an object lies, and takes a reference for the mapping. The segment's descriptor is sent on the side channel, tagged with its number, before the first reply that names it. Offsets are handles of command buffers, timestamp buffers and host buffers, or that of the completion ring; the length may be left out (uapi.md 2.9, 3.3).",
  level: 'functional',
  evidence: { source: 'common/memory_mgr.c', section: 'uapi.md 3.3' },
});

export const MUNMAP = defineIoctl({
  name: 'MUNMAP',
  nr: OWN_NR.SESSION,
  op: 4,
  access: 'both',
  duringReset: true,
  req: { offset: u64 },
  res: {},
  errors: [row('EINVAL', 'not-mapped', 'not mapped')],
  doc: 'munmap(2) of a whole object: drops the reference of the mapping. The caller must not touch the memory any more.',
  level: 'functional',
  evidence: { source: 'common/memory_mgr.c', section: 'uapi.md 3.3' },
});
