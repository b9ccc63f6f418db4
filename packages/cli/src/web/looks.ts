/**
 * What the server remembers from one look at the daemon to the next.
 *
 * Owns: rates between looks, and the last half minute of the engines. Must not know: browsers.
 */
import { SNAPSHOT_SECTION, type Snapshot } from '@pedrera/uapi';
import type { EngineKey, EngineSample } from '@pedrera/web';
import { ratesBetween, type TopDocument } from '../top/rates.js';

export const WEB_SECTIONS =
  SNAPSHOT_SECTION.DEVICES |
  SNAPSHOT_SECTION.ENGINES |
  SNAPSHOT_SECTION.CLIENTS |
  SNAPSHOT_SECTION.QUEUES |
  SNAPSHOT_SECTION.SUBMISSIONS |
  SNAPSHOT_SECTION.BUFFERS |
  SNAPSHOT_SECTION.MEMORY |
  SNAPSHOT_SECTION.EVENTS;

/** How long a timeline is, and more than two looks are ever apart while somebody watches. */
const HISTORY_NS = 32e9;

export interface Look {
  readonly snapshot: Snapshot;
  readonly rates: TopDocument;
  /** Oldest first; the last one ends with this look. */
  readonly samples: readonly EngineSample[];
  /** Counts daemons: what was seen of another one has nothing to do with this. */
  readonly life: number;
}

export class Looks {
  #last: Snapshot | undefined;
  #samples: EngineSample[] = [];
  #life = 0;

  add(snapshot: Snapshot): Look {
    const before = this.#last;
    const since = snapshot.timeNs - (before?.timeNs ?? 0);
    const other = before === undefined || before.daemon.pid !== snapshot.daemon.pid || since < 0 || since > HISTORY_NS;
    if (other) {
      this.#life++;
      this.#samples = [];
    }
    this.#last = snapshot;
    const rates = ratesBetween(other ? snapshot : before, snapshot);
    // The first look has nothing to be compared with.
    if (!other) this.#samples.push(sampleOf(rates));
    this.#samples = this.#samples.filter(({ timeNs }) => timeNs > snapshot.timeNs - HISTORY_NS);
    return { snapshot, rates, samples: this.#samples, life: this.#life };
  }
}

function sampleOf({ timeNs, periodMs, engines }: TopDocument): EngineSample {
  const shares: EngineSample['shares'] = {};
  for (const { device, name, shares: own } of engines) {
    const { busy, waitSync, waitMemory } = own;
    if (busy + waitSync + waitMemory < 0.05) continue;
    const key: EngineKey = `${device} ${name}`;
    shares[key] = [tenth(busy), tenth(waitSync), tenth(waitMemory)];
  }
  return { timeNs, periodMs: tenth(periodMs), shares };
}

function tenth(value: number): number {
  return Math.round(value * 10) / 10;
}
