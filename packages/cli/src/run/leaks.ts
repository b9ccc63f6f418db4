/**
 * What a program left behind in the daemon.
 *
 * Owns: the comparison of before and after. Must not know what the objects are.
 */
import type { DaemonSession } from '../session.js';

const SETTLE_MS = 5_000;
const AGAIN_MS = 20;

type Objects = Readonly<Record<string, number>>;

export async function objectsOf(session: DaemonSession): Promise<Objects> {
  return (await session.inspectDaemon()).objects;
}

/** What there is more of than before, once the daemon had time to see the end of the program's connections; '' for nothing. */
export async function outliving(session: DaemonSession, before: Objects): Promise<string> {
  const until = Date.now() + SETTLE_MS;
  for (;;) {
    const now = await objectsOf(session);
    const left = Object.keys(now)
      .filter((kind) => (now[kind] ?? 0) > (before[kind] ?? 0))
      .map((kind) => `${(now[kind] ?? 0) - (before[kind] ?? 0)} ${kind}`)
      .join(', ');
    if (left === '' || Date.now() >= until) return left;
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}
