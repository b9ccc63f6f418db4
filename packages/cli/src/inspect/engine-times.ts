/**
 * Times of engines, added up and compared: what top, engines, metrics and the page have in common.
 *
 * Owns: the sums, and what a counter that began anew counts for. Pure. Must not know: percents, or how they are shown.
 */
import type { EngineSection, EngineTimes } from '@pedrera/uapi';

export const NO_TIMES: EngineTimes = { busyNs: 0, waitSyncNs: 0, waitMemoryNs: 0 };

export function sumOfTimes(all: readonly EngineTimes[]): EngineTimes {
  return all.reduce(
    (sum, times) => ({
      busyNs: sum.busyNs + times.busyNs,
      waitSyncNs: sum.waitSyncNs + times.waitSyncNs,
      waitMemoryNs: sum.waitMemoryNs + times.waitMemoryNs,
    }),
    NO_TIMES,
  );
}

/** False when it has never had work. */
export function hasTimes({ busyNs, waitSyncNs, waitMemoryNs }: EngineTimes): boolean {
  return busyNs + waitSyncNs + waitMemoryNs > 0;
}

/** What the engines did for each context, all of them together; by `contextKey`. */
export function timesByContext(engines: readonly EngineSection[] = []): ReadonlyMap<string, EngineTimes> {
  const sums = new Map<string, EngineTimes>();
  for (const { device, contexts } of engines) {
    for (const { asid, times } of contexts) {
      const key = contextKey(device, asid);
      sums.set(key, sumOfTimes([sums.get(key) ?? NO_TIMES, times]));
    }
  }
  return sums;
}

export function contextKey(device: number | null, asid: number | null): string {
  return `${device} ${asid}`;
}

/** By how much a counter has grown. What was reset counts from zero again: what it has counted since is what happened. */
export function grown(now: number, then: number | undefined): number {
  return then === undefined || now < then ? now : now - then;
}
