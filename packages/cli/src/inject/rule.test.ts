/** Rules of failure in the words of people: read, refused, and written back. */
import type { FaultRuleState } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { CliError } from '../exit.js';
import { formatRule, parseRule } from './rule.js';
import { parsePlan, renderRules } from './rules.js';

const state: FaultRuleState = {
  id: 3,
  on: 'packet',
  device: 1,
  pid: null,
  call: null,
  queue: 'DMA_0_0',
  opcode: 'LIN_DMA',
  addresses: { start: 0x2000_0000, length: 4096 },
  after: 10,
  times: null,
  perMillion: 10_000,
  seed: 7,
  action: 'delay',
  target: '',
  value: 10_000_000,
  matched: 12,
  struck: 1,
};

describe('parseRule', () => {
  it('a call that fails', () => {
    expect(parseRule('call=memory_alloc errno=enomem after=3 times=2 pid=4712')).toMatchObject({
      on: 'call',
      call: 'MEMORY_ALLOC',
      action: 'errno',
      target: 'ENOMEM',
      after: 3,
      times: 2,
      pid: 4712,
      device: -1,
      queue: -1,
      perMillion: 1_000_000,
    });
  });

  it('what is written can be read again', () => {
    const text = formatRule(state);
    expect(text).toBe(
      'packet=LIN_DMA device=1 queue=DMA_0_0 address=0x20000000+4096 do=delay:10000000ns after=10 times=ever chance=1% seed=7',
    );
    expect(parseRule(text)).toEqual({
      on: 'packet',
      device: 1,
      pid: 0,
      call: '',
      queue: 0,
      opcode: 'LIN_DMA',
      address: 0x2000_0000,
      length: 4096,
      after: 10,
      times: 0,
      perMillion: 10_000,
      seed: 7,
      action: 'delay',
      target: '',
      value: 10_000_000,
    });
  });

  it.each([
    ['packet=any do=hang', { on: 'packet', opcode: '', action: 'hang', target: '' }],
    ['call=CS do=ecc:HBM0:double', { action: 'ecc', target: 'HBM0', value: 1 }],
    ['call=CS do=link:3:down', { action: 'link', target: '3', value: 0 }],
    ['call=CS do=event:421:0x8000', { action: 'event', target: '421', value: 0x8000 }],
    ['call=any do=hang:DMA0', { call: '', action: 'hang', target: 'DMA0' }],
  ])('%s', (text, expected) => {
    expect(parseRule(text)).toMatchObject(expected);
  });

  it.each([
    ['', 'none of call='],
    ['errno=EIO', 'one of call= and packet='],
    ['call=CS packet=NOP errno=EIO', 'one of call= and packet='],
    ['call=CS', 'one of errno= and do='],
    ['call=CS errno=EIO do=reset', 'one of errno= and do='],
    ['call=CS errno=EIO errno=ENOMEM', 'errno= is there twice'],
    ['call=CS errno=EIO colour=red', "'colour=red' is none of"],
    ['call=CS errno=EIO times=0', 'would never strike'],
    ['call=CS errno=EIO chance=0%', 'no chance'],
    ['call=CS errno=EIO chance=101%', 'no chance'],
    ['packet=NOP queue=DMA_9_9 do=hang', "no queue is called 'DMA_9_9'"],
    ['packet=NOP address=0x10+0 do=hang', 'range of 0 bytes'],
    ['packet=NOP do=delay', 'no duration'],
    ['packet=NOP do=explode', "'explode' is nothing"],
    ['packet=NOP do=page-fault:DMA0', 'takes nothing behind it'],
    ['call=CS do=link:3:sideways', "'sideways' is none of down, up"],
    ['call=CS errno=EIO pid=-1', "'-1' is no whole number"],
  ])('refuses %s', (text, why) => {
    expect(() => parseRule(text)).toThrow(why);
  });
});

describe('parsePlan', () => {
  it('one rule a line, with comments', () => {
    const rules = parsePlan('# two\ncall=CS errno=EIO   # the first\n\n packet=NOP do=hang\n', 'plan');
    expect(rules.map(({ on }) => on)).toEqual(['call', 'packet']);
  });

  it('says which line is wrong', () => {
    expect(() => parsePlan('call=CS errno=EIO\ncall=CS\n', 'night.plan')).toThrow(/^night\.plan, line 2: /);
    expect(() => parsePlan('# nothing\n', 'night.plan')).toThrow(CliError);
  });
});

describe('renderRules', () => {
  it('with what they did', () => {
    expect(renderRules({ schema: 'pedrera.faults/1', rules: [] })).toBe('no rules');
    expect(renderRules({ schema: 'pedrera.faults/1', rules: [state] }).split('\n')).toEqual([
      `  3  ${formatRule(state)}`,
      '     matched 12, struck 1',
    ]);
  });
});
