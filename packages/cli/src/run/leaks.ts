/**
 * What a program left behind in the daemon: what outlives it, and what it held when it ended.
 *
 * Owns: the comparison of before and after. Must not know what the objects are.
 */
import type { DaemonSession } from '../session.js';

const SETTLE_MS = 5_000;
const AGAIN_MS = 20;

type Counts = Readonly<Record<string, number>>;

/** Of the daemon: what is alive, and what closed files have left to their release so far. */
export interface Holdings {
  readonly objects: Counts;
  readonly left: Counts;
}

export async function holdingsOf(session: DaemonSession): Promise<Holdings> {
  const { objects, left } = await session.inspectDaemon();
  return { objects, left };
}

/** A sentence, once the daemon had time to see the end of the program's connections; '' if nothing was left. */
export async function leftBehind(session: DaemonSession, before: Holdings): Promise<string> {
  const until = Date.now() + SETTLE_MS;
  for (;;) {
    const now = await holdingsOf(session);
    const outliving = more(now.objects, before.objects);
    if (outliving === '' || Date.now() >= until) {
      const held = more(now.left, before.left);
      return [
        ...(held === '' ? [] : [`held when it ended, and taken by the release of its files: ${held}`]),
        ...(outliving === '' ? [] : [`still alive: ${outliving}`]),
      ].join('; ');
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

function more(now: Counts, before: Counts): string {
  return Object.keys(now)
    .filter((kind) => (now[kind] ?? 0) > (before[kind] ?? 0))
    .map((kind) => `${(now[kind] ?? 0) - (before[kind] ?? 0)} ${kind}`)
    .join(', ');
}
