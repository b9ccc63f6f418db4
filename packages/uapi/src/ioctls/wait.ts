/** Waiting for submissions. Ioctl 4 (uapi.md 4.14 to 4.16). */
import { array, optional } from '../composite-kinds.js';
import { WAIT_FLAGS, WAIT_OUT_FLAGS, WAIT_STATUS } from '../constants.js';
import { defineIoctl } from '../ioctl.js';
import { choice, flags, u32, u53, u64 } from '../kinds.js';
import { MAX_MULTI_CS } from '../limits.js';
import { NR, WAIT_BLOCK } from './blocks.js';

/** The length field has 8 bits; more than 32 is for the handler to refuse. */
const MAX_SEQUENCES = 255;

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
      sequences: {
        pointer: 'seq',
        count: 'seqArrLen',
        element: null,
        max: MAX_MULTI_CS,
        when: { field: 'flags', mask: WAIT_FLAGS.MULTI_CS, without: WAIT_FLAGS.INTERRUPT },
      },
    },
    out: { status: 'status', flags: 'flags', timestampNs: 'timestampNsec', completionMap: 'csCompletionMap' },
    success: 'zero',
    failure: {
      start: 'zero',
      set: { status: { ETIMEDOUT: WAIT_STATUS.TIMEDOUT, EIO: WAIT_STATUS.ABORTED } },
      untouchedOn: ['EBUSY', 'EPERM', 'ENOMEM', 'EFAULT'],
    },
  },
  errors: {
    EINVAL: 'a sequence number that was never issued, or more than 32 of them',
    ETIMEDOUT: 'the submission was stopped by its timeout',
    EIO: 'the submission was aborted by a device reset',
    EPERM: 'an interrupt wait, which Gaudi does not have',
    ENOMEM: 'more than two multi-CS waits at once on the device',
    EFAULT: 'the array of sequence numbers is not readable',
    EBUSY: 'the device is not operational',
  },
  doc: 'Waits until a submission is complete, or one of several (MULTI_CS, with `sequences`). Not done in time is status BUSY, not an error; timeout 0 asks without waiting. Any number of waits may name the same sequence number (uapi.md 4.14). The 2021 block is shorter and has another command number; both are served.',
  level: 'functional',
});
