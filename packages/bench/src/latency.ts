/**
 * Latencies and rates, taken in turns.
 *
 * Owns: the histogram, and how sides take turns so that the machine's noise hits all of them alike.
 * Must not know: what is timed.
 */
import { build, type Histogram } from 'hdr-histogram-js';

const NS_PER_MS = 1e6;
const LONGEST_NS = 100e9;

export class Latencies {
  readonly #histogram: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: LONGEST_NS,
    numberOfSignificantValueDigits: 3,
  });

  record(ns: number): void {
    this.#histogram.recordValue(Math.min(Math.max(1, Math.round(ns)), LONGEST_NS));
  }

  /** Nanoseconds; `p` from 0 to 100. */
  percentile(p: number): number {
    return this.#histogram.getValueAtPercentile(p);
  }

  get count(): number {
    return this.#histogram.totalCount;
  }
}

/** CLOCK_MONOTONIC in nanoseconds. */
export function nowNs(): number {
  return performance.now() * NS_PER_MS;
}

/**
 * How sides take turns. Turns are long, and their first part does not count: how fast one process wakes another depends on where the
 * operating system lets them run, by a factor of four on some machines, and it takes some hundred milliseconds to make up its mind.
 */
export interface Turns {
  readonly rounds: number;
  readonly settleMs: number;
  readonly measureMs: number;
}

/** One of the sides of a comparison. */
export interface Side<T> {
  readonly name: string;
  /** Does it once. May tell when the first part of it is over. */
  run(lap: () => void): Promise<T>;
}

export interface LatenciesOfSide {
  readonly whole: Latencies;
  /** Up to the lap, for a side that tells it. */
  readonly lap: Latencies;
}

/** Times call after call of one side, then of the next one, and so on, each round starting with another side. In the order of `sides`. */
export async function compareLatencies(sides: readonly Side<unknown>[], turns: Turns): Promise<LatenciesOfSide[]> {
  const found = sides.map(() => ({ whole: new Latencies(), lap: new Latencies() }));
  await takeTurns(sides, turns, async (side, i) => {
    const { whole, lap } = found[i] as LatenciesOfSide;
    let startNs = 0;
    let lapNs = 0;
    const onLap = () => {
      lapNs = nowNs() - startNs;
    };
    await during(turns.settleMs, () => side.run(onLap));
    await during(turns.measureMs, async () => {
      startNs = nowNs();
      await side.run(onLap);
      whole.record(nowNs() - startNs);
      if (lapNs > 0) lap.record(lapNs);
    });
  });
  return found;
}

/** How often a second each side does what `run` counts. The median of the rounds, in the order of `sides`. */
export async function compareRates(sides: readonly Side<number>[], turns: Turns): Promise<number[]> {
  const rates = sides.map((): number[] => []);
  await takeTurns(sides, turns, async (side, i) => {
    const run = () => side.run(() => {});
    await during(turns.settleMs, run);
    let amount = 0;
    const startNs = nowNs();
    await during(turns.measureMs, async () => {
      amount += await run();
    });
    rates[i]?.push((amount * 1e9) / (nowNs() - startNs));
  });
  return rates.map(median);
}

/** Each round starts with another side. */
export async function takeTurns<S>(
  sides: readonly S[],
  { rounds }: { readonly rounds: number },
  turn: (side: S, index: number) => Promise<void>,
): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < sides.length; i++) {
      const index = (round + i) % sides.length;
      await turn(sides[index] as S, index);
    }
  }
}

/** Again and again until the time is over, at least once. */
async function during(ms: number, run: () => Promise<unknown>): Promise<void> {
  const until = performance.now() + ms;
  do {
    await run();
  } while (performance.now() < until);
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}
