/**
 * How long each engine has worked and waited, for each context and over all of them (what counts as which: EngineTimes of
 * @pedrera/hw). Told of queue managers whose command processors may have changed, it looks at them once a turn, and at the clock
 * only when one of them really does something else than before. Knows no packets.
 */

import { ENGINES, type EngineTimes } from '@pedrera/hw';
import { DELAYED, FENCED, RUNNABLE, STALLED, WAITS_FOR_ENGINE, WAITS_FOR_GRANT } from './command-processor.js';
import type { Context } from './context.js';
import type { QueueManager } from './queue-manager.js';

/** What an engine does. Over several contexts the greatest counts. */
const NOTHING = 0;
const WAITS_FOR_SYNC = 1;
const WAITS_FOR_MEMORY = 2;
export const WORKS = 3;
const ACTIVITIES = 4;

/** The sums of one engine, of one context or of all. */
export class TimeAccount {
  activity = NOTHING;
  #sinceNs = 0;
  readonly #sums = new Float64Array(ACTIVITIES);

  enter(activity: number, nowNs: number): void {
    this.#sums[this.activity] = (this.#sums[this.activity] as number) + (nowNs - this.#sinceNs);
    this.activity = activity;
    this.#sinceNs = nowNs;
  }

  get isUsed(): boolean {
    return this.activity !== NOTHING || this.#sums.some((sum, activity) => activity !== NOTHING && sum > 0);
  }

  /** The sums as they are at this moment. */
  at(nowNs: number): EngineTimes {
    const sum = (activity: number) =>
      (this.#sums[activity] as number) + (this.activity === activity ? nowNs - this.#sinceNs : 0);
    return { busyNs: sum(WORKS), waitSyncNs: sum(WAITS_FOR_SYNC), waitMemoryNs: sum(WAITS_FOR_MEMORY) };
  }
}

export class EngineTimesBook {
  readonly #nowNs: () => number;
  readonly #hangs: (engineId: number) => boolean;
  /** By engine id: over all contexts, and how many contexts' queue managers do what (those that do nothing are not counted right). */
  readonly #whole = ENGINES.map(() => new TimeAccount());
  readonly #doing = new Uint16Array(ENGINES.length * ACTIVITIES);
  /** Queue managers to be looked at, in a list through `nextChanged`. */
  #changed: QueueManager | null = null;

  constructor(nowNs: () => number, hangs: (engineId: number) => boolean) {
    this.#nowNs = nowNs;
    this.#hangs = hangs;
  }

  get hasChanges(): boolean {
    return this.#changed !== null;
  }

  /** One of its processors may do something else than before. */
  note(qm: QueueManager): void {
    if (qm.isChanged) return;
    qm.isChanged = true;
    qm.nextChanged = this.#changed;
    this.#changed = qm;
  }

  /** Enters what has changed, as of now. */
  settle(): void {
    let now = -1;
    let qm = this.#changed;
    this.#changed = null;
    while (qm !== null) {
      const next = qm.nextChanged;
      qm.nextChanged = null;
      qm.isChanged = false;
      const activity = this.#activityOf(qm);
      if (activity !== qm.times.activity) {
        if (now < 0) now = this.#nowNs();
        this.#enter(qm, activity, now);
      }
      qm = next;
    }
  }

  /** Everything of a context that is about to go. Preconditions: none of its processors is alive. */
  forget(context: Context): void {
    for (const qm of context.queueManagers()) this.note(qm);
    this.settle();
  }

  ofEngine(engineId: number, nowNs: number): EngineTimes {
    return (this.#whole[engineId] as TimeAccount).at(nowNs);
  }

  #enter(qm: QueueManager, activity: number, nowNs: number): void {
    const first = qm.engineId * ACTIVITIES;
    const doing = this.#doing;
    doing[first + qm.times.activity] = (doing[first + qm.times.activity] as number) - 1;
    doing[first + activity] = (doing[first + activity] as number) + 1;
    qm.times.enter(activity, nowNs);
    const whole = this.#whole[qm.engineId] as TimeAccount;
    let greatest = WORKS;
    while (greatest > NOTHING && doing[first + greatest] === 0) greatest--;
    if (greatest !== whole.activity) whole.enter(greatest, nowNs);
  }

  #activityOf(qm: QueueManager): number {
    if (this.#hangs(qm.engineId)) return NOTHING;
    let activity = NOTHING;
    for (const { state } of qm.processors) {
      if (state === RUNNABLE || state === DELAYED) return WORKS;
      if (state === STALLED) activity = WAITS_FOR_MEMORY;
      else if (state === FENCED || state === WAITS_FOR_GRANT || state === WAITS_FOR_ENGINE)
        activity = Math.max(activity, WAITS_FOR_SYNC);
    }
    return activity;
  }
}
