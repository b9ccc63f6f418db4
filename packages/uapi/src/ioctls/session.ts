/** The life of a connection: greeting, opening a node, descriptors, mapping kernel memory. This project's own calls. */
import { defineIoctl } from '../ioctl.js';
import { bytes, string, u32, u53, u64 } from '../kinds.js';
import { MAX_PROGRAM_NAME, SIDE_TOKEN_BYTES } from '../limits.js';
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
  errors: { EPROTONOSUPPORT: 'the two sides speak different versions', EINVAL: 'greeted before' },
  doc: 'The first frame of a connection: agrees on the protocol version and tells the limits. The program name is for display; who is calling comes from the socket.',
  level: 'functional',
});

export const OPEN = defineIoctl({
  name: 'OPEN',
  nr: OWN_NR.SESSION,
  op: 1,
  access: 'any',
  duringReset: true,
  req: { node: string(MAX_NAME) },
  res: { device: u32, asid: u32, sideToken: bytes(SIDE_TOKEN_BYTES) },
  errors: {
    ENXIO: 'no such node',
    EINVAL: 'the connection has a node open already',
    EAGAIN: 'the device is in reset, or the previous context is still being torn down',
    EPERM: 'the device is broken or waits for a reset',
    EBUSY: 'another context is active (exclusive policy)',
    ENOMEM: 'no address space id is free, or the context could not be made',
  },
  doc: 'open(2) of `hl<i>` or `hl_controlD<i>`, with the order of checks of uapi.md 1.2 and 1.4. The connection is the open file: closing it is close(2). A control node has no context and reports ASID 0. The token opens the side channel on which descriptors arrive.',
  level: 'functional',
});

export const SIDE_CHANNEL = defineIoctl({
  name: 'SIDE_CHANNEL',
  nr: OWN_NR.SESSION,
  op: 2,
  access: 'any',
  duringReset: true,
  req: { token: bytes(SIDE_TOKEN_BYTES) },
  res: {},
  errors: {
    EPERM: 'not a token that OPEN gave to this process',
    EINVAL: 'not the first frame, or the file has a side channel already',
  },
  doc: 'The first and only request on a second connection: it becomes the channel on which the descriptors of an open file arrive.',
  level: 'functional',
});

export const MMAP = defineIoctl({
  name: 'MMAP',
  nr: OWN_NR.SESSION,
  op: 3,
  access: 'primary',
  duringReset: true,
  req: { offset: u64 },
  res: { segment: u32, segmentSize: u53, offset: u53, length: u53 },
  errors: {
    EINVAL: 'unknown handle, unknown type bits, or a command buffer that is mapped already',
    EPERM: 'a hardware block',
    ENODEV: 'a control node',
    ENOTCONN: 'no side channel to send the descriptor on',
  },
  doc: "mmap(2): says in which shared-memory segment an object lies, and takes a reference for the mapping. The segment's descriptor is sent on the side channel, tagged with its number, before the first reply that names it. Offsets are command-buffer and host-buffer handles, or that of the completion ring (uapi.md 2.9, 3.3).",
  level: 'functional',
});

export const MUNMAP = defineIoctl({
  name: 'MUNMAP',
  nr: OWN_NR.SESSION,
  op: 4,
  access: 'primary',
  duringReset: true,
  req: { offset: u64 },
  res: {},
  errors: { EINVAL: 'not mapped' },
  doc: 'munmap(2) of a whole object: drops the reference of the mapping. The caller must not touch the memory any more.',
  level: 'functional',
});
