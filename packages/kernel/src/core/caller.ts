/**
 * The call a connection's code is carrying out: where objects are born, and what a call waits for. For inspection only.
 *
 * Owns: two numbers a birth, which become text when somebody looks. Must not know connections.
 */
import type { Clock } from '@pedrera/base';
import { byCode } from '@pedrera/uapi';
import type { HlDevice } from './device.js';
import type { DmaFence } from './fence/dma-fence.js';
import type { Submission } from './submission.js';

/** When something was made, and by which call of its file: number and code in one, 0 when that is not known. */
export interface Birth {
  readonly atNs: number;
  readonly call: number;
}

export const UNKNOWN_BIRTH: Birth = { atNs: 0, call: 0 };

/** What a call waits for. */
export type AwaitedThing =
  | { readonly kind: 'submissions'; readonly any: boolean; readonly submissions: readonly Submission[] }
  /** Asked when somebody looks: those that are still to come. */
  | { readonly kind: 'fences'; readonly buffer: number | null; readonly pending: () => readonly DmaFence[] }
  | { readonly kind: 'device'; readonly device: HlDevice }
  | { readonly kind: 'memory'; readonly device: HlDevice; readonly what: string };

export interface CallWait {
  readonly on: AwaitedThing;
  /** Infinity: for ever. */
  readonly deadlineNs: number;
  /** Ends it before its time. */
  readonly abandon: (() => void) | undefined;
}

/** More than any code of a call. */
const CODES = 2 ** 21;

export class Caller {
  readonly #clock: Clock;
  #call = 0;
  #wait: CallWait | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** A call begins: the how manyeth of its connection, and its code. */
  begin(number: number, code: number): void {
    this.#call = number * CODES + code;
    this.#wait = undefined;
  }

  birth(): Birth {
    return { atNs: this.#clock.nowNs(), call: this.#call };
  }

  /** The call being carried out will be answered later: what it waits for. Said before the handler returns. */
  waits(on: AwaitedThing, deadlineNs: number = Number.POSITIVE_INFINITY, abandon?: () => void): void {
    this.#wait = { on, deadlineNs, abandon };
  }

  /** What the call that was begun last said. */
  get wait(): CallWait | undefined {
    return this.#wait;
  }
}

/** `MEMORY_ALLOC, call 12 of this file`; null when it is not known. */
export function birthText(call: number): string | null {
  const name = call === 0 ? undefined : byCode(call % CODES)?.name;
  return name === undefined ? null : `${name}, call ${Math.floor(call / CODES)} of this file`;
}
