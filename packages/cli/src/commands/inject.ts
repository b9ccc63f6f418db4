/** `pedrera inject`, as data. What it does is loaded when it runs. */
import { defineCommand, flag, integer, wholeNumber } from '../command.js';
import { MAX_DAEMON_DEVICES } from './daemon-options.js';

export const inject = defineCommand({
  name: 'inject',
  summary: 'make a device fail on purpose',
  details:
    'Kinds: `hang ENGINE` stops an engine (DMA0, TPC3) until a reset; `event NAME` lets an event of the device arrive, by name or ' +
    'number, with --value as its cause register; `heartbeat` silences the firmware; `thermal start`, `thermal end`, `power start`, ' +
    '`power end` throttle the clock; `ecc BLOCK` is a memory error (HBM0, SRAM3, TPC2, MMU ...), with --double one that cannot be ' +
    'corrected; `link PORT` needs --up or --down; `reset` is a hard reset. ' +
    'Failures can wait for their moment: `rule` arms one, in words such as call=CB_CREATE (or any), packet=LIN_DMA, device=, pid=, ' +
    'queue=DMA_0_0, address=0x20000000+4096, after=3 (matches that pass first), times=2 or ever, chance=1%, seed=7, and what happens: ' +
    'errno=ENOMEM for a call, or do= with one of the kinds above (hang:DMA0, ecc:HBM0:double, link:3:down), for a packet page-fault, ' +
    'hang, delay:10ms or lost-interrupt. `plan FILE` arms one rule a line; `list` shows what they did; `clear [ID]` takes them away.',
  arguments: [
    {
      name: 'kind',
      summary: 'hang, event, heartbeat, thermal, power, ecc, link, reset; rule, plan, list, clear',
      required: true,
    },
    {
      name: 'target',
      summary: 'what it happens to; the words of a rule, a file, a number',
      required: false,
      repeated: true,
    },
  ],
  options: {
    device: integer({ metavar: 'n', summary: 'which device', min: 0, max: MAX_DAEMON_DEVICES - 1, initial: 0 }),
    value: wholeNumber({ metavar: 'n', summary: 'event: its cause register, decimal or 0x', max: 2 ** 53 - 1 }),
    double: flag('ecc: two bits, not one'),
    up: flag('link: goes up'),
    down: flag('link: goes down'),
    json: flag('print JSON'),
  },
  example: {
    line: 'pedrera inject hang DMA0 --device 1',
    meaning: 'The DMA engine of device 1 makes no more progress.',
  },
  async run(context, options, [kind = '', ...targets]) {
    const { RULE_WORDS, runRules } = await import('../inject/rules.js');
    const word = RULE_WORDS.find((known) => known === kind);
    if (word !== undefined) return runRules(context, word, targets);
    const { runInject } = await import('../inject/inject.js');
    return runInject(context, kind, targets, options);
  },
});
