/**
 * A rule of failure as people write it, on the command line and in the lines of a plan.
 *
 * Owns: the words and what they mean. Must not know: what the daemon makes of a rule.
 *
 *   call=MEMORY_ALLOC errno=ENOMEM after=3 times=2 pid=4712
 *   packet=LIN_DMA queue=DMA_0_0 address=0x20000000+4096 do=page-fault chance=1% seed=7
 */
import { CERTAIN, queueByName } from '@pedrera/hw';
import { ANY_FAULT_RULE, type FaultRuleState, type Req } from '@pedrera/uapi';

export type FaultRule = Req<'INJECT_ARM'>;
type Action = FaultRule['action'];

/** What is wrong with a rule, to go behind the place where it was read. */
export class BadRule extends Error {}

const NS: Readonly<Record<string, number>> = { ns: 1, us: 1e3, ms: 1e6, s: 1e9 };

const WORDS: Readonly<Record<string, (value: string) => Partial<FaultRule>>> = {
  call: (value) => ({ on: 'call', call: value === 'any' ? '' : value.toUpperCase() }),
  packet: (value) => ({ on: 'packet', opcode: value === 'any' ? '' : value.toUpperCase() }),
  device: (value) => ({ device: whole(value) }),
  pid: (value) => ({ pid: whole(value) }),
  queue: (value) => ({ queue: queueId(value) }),
  address: addresses,
  after: (value) => ({ after: whole(value) }),
  times: (value) => ({ times: value === 'ever' ? 0 : atLeastOne(value) }),
  chance: (value) => ({ perMillion: chance(value) }),
  seed: (value) => ({ seed: whole(value) }),
  errno: (value) => ({ action: 'errno', target: value.toUpperCase() }),
  do: action,
};

/** Throws BadRule. */
export function parseRule(text: string): FaultRule {
  const given = new Set<string>();
  let rule = ANY_FAULT_RULE;
  for (const word of text.trim().split(/\s+/)) {
    const [, key = word, value = ''] = /^([a-z]+)=(.+)$/.exec(word) ?? [];
    const read = WORDS[key];
    if (read === undefined || value === '') {
      throw new BadRule(`'${word}' is none of ${Object.keys(WORDS).join('=, ')}=`);
    }
    if (given.has(key)) throw new BadRule(`${key}= is there twice`);
    given.add(key);
    rule = { ...rule, ...read(value) };
  }
  if (given.has('call') === given.has('packet')) throw new BadRule('a rule has one of call= and packet=');
  if (given.has('errno') === given.has('do')) throw new BadRule('a rule has one of errno= and do=');
  return rule;
}

/** The rule in the words it can be armed with. */
export function formatRule(rule: FaultRuleState): string {
  const { on, call, opcode, device, pid, queue, addresses: range, after, times, perMillion, seed } = rule;
  const words = [on === 'call' ? `call=${call ?? 'any'}` : `packet=${opcode ?? 'any'}`];
  if (device !== null) words.push(`device=${device}`);
  if (pid !== null) words.push(`pid=${pid}`);
  if (queue !== null) words.push(`queue=${queue}`);
  if (range !== null) words.push(`address=0x${range.start.toString(16)}+${range.length}`);
  words.push(formatAction(rule));
  if (after > 0) words.push(`after=${after}`);
  words.push(`times=${times ?? 'ever'}`);
  if (perMillion < CERTAIN) words.push(`chance=${perMillion / 10_000}%`, `seed=${seed}`);
  return words.join(' ');
}

function formatAction({ action: name, target, value }: FaultRuleState): string {
  if (name === 'errno') return `errno=${target}`;
  if (name === 'delay') return `do=delay:${value}ns`;
  if (name === 'ecc') return `do=ecc:${target}${value === 1 ? ':double' : ''}`;
  if (name === 'link') return `do=link:${target}:${value === 1 ? 'up' : 'down'}`;
  const cause = name === 'event' && value !== 0 ? `:0x${value.toString(16)}` : '';
  return `do=${name}${target === '' ? '' : `:${target}`}${cause}`;
}

/** `page-fault`, `delay:10ms`, `hang` of a packet or `hang:DMA0`, `event:NAME:0x1`, `ecc:HBM0:double`, `link:3:down`. */
function action(text: string): Partial<FaultRule> {
  const [name = '', target = '', more = ''] = text.split(':');
  switch (name) {
    case 'page-fault':
    case 'lost-interrupt':
    case 'heartbeat':
    case 'reset':
      if (target !== '') throw new BadRule(`do=${name} takes nothing behind it`);
      return { action: name };
    case 'delay':
      return { action: name, value: duration(target) };
    case 'ecc':
      return { action: name, target, value: oneOf(more, { '': 0, single: 0, double: 1 }) };
    case 'link':
      return { action: name, target, value: oneOf(more, { down: 0, up: 1 }) };
    case 'event':
      return { action: name, target, value: more === '' ? 0 : whole(more) };
    case 'hang':
    case 'thermal':
    case 'power':
      return { action: name, target };
    default:
      throw new BadRule(`'${name}' is nothing that can be done; one of ${ACTIONS.join(', ')}`);
  }
}

const ACTIONS: readonly Action[] = [
  'page-fault',
  'lost-interrupt',
  'delay',
  'hang',
  'event',
  'ecc',
  'link',
  'heartbeat',
  'thermal',
  'power',
  'reset',
];

function oneOf(word: string, values: Readonly<Record<string, number>>): number {
  const value = Object.hasOwn(values, word) ? values[word] : undefined;
  if (value === undefined) throw new BadRule(`'${word}' is none of ${Object.keys(values).filter(Boolean).join(', ')}`);
  return value;
}

function whole(text: string): number {
  const value = /^(0x[0-9a-f]+|\d+)$/i.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) throw new BadRule(`'${text}' is no whole number`);
  return value;
}

function atLeastOne(text: string): number {
  const value = whole(text);
  if (value === 0) throw new BadRule('times=0 would never strike; times=ever has no end');
  return value;
}

function queueId(text: string): number {
  const named = queueByName(text.toUpperCase());
  if (named !== undefined) return named.id;
  if (!/^\d+$/.test(text)) throw new BadRule(`no queue is called '${text}'; names look like DMA_0_0`);
  return Number(text);
}

function addresses(text: string): Partial<FaultRule> {
  const [start = '', length = '1', ...rest] = text.split('+');
  if (rest.length > 0) throw new BadRule(`'${text}' is no address and length, such as 0x20000000+4096`);
  if (whole(length) === 0) throw new BadRule('a range of 0 bytes is touched by nothing');
  return { address: whole(start), length: whole(length) };
}

function chance(text: string): number {
  const percent = /^(\d+(?:\.\d+)?)%$/.exec(text)?.[1];
  const perMillion = Math.round((percent === undefined ? Number.NaN : Number(percent)) * 10_000);
  if (!(perMillion >= 1 && perMillion <= CERTAIN)) {
    throw new BadRule(`'${text}' is no chance; 0.0001% to 100% are possible`);
  }
  return perMillion;
}

function duration(text: string): number {
  const [, number = '', unit = ''] = /^(\d+)(ns|us|ms|s)$/.exec(text) ?? [];
  const value = Number(number) * (NS[unit] ?? Number.NaN);
  if (!Number.isSafeInteger(value)) throw new BadRule(`'${text}' is no duration, such as 10ms`);
  return value;
}
