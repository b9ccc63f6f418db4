/** Command submission. Ioctl 3 (uapi.md 4.1 to 4.13). */
import { array, type ObjectOf, optional, struct } from '../composite-kinds.js';
import { CS_CHUNK_FLAGS, CS_FLAGS } from '../constants.js';
import { type BitTest, defineIoctl, type PointerSpec } from '../ioctl.js';
import { ALL_ONES_U64, flags, u16, u32, u53, u64 } from '../kinds.js';
import { MAX_CHUNKS, MAX_CHUNKS_DECODED, MAX_MULTI_CS } from '../limits.js';
import { HL_CS_CHUNK } from '../structs.js';
import { CS_BLOCK, NR } from './blocks.js';

/**
 * One job. `handle` is a command buffer's handle for an external queue and a device address for an internal one. In a signal wait
 * (CS flags WAIT, COLLECTIVE_WAIT) `signalSeqs` holds the awaited sequence numbers; with ENCAP_SIGNALS `handle` is the sequence that has
 * the signals and `size` the offset into them.
 */
const CHUNK = {
  handle: u64,
  queueIndex: u32,
  size: u32,
  flags: flags(CS_CHUNK_FLAGS),
  collectiveEngineId: optional(u32),
  signalSeqs: optional(array(u53, MAX_MULTI_CS)),
} as const;

export type Chunk = ObjectOf<typeof CHUNK>;

const CHUNK_FIELDS = {
  handle: 'cbHandle',
  queueIndex: 'queueIndex',
  size: 'cbSize',
  flags: 'csChunkFlags',
  collectiveEngineId: 'collectiveEngineId',
} as const;

function chunks(pointer: string, count: string, when: BitTest): PointerSpec {
  return { pointer, count, element: HL_CS_CHUNK, fields: CHUNK_FIELDS, max: MAX_CHUNKS, when };
}

/** The pointers share their bytes with the engine-core form. Restore chunks are ignored unless forced (uapi.md 4.2). */
const HAS_CHUNKS: BitTest = { field: 'csFlags', without: CS_FLAGS.ENGINE_CORE_COMMAND };
const HAS_RESTORE: BitTest = { ...HAS_CHUNKS, mask: CS_FLAGS.FORCE_RESTORE };

export const CS = defineIoctl({
  name: 'CS',
  nr: NR.CS,
  op: 0,
  access: 'primary',
  duringReset: false,
  req: {
    chunksRestore: array(struct(CHUNK), MAX_CHUNKS_DECODED),
    chunksExecute: array(struct(CHUNK), MAX_CHUNKS_DECODED),
    seq: u53,
    timeoutSec: u32,
    flags: flags(CS_FLAGS),
  },
  res: { seq: u53, status: u32, sobBaseAddrOffset: u32, sobCountBeforeSubmission: u16 },
  abi: {
    block: CS_BLOCK,
    in: {
      chunksRestore: chunks('chunksRestore', 'numChunksRestore', HAS_RESTORE),
      chunksExecute: chunks('chunksExecute', 'numChunksExecute', HAS_CHUNKS),
      seq: 'seq',
      timeoutSec: 'timeout',
      flags: 'csFlags',
    },
    nested: [
      {
        array: 'chunksExecute',
        field: 'signalSeqs',
        pointer: 'signalSeqArr',
        count: 'numSignalSeqArr',
        max: 1,
        when: { field: 'csFlags', mask: CS_FLAGS.WAIT | CS_FLAGS.COLLECTIVE_WAIT, without: CS_FLAGS.ENCAP_SIGNALS },
      },
    ],
    out: {
      seq: 'seq',
      status: 'status',
      sobBaseAddrOffset: 'sobBaseAddrOffset',
      sobCountBeforeSubmission: 'sobCountBeforeSubmission',
    },
    success: 'zero',
    failure: { start: 'zero', set: { seq: ALL_ONES_U64, status: '-errno' }, untouchedOn: ['EAGAIN'] },
  },
  errors: {
    EINVAL: 'bad counts, flags, queue, command buffer or size, an invalid packet, or misuse of signals or stages',
    EPERM: 'a packet users may not send, or the device stopped before the work was queued',
    EFAULT: 'chunk array not readable, or the address of an internal command buffer outside the user ranges',
    ENOMEM: 'no memory, or more jobs for an internal queue than it has entries',
    EAGAIN: 'a queue or the context is full of unfinished work',
    ENOEXEC: 'the forced restore phase failed',
    EBUSY: 'the device is not operational',
  },
  doc: 'Queues command buffers and returns the sequence number to wait on; all chunks are validated before any is queued (uapi.md 4.3). seq is that of a staged group, or the reservation fields that share its bytes. Work is complete when all jobs on external queues are (4.5). On failure a C program finds all ones and -errno in its block, except after EAGAIN, which leaves it as it was. A chunk array that cannot be read is reported before other faults of the same call.',
  level: 'functional',
});
