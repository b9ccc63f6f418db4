/** Command submission. Ioctl 3 (uapi.md 4.1 to 4.13). */
import { array, type ObjectOf, optional, struct } from '../composite-kinds.js';
import { CS_CHUNK_FLAGS, CS_FLAGS, ENGINE_CORE_COMMAND } from '../constants.js';
import { type BitTest, defineIoctl, type PointerSpec, row } from '../ioctl.js';
import { ALL_ONES_U64, choice, flags, u16, u32, u53, u64 } from '../kinds.js';
import { MAX_CHUNKS, MAX_CHUNKS_DECODED, MAX_MULTI_CS } from '../limits.js';
import { HL_CS_CHUNK } from '../structs.js';
import { CS_BLOCK, NR } from './blocks.js';

/**
 * One job. `handle` is a command buffer's handle for an external queue and a device address for an internal one. In a signal wait
 * (CS flags WAIT, COLLECTIVE_WAIT) `signalSeqs` holds the awaited sequence numbers; with ENCAP_SIGNALS `handle` is the sequence that has
 * the signals and `size` the offset into them, as they share their bytes in C.
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
  return { pointer, count, element: HL_CS_CHUNK, fields: CHUNK_FIELDS, max: MAX_CHUNKS, when, deferred: true };
}

const flag = (mask: number, without?: number): BitTest =>
  without === undefined ? { field: 'csFlags', mask } : { field: 'csFlags', mask, without };

/** The pointers share their bytes with the engine-core form. Restore chunks are ignored unless forced (uapi.md 4.2). */
const HAS_CHUNKS: BitTest = { field: 'csFlags', without: CS_FLAGS.ENGINE_CORE_COMMAND };
const HAS_RESTORE: BitTest = { ...HAS_CHUNKS, mask: CS_FLAGS.FORCE_RESTORE };
const NAMES_HANDLE = flag(CS_FLAGS.UNRESERVE_SIGNALS_ONLY | CS_FLAGS.ENCAP_SIGNALS, CS_FLAGS.RESERVE_SIGNALS_ONLY);

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
    encapsSigHandleId: optional(u32),
    encapsSignalsCount: optional(u32),
    encapsSignalsQIdx: optional(u32),
    numEngineCores: optional(u32),
    coreCommand: optional(choice(ENGINE_CORE_COMMAND)),
  },
  res: {
    seq: u53,
    status: u32,
    sobBaseAddrOffset: u32,
    sobCountBeforeSubmission: u16,
    handleId: optional(u32),
    count: optional(u32),
  },
  abi: {
    block: CS_BLOCK,
    in: {
      chunksRestore: chunks('chunksRestore', 'numChunksRestore', HAS_RESTORE),
      chunksExecute: chunks('chunksExecute', 'numChunksExecute', HAS_CHUNKS),
      seq: 'seq',
      timeoutSec: 'timeout',
      flags: 'csFlags',
      encapsSigHandleId: { field: 'encapsSigHandleId', when: NAMES_HANDLE },
      encapsSignalsCount: { field: 'encapsSignalsCount', when: flag(CS_FLAGS.RESERVE_SIGNALS_ONLY) },
      encapsSignalsQIdx: { field: 'encapsSignalsQIdx', when: flag(CS_FLAGS.RESERVE_SIGNALS_ONLY) },
      numEngineCores: { field: 'numEngineCores', when: flag(CS_FLAGS.ENGINE_CORE_COMMAND) },
      coreCommand: { field: 'coreCommand', when: flag(CS_FLAGS.ENGINE_CORE_COMMAND) },
    },
    nested: [
      {
        array: 'chunksExecute',
        field: 'signalSeqs',
        pointer: 'signalSeqArr',
        count: 'numSignalSeqArr',
        max: 1,
        when: flag(CS_FLAGS.WAIT | CS_FLAGS.COLLECTIVE_WAIT, CS_FLAGS.ENCAP_SIGNALS),
        deferred: true,
      },
    ],
    out: {
      seq: 'seq',
      status: 'status',
      sobBaseAddrOffset: 'sobBaseAddrOffset',
      sobCountBeforeSubmission: 'sobCountBeforeSubmission',
      handleId: 'handleId',
      count: 'count',
    },
    success: 'zero',
    failure: { start: 'zero', set: { seq: ALL_ONES_U64, status: '-errno' }, untouchedOn: ['EAGAIN'] },
  },
  errors: [
    row('EBUSY', 'not-operational', 'the device is not operational'),
    row('EPERM', 'staged-not-supported', 'STAGED on a device without staged submissions', 'Gaudi has them'),
    row('EINVAL', 'two-types', 'more than one of the type flags'),
    row('EINVAL', 'sync-stream-not-supported', 'a signal or wait on a device without sync streams', 'Gaudi has them'),
    row('EINVAL', 'nothing-to-execute', 'a plain submission without execute chunks, restore chunks or not'),
    row('EINVAL', 'signal-chunk-count', 'a signal, wait or collective wait whose number of execute chunks is not 1'),
    row('ENOEXEC', 'restore-failed', 'the forced restore phase timed out or was aborted'),
    row('EINVAL', 'chunk-count', 'more than 512 chunks'),
    row('ENOMEM', 'chunk-memory', 'no memory for the chunks', 'they are decoded before the call'),
    row('EFAULT', 'chunk-array', 'the chunk array is not readable'),
    row('EAGAIN', 'max-in-flight', 'the submission 16384 numbers before this one is still unfinished'),
    row('EINVAL', 'queue', "no such queue, or one that is the driver's"),
    row('EINVAL', 'cb-handle', 'no command buffer has the handle (external queue)'),
    row('EINVAL', 'cb-size', 'less than 8 bytes, or more than the command buffer has (external queue)'),
    row(
      'EFAULT',
      'internal-cb-range',
      'size 0, or not wholly in user SRAM, device memory or host addresses (internal queue)',
    ),
    row('EINVAL', 'nic-disabled', 'a queue of a NIC port that is not enabled'),
    row('EINVAL', 'packet', 'an unknown packet, or WAIT, which no command buffer of a user may hold'),
    row('EINVAL', 'packet-truncated', 'a packet that reaches beyond the command buffer'),
    row('EPERM', 'packet-forbidden', 'a packet users may not send'),
    row('ENOMEM', 'patched-cb', 'no memory for the copy that is executed'),
    row('EBUSY', 'stopped-while-parsing', 'the device stopped before the copy that is executed was made'),
    row('ENOMEM', 'job-memory', 'no memory for a job', 'jobs are small objects of the daemon'),
    row('EINVAL', 'internal-only', 'only internal queues, in a submission that has to report its completion'),
    row('EPERM', 'stopped', 'the device stopped before the work was queued'),
    row('EAGAIN', 'queue-full', 'an external queue or its completion queue lacks room'),
    row(
      'ENOMEM',
      'internal-queue-overfilled',
      'more jobs for an internal queue than it has entries',
      'a submission has at most 512 jobs, the shortest queue 1024 entries',
    ),
    row('EAGAIN', 'internal-queue-full', 'an internal queue lacks room'),
    row('EINVAL', 'staged-sequence', 'a later part names no staged group that is still open'),
    row('EINVAL', 'encaps-handle', 'ENCAP_SIGNALS names no reservation'),
    row('EINVAL', 'encaps-in-use', 'ENCAP_SIGNALS names a reservation that a submission has already'),
    row('EINVAL', 'signal-queue', 'a signal on a queue without sync stream'),
    row('EINVAL', 'wait-queue', 'a wait for signals on a queue without sync stream'),
    row('EINVAL', 'sob-in-use', 'the sync object to switch to is still referenced'),
    row('EINVAL', 'collective-queue', 'a collective wait on a queue that is no master'),
    row('EINVAL', 'collective-nic-disabled', 'a collective wait without enabled NIC ports'),
    row('EINVAL', 'collective-engine', 'the collective engine is neither DMA5 nor TPC7'),
    row('EINVAL', 'signal-count', 'the number of awaited sequence numbers is not 1'),
    row('EFAULT', 'signal-array', 'the array of awaited sequence numbers is not readable'),
    row('EINVAL', 'signal-future', 'the awaited sequence number was never issued'),
    row('EINVAL', 'signal-type', 'the awaited submission is no signal'),
    row('EFAULT', 'signal-cb', 'no memory for the command buffer the driver makes'),
    row('ENOMEM', 'signal-lease', 'no sync objects or monitors are left to lease for signals (shared policy)'),
    row('EINVAL', 'encaps-offset', 'the offset into the reserved signals exceeds their number'),
    row('EINVAL', 'reserve-count', '32768 signals or more'),
    row('EINVAL', 'reserve-queue', 'a reservation on a queue without sync stream'),
    row('ENOMEM', 'reserve-memory', 'no handle for a reservation', 'handles are small objects of the daemon'),
    row('EINVAL', 'unreserve-handle', 'UNRESERVE_SIGNALS_ONLY names no reservation, or one that is in use'),
    row('EINVAL', 'unreserve-moved', 'the queue signalled or reserved since'),
    row('EINVAL', 'engine-cores', 'any engine-core command: Gaudi has no such cores'),
  ],
  doc: 'Queues command buffers and returns the sequence number to wait on; all chunks are validated before any is queued (uapi.md 4.3). Work is complete when all jobs on external queues are (4.5). `seq` names the staged group a later part belongs to (4.8). With SIGNAL, WAIT or COLLECTIVE_WAIT there is one chunk, and the driver writes the command buffer itself (4.9, 4.10). RESERVE_SIGNALS_ONLY reserves `encapsSignalsCount` signals of queue `encapsSignalsQIdx` and answers with `handleId` and `count`; ENCAP_SIGNALS or UNRESERVE_SIGNALS_ONLY name that handle in `encapsSigHandleId` (4.11). A wait for signals that are given already returns all ones as sequence number. On failure a C program finds all ones and -errno in its block, except after EAGAIN, which leaves it as it was.',
  level: 'exact',
  evidence: { source: 'common/command_submission.c', section: 'uapi.md 4.1' },
});
