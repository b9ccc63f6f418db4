/** Waiting for submissions. Ioctl 4 (uapi.md 4.14 to 4.16). */
import { array, optional } from '../composite-kinds.js';
import { WAIT_FLAGS, WAIT_OUT_FLAGS, WAIT_STATUS } from '../constants.js';
import { type BitTest, defineIoctl, row } from '../ioctl.js';
import { choice, flags, u32, u53, u64 } from '../kinds.js';
import { MAX_MULTI_CS } from '../limits.js';
import { NR, WAIT_BLOCK } from './blocks.js';

/** The length field has 8 bits; more than 32 is for the handler to refuse. */
const MAX_SEQUENCES = 255;

/** INTERRUPT is asked first (uapi.md 4.14). */
const IS_INTERRUPT: BitTest = { field: 'flags', mask: WAIT_FLAGS.INTERRUPT };
const IS_SINGLE: BitTest = { field: 'flags', without: WAIT_FLAGS.INTERRUPT | WAIT_FLAGS.MULTI_CS };
const IS_MULTI: BitTest = { field: 'flags', mask: WAIT_FLAGS.MULTI_CS, without: WAIT_FLAGS.INTERRUPT };

export const WAIT_CS = defineIoctl({
  name: 'WAIT_CS',
  nr: NR.WAIT_CS,
  op: 0,
  access: 'primary',
  duringReset: false,
  req: { seq: u53, timeoutUs: u64, flags: flags(WAIT_FLAGS), sequences: optional(array(u53, MAX_SEQUENCES)) },
  res: {
    status: choice(WAIT_STATUS),
    flags: flags(WAIT_OUT_FLAGS),
    timestampNs: u64,
    completionMap: optional(u32),
  },
  abi: {
    block: WAIT_BLOCK,
    in: {
      seq: 'seq',
      timeoutUs: 'timeoutUs',
      flags: 'flags',
      sequences: { pointer: 'seq', count: 'seqArrLen', element: null, max: MAX_MULTI_CS, when: IS_MULTI },
    },
    out: { status: 'status', flags: 'flags', timestampNs: 'timestampNsec', completionMap: 'csCompletionMap' },
    ring: { seq: 'seq', plain: 'flags', timeoutUs: 'timeoutUs' },
    // The driver absorbs the signal (uapi.md 4.14).
    interrupted: { when: IS_SINGLE, set: { status: WAIT_STATUS.BUSY } },
    success: 'zero',
    failure: {
      start: 'zero',
      set: { status: { ETIMEDOUT: WAIT_STATUS.TIMEDOUT, EIO: WAIT_STATUS.ABORTED } },
      untouchedOn: ['EBUSY'],
    },
    // An interrupt wait is refused before, a multi-CS wait fails without a word in the block (uapi.md 4.15, 4.16).
    failureWhen: [
      { when: IS_INTERRUPT, start: 'echo' },
      { when: IS_MULTI, start: 'echo' },
    ],
  },
  errors: [
    row('EBUSY', 'not-operational', 'the device is not operational'),
    row('EPERM', 'interrupt', 'an interrupt wait, which Gaudi does not have'),
    row('EINVAL', 'list-length', 'more than 32 sequence numbers'),
    row('EFAULT', 'list', 'the array of sequence numbers is not readable'),
    row('ENOMEM', 'too-many-waiters', 'more than two multi-CS waits at once on the device'),
    row('EINVAL', 'never-issued', 'a sequence number that was never issued'),
    row('ETIMEDOUT', 'timed-out', 'the submission was stopped by its time-out'),
    row('EIO', 'aborted', 'the submission was aborted by a device reset'),
    row('EINTR', 'signal', 'a signal came during a multi-CS wait'),
  ],
  doc: 'Waits until a submission is complete, or one of several (MULTI_CS, with `sequences`). Not done in time is status BUSY, not an error; timeout 0 asks without waiting. Any number of waits may name the same sequence number (uapi.md 4.14). `completionMap` has a bit for each sequence of a multi-CS wait that is done (4.15). INTERRUPT and its forms share their bytes with these fields; Gaudi has no user interrupts (4.16). The 2021 block is shorter and has another command number; both are served.',
  level: 'exact',
  evidence: { source: 'common/command_submission.c', section: 'uapi.md 4.14' },
});
