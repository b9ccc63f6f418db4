/**
 * Debug mode and the trace units of one device (uapi.md 8).
 *
 * Owns: the mode, what each unit was programmed with, what may be programmed. There is no trace hardware behind it:
 * programming is remembered and nothing is traced, so a sink that is stopped says it wrote nothing, and counters are 0.
 * Must not know contexts: who turned the mode on is a mark it is given.
 */
import { errno } from '@pedrera/base';
import { DRAM_USER_BASE, DRAM_USER_END, HOST_VA_BASE, HOST_VA_END, SRAM_USER_BASE, SRAM_USER_SIZE } from '@pedrera/hw';
import { leavingBlockUntouched } from '@pedrera/uapi';

/** Units of each kind (uapi.md 8). ETR and TIMESTAMP are one each and look at no index. */
export const UNIT_COUNT = { ETF: 48, STM: 46, FUNNEL: 76, BMON: 121, SPMU: 40 } as const;
type IndexedUnit = keyof typeof UNIT_COUNT;

const SPMU_EVENTS = { min: 3, max: 6 } as const;
const SPMU_OUTPUT = { min: 3, max: 8 } as const;
/** The registers of the sink are so wide. */
const ADDRESS_BITS = 50;
const U64_BYTES = 8;

export interface UnitCall {
  readonly regIdx: number;
  readonly enable: boolean;
  /** Room for the output in bytes, 0 for none. */
  readonly outputSize: number;
}

export interface SinkInput {
  readonly bufferAddress: number;
  readonly bufferSize: number;
  readonly sinkMode: number;
}

export class Coresight {
  #owner: unknown;
  #on = false;
  #sink: SinkInput | undefined;
  /** By kind and index: the parameters of the units that run. */
  readonly #running = new Map<string, unknown>();

  get debugMode(): boolean {
    return this.#on;
  }

  /** Units that run, 'BMON 3', 'ETR'; for tests and tools. */
  get running(): readonly string[] {
    return [...(this.#sink === undefined ? [] : ['ETR']), ...this.#running.keys()];
  }

  /** Errors: EFAULT when it is so already. */
  setMode(on: boolean, owner: unknown): void {
    if (on === this.#on) {
      throw errno('EFAULT', `debug mode is ${on ? 'on' : 'off'} already`);
    }
    this.#on = on;
    this.#owner = on ? owner : undefined;
    if (!on) {
      this.#halt();
    }
  }

  /** The context is torn down: the mode it turned on goes with it. */
  leave(owner: unknown): void {
    if (this.#on && this.#owner === owner) {
      this.setMode(false, owner);
    }
  }

  reset(): void {
    this.#on = false;
    this.#owner = undefined;
    this.#halt();
  }

  /** The sink. Output: how far it wrote, which is where it begins. */
  etr({ enable, outputSize }: UnitCall, input: SinkInput | undefined): number[] {
    this.#requireMode();
    if (!enable) {
      const stopped = this.#sink;
      this.#sink = undefined;
      return outputSize < U64_BYTES ? [] : padded([stopped?.bufferAddress ?? 0], outputSize);
    }
    const sink = required(input, 'ETR');
    checkSinkBuffer(sink);
    this.#sink = sink;
    return padded([], outputSize);
  }

  /** Any unit with an index but SPMU. `input` undefined: it takes no parameters. */
  unit(kind: IndexedUnit, { regIdx, enable, outputSize }: UnitCall, input: { params: object | undefined } | undefined) {
    this.#requireMode();
    checkIndex(kind, regIdx);
    const name = `${kind} ${regIdx}`;
    if (enable) {
      this.#running.set(name, input === undefined ? {} : required(input.params, name));
    } else {
      this.#running.delete(name);
    }
    return padded([], outputSize);
  }

  /** Output when stopped: counters, overflow status, cycles; nothing counts here, so all are 0. */
  spmu({ regIdx, enable, outputSize }: UnitCall, input: { readonly eventTypesNum: number } | undefined): number[] {
    this.#requireMode();
    checkIndex('SPMU', regIdx);
    const name = `SPMU ${regIdx}`;
    if (enable) {
      const params = required(input, name);
      const { eventTypesNum } = params;
      if (eventTypesNum < SPMU_EVENTS.min || eventTypesNum > SPMU_EVENTS.max) {
        throw errno('EINVAL', `${name} counts ${SPMU_EVENTS.min} to ${SPMU_EVENTS.max} events, not ${eventTypesNum}`);
      }
      this.#running.set(name, params);
      return padded([], outputSize);
    }
    const words = Math.floor(outputSize / U64_BYTES);
    if (words < SPMU_OUTPUT.min || words > SPMU_OUTPUT.max) {
      throw errno('EINVAL', `${name} answers with ${SPMU_OUTPUT.min} to ${SPMU_OUTPUT.max} u64, not ${words}`);
    }
    this.#running.delete(name);
    return padded([], outputSize);
  }

  /** Kept by the driver for old programs; does nothing. */
  timestamp({ outputSize }: UnitCall): number[] {
    this.#requireMode();
    return padded([], outputSize);
  }

  #requireMode(): void {
    if (!this.#on) {
      // Found before the driver clips input_size in the caller's block (uapi.md 8).
      throw leavingBlockUntouched(errno('EFAULT', 'the device is not in debug mode; DEBUG SET_MODE turns it on'));
    }
  }

  #halt(): void {
    this.#sink = undefined;
    this.#running.clear();
  }
}

function checkIndex(kind: IndexedUnit, regIdx: number): void {
  if (regIdx >= UNIT_COUNT[kind]) {
    throw errno('EINVAL', `${kind} ${regIdx}; there are ${UNIT_COUNT[kind]}`);
  }
}

function required<T>(input: T | undefined, unit: string): T {
  if (input === undefined) {
    throw errno('EINVAL', `${unit} is enabled without its parameters`);
  }
  return input;
}

/** The output buffer of the kernel is zeroed and copied back whole, as far as it is made of u64. */
function padded(words: readonly number[], outputSize: number): number[] {
  const length = Math.floor(outputSize / U64_BYTES);
  return Array.from({ length: Math.min(length, SPMU_OUTPUT.max) }, (_, i) => words[i] ?? 0);
}

function checkSinkBuffer({ bufferAddress: address, bufferSize: size }: SinkInput): void {
  const windows = [
    { start: HOST_VA_BASE, end: HOST_VA_END },
    { start: DRAM_USER_BASE, end: DRAM_USER_END },
    { start: SRAM_USER_BASE, end: SRAM_USER_BASE + SRAM_USER_SIZE },
  ];
  const end = address + size;
  if (
    size === 0 ||
    end > 2 ** ADDRESS_BITS ||
    !windows.some((window) => address >= window.start && end <= window.end)
  ) {
    throw errno('EINVAL', `[0x${address.toString(16)}, +${size}) is no memory a trace can be written to`);
  }
}
