/** Making things fail on purpose: at once, or by rules that wait for their moment. This project's own calls. */
import { document, type ObjectOf } from '../composite-kinds.js';
import type { FaultRulesDocument } from '../fault-rules.js';
import { defineIoctl, row } from '../ioctl.js';
import { s32, string, u32, u53, word } from '../kinds.js';
import { OWN_NR } from './blocks.js';

const MAX_TARGET = 64;
const MAX_EFFECT = 500;

/** What can happen to a device as a whole. */
const DEVICE_FAILURES = ['hang', 'event', 'heartbeat', 'thermal', 'power', 'ecc', 'link', 'reset'] as const;

export const INJECT = defineIoctl({
  name: 'INJECT',
  nr: OWN_NR.INJECT,
  op: 0,
  access: 'any',
  duringReset: true,
  req: {
    device: u32,
    kind: word(...DEVICE_FAILURES),
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

export const INJECT_ARM = defineIoctl({
  name: 'INJECT_ARM',
  nr: OWN_NR.INJECT,
  op: 1,
  access: 'any',
  duringReset: true,
  req: {
    on: word('call', 'packet'),
    device: s32,
    pid: u32,
    call: string(MAX_TARGET),
    queue: s32,
    opcode: string(MAX_TARGET),
    address: u53,
    length: u53,
    after: u32,
    times: u32,
    perMillion: u32,
    seed: u32,
    action: word('errno', 'page-fault', 'lost-interrupt', 'delay', ...DEVICE_FAILURES),
    target: string(MAX_TARGET),
    value: u53,
  },
  res: { id: u32 },
  errors: [
    row('ENXIO', 'device', 'no such device'),
    row(
      'EINVAL',
      'condition',
      'a call, queue, opcode or range of addresses that there is not, or that belongs to the other kind of rule',
    ),
    row('EINVAL', 'chance', 'a chance that is not 1 to 1000000 in a million'),
    row('EINVAL', 'action', 'an action the kind of rule does not have, or a target or value the action does not know'),
    row('ENOSPC', 'rules', 'the daemon keeps no more rules'),
  ],
  doc: "Arms a rule of failure. on `call`: each call of the name `call` (empty: any that opens, makes, maps or submits) by process `pid` (0: any) on `device` (-1: any) is a match; the action is `errno`, with the name of the errno in `target`, or one of INJECT with its target and value. on `packet`: each packet with this `opcode` (a name; empty: any) on this `queue` (-1: any) that touches [`address`, +`length`) (length 0: any) is a match; the action is `page-fault`, `hang` (the engine that executes it), `delay` (the rest of the stream waits `value` ns) or `lost-interrupt` (the completion is written, nobody is told). The first `after` matches pass; then each strikes with a chance of `perMillion`, drawn from `seed`, until it has struck `times` times (0: no end). Rules are the daemon's: they last until they are cleared.",
  level: 'functional',
  evidence: { section: 'architecture 8' },
});

/** Every condition open, and struck once, for certain: what a rule is where it says nothing else. What happens is left to say. */
export const ANY_FAULT_RULE: ObjectOf<typeof INJECT_ARM.req> = {
  on: 'call',
  device: -1,
  pid: 0,
  call: '',
  queue: -1,
  opcode: '',
  address: 0,
  length: 0,
  after: 0,
  times: 1,
  perMillion: 1_000_000,
  seed: 0,
  action: 'errno',
  target: '',
  value: 0,
};

export const INJECT_LIST = defineIoctl({
  name: 'INJECT_LIST',
  nr: OWN_NR.INJECT,
  op: 2,
  access: 'any',
  duringReset: true,
  req: {},
  res: { faults: document<FaultRulesDocument>('pedrera.faults/1') },
  errors: [],
  doc: 'Every rule that is armed, with how often it matched and struck.',
  level: 'functional',
  evidence: { section: 'architecture 8' },
});

export const INJECT_CLEAR = defineIoctl({
  name: 'INJECT_CLEAR',
  nr: OWN_NR.INJECT,
  op: 3,
  access: 'any',
  duringReset: true,
  req: { id: u32 },
  res: { cleared: u32 },
  errors: [row('ENOENT', 'id', 'no rule of that number')],
  doc: 'Takes a rule away, or all of them with 0. What it has done is not undone.',
  level: 'functional',
  evidence: { section: 'architecture 8' },
});
