/** That a planted bug is found, made small and repeated, and that nothing else decides a run but its schedule. */
import { Prng } from '@pedrera/base';
import { describe, expect, it } from 'vitest';
import { CALM, randomWalk } from './chooser.js';
import { type Exploration, explore, replay } from './explore.js';
import type { Failure } from './lab.js';
import { DeviceMemories } from './memory.js';
import { run } from './run.js';
import type { Scenario } from './scenario.js';
import { SCENARIOS } from './scenarios/all.js';
import { choices, formatSchedule, parseSchedule } from './schedule.js';
import type { ViolationKind } from './violation.js';
import { Workers } from './workers.js';
import type { Sabotage } from './world.js';

function named(name: string): Scenario {
  const found = SCENARIOS.find((scenario) => scenario.name === name);
  if (found === undefined) {
    throw new Error(`no scenario ${name}`);
  }
  return found;
}

/** What somebody might have forgotten. */
const BUGS: readonly {
  readonly what: string;
  readonly scenario: string;
  readonly kind: ViolationKind;
  readonly says: RegExp;
  readonly sabotage: Sabotage;
}[] = [
  {
    what: 'device memory that goes with its owner, whoever else still counts on it',
    scenario: 'export-close',
    kind: 'use-after-free',
    says: /HBM of device 0 .* is free, and context 2 of device 0 still reaches it/,
    sabotage: ({ machine: { devices } }) => {
      for (const { memory } of devices) {
        const forget = memory.forget.bind(memory);
        memory.forget = (allocation) => {
          forget(allocation);
          if (allocation.refs > 0) {
            memory.reclaim(allocation);
          }
        };
      }
    },
  },
  {
    what: 'memory given back before the device has forgotten it',
    scenario: 'unmap-dma',
    kind: 'use-after-free',
    says: /still reaches it|is gone while/,
    sabotage: (_, [device]) => {
      if (device !== undefined) {
        const unmap = device.unmap.bind(device);
        device.unmap = (...args) => {
          void unmap(...args);
          return Promise.resolve();
        };
      }
    },
  },
  {
    what: 'an open that is not woken when the device becomes free',
    scenario: 'reopen-exclusive',
    kind: 'lost-wake-up',
    says: /still waiting: .* in OPEN/,
    sabotage: ({ machine: { devices } }) => {
      for (const device of devices) {
        device.contexts.changed = () => new Promise(() => {});
      }
    },
  },
  {
    what: 'a bus slot that is not given back when a mapping ends while its file closes',
    scenario: 'unmap-dma',
    kind: 'leak',
    says: /left behind|bus slots/,
    sabotage: ({ machine: { devices } }) => {
      for (const { bus } of devices) {
        const detach = bus.detach.bind(bus);
        let detached = 0;
        bus.detach = (attachment) => (++detached === 2 ? Promise.resolve() : detach(attachment));
      }
    },
  },
  {
    what: 'a fence that nobody signals when its work ends with an error',
    scenario: 'fence-death',
    kind: 'lost-wake-up',
    says: /fence habanalabs-hl0.* is pending, and nobody is left who would signal it/,
    sabotage: ({ machine: { fences } }) => {
      const { witness } = fences;
      fences.witness = (fence) => {
        witness?.(fence);
        fence.setError = () => {
          fence.signal = () => {};
        };
      };
    },
  },
  {
    what: 'a fence that is signalled again when its work has ended',
    scenario: 'held-close',
    kind: 'count',
    says: /fence habanalabs-hl0.* was signalled 2 times/,
    sabotage: ({ machine: { fences } }) => {
      const { witness } = fences;
      fences.witness = (fence) => {
        witness?.(fence);
        const { signal } = fence;
        fence.signal = (atNs) => {
          signal(atNs);
          if (fence.error !== 0) {
            signal(atNs);
          }
        };
      };
    },
  },
];

describe.each(BUGS)('planted: $what', ({ scenario: name, kind, says, sabotage }) => {
  const scenario = named(name);
  let found: Exploration;
  let failure: Failure;

  it('is found', async () => {
    found = await explore({ scenario, seed: 1, runs: 500, sabotage, shrinkBudget: 400 });
    expect(found.failure?.kind).toBe(kind);
    failure = found.failure as Failure;
    expect(failure.message).toMatch(says);
  });

  it('by a seed that finds it again', async () => {
    if (failure.seed !== undefined) {
      const again = await explore({ scenario, seed: failure.seed, runs: 1, sabotage, shrinkBudget: 0 });
      expect(again.failure?.schedule).toEqual(failure.foundWith);
    }
  });

  it('and shrunk to a schedule that fails exactly so, however often', async () => {
    expect(choices(failure.schedule)).toBeLessThanOrEqual(choices(failure.foundWith));
    const text = formatSchedule(failure.schedule);
    for (let i = 0; i < 3; i++) {
      const { failure: again, trace } = await replay(scenario, parseSchedule(text) ?? [], sabotage);
      expect(again?.kind).toBe(kind);
      expect(again?.message.split('\n')[0]).toBe(failure.message.split('\n')[0]);
      expect(trace).toEqual(failure.trace);
    }
  });

  it('and is not there without it', async () => {
    expect((await replay(scenario, [])).failure).toBeUndefined();
  });
});

describe('a run', () => {
  it.each(SCENARIOS.map(({ name }) => name))('%s is decided by its schedule alone', async (name) => {
    const scenario = named(name);
    for (const seed of [3, 4]) {
      const [a, b] = [await traced(scenario, seed), await traced(scenario, seed)];
      expect(a).toEqual(b);
      expect(a.length).toBeGreaterThan(5);
    }
  });

  it('refuses a schedule of another scenario', async () => {
    const foreign = parseSchedule('2,nobody>') ?? [];
    await expect(replay(named('export-close'), foreign)).rejects.toThrow('the schedule does not fit: at step 2');
  });

  it('is made for every choice there is, one at a time, then two', async () => {
    const systematic = true;
    const scenario = named('poll-close');
    const one = await explore({ scenario, seed: 0, runs: 400, systematic });
    expect(one.failure).toBeUndefined();
    expect(one.covered).toBeGreaterThanOrEqual(1);
    const planted = BUGS[1];
    if (planted !== undefined) {
      const bug = await explore({
        scenario: named(planted.scenario),
        seed: 0,
        runs: 2000,
        systematic,
        sabotage: planted.sabotage,
      });
      expect(bug.failure?.kind).toBe(planted.kind);
    }
  });

  it('comes to the same in one thread as in several', async () => {
    // Threads load what is built.
    await using workers = new Workers(2, new URL('../dist/seed-worker.js', import.meta.url));
    const scenario = named('fence-poll');
    const options = { scenario, seed: 7, runs: 230 };
    const shared = await explore({ ...options, workers });
    expect(shared).toEqual(await explore(options));
    expect(shared.runs).toBe(230);
  });

  it('leaves nothing in device memory for the next one', async () => {
    using memories = new DeviceMemories();
    const scenario = named('import-free');
    const { violation } = await run({ scenario, memories, chooser: CALM });
    expect(violation).toBeUndefined();
    expect(memories.touched(0)).toBe(0);
  });
});

async function traced(scenario: Scenario, seed: number): Promise<readonly string[]> {
  using memories = new DeviceMemories();
  const { violation, trace } = await run({ scenario, memories, chooser: randomWalk(new Prng(seed)), traced: true });
  expect(violation).toBeUndefined();
  return trace.map(({ what }) => what);
}
