/**
 * Who may have written what came from another device: the write does not say.
 *
 * Owns: the choice among the jobs of a recording. Pure.
 * Clocks of devices are one, and a write is seen after it was made: whoever made it had begun by then, and was still at it, or had
 * ended a moment before. If there is one such job only, it is the one; else the one that ended last.
 */
import type { EngineRecord } from '@pedrera/uapi';

/** A slice. */
export interface Spot {
  readonly pid: number;
  readonly tid: number;
  readonly timeNs: number;
  readonly durationNs: number;
}

/** A job, or a wait. */
export interface Stretch {
  readonly record: EngineRecord;
  readonly spot: Spot;
}

/** A write may be under way that long; and so much later the end of its job may be noted. */
const UNDER_WAY_NS = 50_000;

/** What one command processor did, in the order of beginnings: one thing after the other. */
interface Stream {
  readonly device: number;
  readonly jobs: Stretch[];
  readonly fences: Stretch[];
}

export class Writers {
  readonly #streams = new Map<string, Stream>();

  /** Both in the order of their beginnings. */
  constructor(jobs: readonly Stretch[], fences: readonly Stretch[]) {
    for (const job of jobs) this.#streamOf(job).jobs.push(job);
    for (const fence of fences) this.#streamOf(fence).fences.push(fence);
  }

  /** Of a write that a device saw at the time; undefined when no other device had done anything. */
  likeliest(device: number, timeNs: number): Stretch | undefined {
    const candidates: Stretch[] = [];
    let ended: Stretch | undefined;
    for (const stream of this.#streams.values()) {
      if (stream.device === device) continue;
      for (let i = lastBegun(stream.jobs, timeNs); i >= 0; i--) {
        const job = stream.jobs[i] as Stretch;
        if (endOf(job) <= timeNs + UNDER_WAY_NS && (ended === undefined || endOf(ended) < endOf(job))) ended = job;
        if (endOf(job) < timeNs - UNDER_WAY_NS) break;
        if (!waits(stream.fences, timeNs)) candidates.push(job);
      }
    }
    return candidates.length === 1 ? candidates[0] : ended;
  }

  #streamOf({ record }: Stretch): Stream {
    const key = `${record.device}/${record.asid}/${record.queue}/${record.lower}`;
    let stream = this.#streams.get(key);
    if (stream === undefined) {
      stream = { device: record.device, jobs: [], fences: [] };
      this.#streams.set(key, stream);
    }
    return stream;
  }
}

export function endOf({ spot }: Stretch): number {
  return spot.timeNs + spot.durationNs;
}

/** All the while in which the write can have been made: whoever waits writes nothing. */
function waits(fences: readonly Stretch[], timeNs: number): boolean {
  const fence = fences[lastBegun(fences, timeNs - UNDER_WAY_NS)];
  return fence !== undefined && endOf(fence) > timeNs;
}

/** Of stretches in the order of their beginnings; -1 when none had begun. */
function lastBegun(stretches: readonly Stretch[], timeNs: number): number {
  let low = 0;
  let high = stretches.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((stretches[middle] as Stretch).spot.timeNs <= timeNs) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
