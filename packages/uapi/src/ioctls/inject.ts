/** Making hardware fail on purpose. This project's own call. */
import { defineIoctl, row } from '../ioctl.js';
import { string, u32, u53, word } from '../kinds.js';
import { OWN_NR } from './blocks.js';

const MAX_TARGET = 64;
const MAX_EFFECT = 500;

export const INJECT = defineIoctl({
  name: 'INJECT',
  nr: OWN_NR.INJECT,
  op: 0,
  access: 'any',
  duringReset: true,
  req: {
    device: u32,
    kind: word('hang', 'event', 'heartbeat', 'thermal', 'power', 'ecc', 'link', 'reset'),
    target: string(MAX_TARGET),
    value: u53,
  },
  res: { effect: string(MAX_EFFECT) },
  errors: [
    row('ENXIO', 'device', 'no such device'),
    row('EINVAL', 'target', 'the device has no such engine, event, memory block or port'),
    row('EINVAL', 'value', 'a value the kind does not know'),
  ],
  doc: 'Makes the device fail in one way, and says in a sentence what was done. hang: the engine named by `target` (DMA0, TPC3) makes no more progress until a reset. event: the event of that name or number arrives, with `value` as its cause register (uapi.md 7.5). heartbeat: the firmware answers no more. thermal, power: throttling starts or ends. ecc: a memory error in HBM0, SRAM3, TPC2, MMU ..., `value` 0 single-bit, 1 double-bit. link: NIC port `target` goes down (0) or up (1). reset: a hard reset.',
  level: 'functional',
  evidence: { section: 'uapi.md 7' },
});
