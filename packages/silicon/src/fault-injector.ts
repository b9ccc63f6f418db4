/**
 * The rules by which the machine goes wrong on purpose (DeviceFaultRule of @pedrera/hw): counts what they count and strikes.
 * Asked before each packet, only for processors that some rule is about: without rules it costs nothing. What happens depends on
 * what the device executes and on the rules' seeds alone, not on time or chance.
 */

import {
  CERTAIN,
  CFG_BASE,
  type DeviceFaultRule,
  type DeviceFaultRuleState,
  FAULT,
  FaultCounter,
  MSG_SHORT_BASES,
  MSI_INTR_0,
  MSI_REQ,
  MSI_VECTORS,
  OPCODE,
  packetWords,
} from '@pedrera/hw';
import { type CommandProcessor, DELAYED, HUNG, STALLED } from './command-processor.js';
import type { FaultReporter } from './faults.js';
import type { HeadReader } from './qm-registers.js';
import type { Timers } from './timers.js';

const HEADER_WORDS = 2;

interface ArmedRule {
  rule: DeviceFaultRule;
  readonly counter: FaultCounter;
}

/** What the processor stands at, as far as rules ask. */
interface Head {
  readonly opcode: number;
  readonly bytes: number;
  /** What it reads, writes or signals: pairs of a start and an end. */
  readonly ranges: readonly (readonly [number, number])[];
  readonly isExternal: boolean;
  /** Put behind the job by the driver. */
  readonly isTail: boolean;
  readonly isInterrupt: boolean;
}

export interface FaultInjectorOptions {
  readonly faults: FaultReporter;
  readonly timers: Timers;
  readonly nowNs: () => number;
  readonly head: HeadReader;
  readonly hang: (engineId: number) => void;
}

export class FaultInjector {
  readonly #options: FaultInjectorOptions;
  #rules: readonly ArmedRule[] = [];

  constructor(options: FaultInjectorOptions) {
    this.#options = options;
  }

  set(rules: readonly DeviceFaultRule[]): void {
    for (const rule of rules) checkRule(rule);
    const known = new Map(this.#rules.map((armed) => [armed.rule.id, armed]));
    if (new Set(rules.map(({ id }) => id)).size < rules.length) throw new RangeError('two fault rules of the same id');
    this.#rules = rules.map((rule) => {
      const armed = known.get(rule.id) ?? { rule, counter: new FaultCounter(rule.seed) };
      armed.rule = rule;
      return armed;
    });
  }

  states(): DeviceFaultRuleState[] {
    return this.#rules.map(({ rule: { id }, counter: { matched, struck } }) => ({ id, matched, struck }));
  }

  get hasRules(): boolean {
    return this.#rules.length > 0;
  }

  /** Whether any rule is about this processor. */
  concerns({ asid, queue, losesInterrupt }: CommandProcessor): boolean {
    return losesInterrupt || this.#rules.some(({ rule }) => isAbout(rule, asid, queue));
  }

  /** Looks at the packet the processor stands at, once. Precondition: it is in a buffer, and in no transfer. */
  examine(processor: CommandProcessor): void {
    if (processor.examined === processor.bufferDone) return;
    const head = this.#head(processor);
    if (head === null) return;
    processor.examined = processor.bufferDone;
    if (processor.losesInterrupt && head.isInterrupt) {
      processor.losesInterrupt = false;
      processor.bufferDone += head.bytes;
      return;
    }
    for (const armed of this.#rules) {
      const { rule, counter } = armed;
      if (!isAbout(rule, processor.asid, processor.queue) || !counts(rule, head) || !counter.strikes(rule)) continue;
      this.#strike(armed, processor, head);
      return;
    }
  }

  #strike({ rule, counter }: ArmedRule, processor: CommandProcessor, head: Head): void {
    const { faults, timers, nowNs, hang } = this.#options;
    const { id, action, delayNs } = rule;
    switch (action) {
      case 'hang':
        hang(processor.engine);
        processor.state = HUNG;
        break;
      case 'page-fault':
        if (!this.#fault(rule, processor, head)) {
          // No room to report it: the packet is looked at again when it is tried again.
          processor.state = STALLED;
          processor.examined = -1;
          counter.takeBack();
          return;
        }
        break;
      case 'delay':
        processor.state = DELAYED;
        timers.at(nowNs() + delayNs, () => {
          if (processor.state === DELAYED) processor.qm.wake(processor);
        });
        break;
      case 'lost-interrupt':
        if (head.isInterrupt) processor.bufferDone += head.bytes;
        else processor.losesInterrupt = true;
        break;
    }
    faults.hit({ rule: id, asid: processor.asid, queue: processor.queue, action });
  }

  #fault({ addresses }: DeviceFaultRule, processor: CommandProcessor, head: Head): boolean {
    const found = head.ranges.find((range) => addresses === null || touches(range, addresses));
    const address = Math.max(found?.[0] ?? 0, addresses?.start ?? 0);
    const isReported = this.#options.faults.packet(processor, FAULT['page-fault'], address, head.opcode);
    if (isReported) processor.bufferDone += head.bytes;
    return isReported;
  }

  #head(processor: CommandProcessor): Head | null {
    const found = this.#options.head(processor);
    if (found === null) return null;
    const words = Uint32Array.from(found);
    const opcode = ((words[1] as number) >>> 24) & 0x1f;
    const bytes = 4 * (packetWords(words, 0) || HEADER_WORDS);
    const { isExternal } = processor.qm;
    const isTail = opcode === OPCODE.MSG_PROT && isExternal;
    const isInterrupt = isTail && words.length >= 4 && isMsi(at64(words, 2));
    return { opcode, bytes, ranges: rangesOf(opcode, words), isExternal, isTail, isInterrupt };
  }
}

function isAbout({ queue, asids }: DeviceFaultRule, asid: number, of: number): boolean {
  return (queue === null || queue === of) && (asids === null || asids.includes(asid));
}

function counts({ action, opcode, addresses }: DeviceFaultRule, head: Head): boolean {
  if (action === 'lost-interrupt' && opcode === null && addresses === null) return head.isInterrupt;
  // Only jobs of external queues end with one.
  if (action === 'lost-interrupt' && !head.isExternal) return false;
  if (opcode === null ? head.isTail : opcode !== head.opcode) return false;
  return addresses === null || head.ranges.some((range) => touches(range, addresses));
}

function touches([from, to]: readonly [number, number], { start, length }: { start: number; length: number }): boolean {
  return from < start + length && to > start;
}

function rangesOf(opcode: number, words: Uint32Array): (readonly [number, number])[] {
  const control = words[1] as number;
  switch (opcode) {
    case OPCODE.LIN_DMA: {
      if (words.length < 6) return [];
      const size = words[0] as number;
      const isMemSet = (control & 0x10) !== 0;
      const source = at64(words, 2);
      const destination = ((words[5] as number) & 0xff_ffff) * 2 ** 32 + (words[4] as number);
      const written = [destination, destination + size] as const;
      return isMemSet ? [written] : [[source, source + size], written];
    }
    case OPCODE.CP_DMA:
      return words.length < 4 ? [] : [[at64(words, 2), at64(words, 2) + (words[0] as number)]];
    case OPCODE.MSG_LONG:
    case OPCODE.MSG_PROT:
    case OPCODE.LOAD_AND_EXE:
      return words.length < 4 ? [] : [[at64(words, 2), at64(words, 2) + 4]];
    case OPCODE.MSG_SHORT: {
      const register = CFG_BASE + (MSG_SHORT_BASES[(control >>> 22) & 3] as number) + (control & 0xffff);
      return [[register, register + 4]];
    }
    default:
      return [];
  }
}

function at64(words: Uint32Array, index: number): number {
  return (words[index + 1] as number) * 2 ** 32 + (words[index] as number);
}

function isMsi(address: number): boolean {
  const offset = address - CFG_BASE;
  return offset === MSI_REQ || (offset >= MSI_INTR_0 && offset < MSI_INTR_0 + 4 * MSI_VECTORS);
}

function checkRule({ id, after, times, perMillion, delayNs }: DeviceFaultRule): void {
  const isCount = (count: number) => Number.isInteger(count) && count >= 0;
  const valid = isCount(id) && id < 2 ** 32 && isCount(after) && (times === null || isCount(times)) && delayNs >= 0;
  if (!valid || !(perMillion >= 0 && perMillion <= CERTAIN))
    throw new RangeError(`fault rule ${id}: after ${after}, ${times} times, ${perMillion} of a million, ${delayNs} ns`);
}
