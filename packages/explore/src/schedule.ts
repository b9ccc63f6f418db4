/**
 * A schedule: what is chosen at each step, as far as it matters. A step may be left to the machine (undefined), and so is
 * everything behind the last step.
 *
 * Owns: how one is written and read: `12,b>,3,s0.1.0*2` is twelve steps as they come, then the move `b>`, three as they come,
 * the move `s0.1.0` twice. Must not know moves.
 */

export type Schedule = readonly (string | undefined)[];

/** Steps as they come, or a key, and how often. */
const PART = /^(?:(\d{1,6})|([a-z][\w.<>-]*)(?:\*(\d{1,6}))?)$/;

export function formatSchedule(schedule: Schedule): string {
  const parts: string[] = [];
  for (let i = 0; i < schedule.length; ) {
    const key = schedule[i];
    let count = 1;
    while (i + count < schedule.length && schedule[i + count] === key) {
      count++;
    }
    parts.push(key === undefined ? String(count) : count === 1 ? key : `${key}*${count}`);
    i += count;
  }
  return parts.length === 0 ? '0' : parts.join(',');
}

/** Undefined for a text that is no schedule. */
export function parseSchedule(text: string): Schedule | undefined {
  const schedule: (string | undefined)[] = [];
  for (const part of text.split(',')) {
    const [, steps, key, times] = PART.exec(part) ?? [];
    if (steps === undefined && key === undefined) {
      return undefined;
    }
    const count = Number(steps ?? times ?? 1);
    for (let i = 0; i < count; i++) {
      schedule.push(key);
    }
  }
  return trimmed(schedule);
}

/** Without the steps at its end that are left to the machine anyway. */
export function trimmed(schedule: Schedule): Schedule {
  let end = schedule.length;
  while (end > 0 && schedule[end - 1] === undefined) {
    end--;
  }
  return schedule.slice(0, end);
}

/** Steps somebody chose. */
export function choices(schedule: Schedule): number {
  return schedule.filter((key) => key !== undefined).length;
}
