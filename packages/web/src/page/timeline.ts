/**
 * What each engine did in the last half minute.
 *
 * Owns: the samples, and where a sample lies on a line. Must not know: canvas.
 */
import type { EngineKey, EngineSample } from './protocol.js';

const SPAN_NS = 30e9;

/** A stretch of a line: from 0 (half a minute ago) to 1 (now); parts of the whole height. */
export interface Stretch {
  readonly from: number;
  readonly to: number;
  readonly busy: number;
  readonly sync: number;
  readonly memory: number;
}

export class Timeline {
  #samples: EngineSample[] = [];

  clear(): void {
    this.#samples = [];
  }

  add(samples: readonly EngineSample[]): void {
    this.#samples.push(...samples);
    const begin = this.nowNs - SPAN_NS;
    // The first one may reach into the line from before it.
    this.#samples = this.#samples.filter(({ timeNs }) => timeNs > begin);
  }

  get nowNs(): number {
    return this.#samples.at(-1)?.timeNs ?? 0;
  }

  stretchesOf(key: EngineKey): Stretch[] {
    const now = this.nowNs;
    return this.#samples.flatMap(({ timeNs, periodMs, shares }) => {
      const own = shares[key];
      if (own === undefined) return [];
      const place = (ns: number) => Math.max(0, 1 - (now - ns) / SPAN_NS);
      const [busy, sync, memory] = own;
      return [
        {
          from: place(timeNs - periodMs * 1e6),
          to: place(timeNs),
          busy: busy / 100,
          sync: sync / 100,
          memory: memory / 100,
        },
      ];
    });
  }

  /** In percent, of the last sample. */
  lastOf(key: EngineKey): [number, number, number] {
    return this.#samples.at(-1)?.shares[key] ?? [0, 0, 0];
  }
}
