/**
 * Runs an inspection: once, or again and again.
 *
 * Owns: the habits all inspections share (--json, --watch, the daemon going away).
 * Must not know: what any inspection shows.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Context } from '../command.js';
import { CliError, EXIT, type ExitCode } from '../exit.js';
import { type DaemonSession, openSession, socketPathOf, startCommand } from '../session.js';
import { quitSignal, Screen } from '../terminal/screen.js';
import { styleOf } from '../text/style.js';
import type { Inspection } from './inspection.js';

interface RunOptions {
  readonly watch: boolean;
  readonly interval: number;
}

export async function runInspection<Document>(
  context: Context,
  inspection: Inspection<Document>,
  options: RunOptions,
): Promise<ExitCode> {
  const session = await openSession(context);
  try {
    if (options.watch) await watch(context, inspection, { session, interval: options.interval });
    else context.output.result(await inspection.fetch(session), inspection.render);
    return EXIT.ok;
  } finally {
    await session.close();
  }
}

async function watch<Document>(
  context: Context,
  inspection: Inspection<Document>,
  { session, interval }: { session: DaemonSession; interval: number },
): Promise<void> {
  const screen = context.output.kind === 'text' && process.stdout.isTTY ? new Screen(process.stdout) : undefined;
  const quit = quitSignal(process.stdin);
  let first = true;
  try {
    while (!quit.signal.aborted) {
      const document = await fetchOrGone(context, () => inspection.fetch(session));
      if (screen === undefined) {
        if (!first) context.output.say('');
        context.output.result(document, inspection.render);
      } else {
        const style = styleOf(process.stdout, context.env);
        screen.draw(`${inspection.render(document, style)}\n\n${style.dim('q quits')}`);
      }
      first = false;
      await delay(interval, undefined, { signal: quit.signal }).catch(() => {});
    }
  } finally {
    quit.release();
    screen?.close();
  }
}

/** While watching, a lost connection has one meaning. */
async function fetchOrGone<T>(context: Context, fetch: () => Promise<T>): Promise<T> {
  try {
    return await fetch();
  } catch (error) {
    throw new CliError({
      exitCode: EXIT.noDaemon,
      code: 'DAEMON_GONE',
      message: `the daemon on ${socketPathOf(context)} went away (${error instanceof Error ? error.message : String(error)})`,
      hint: `start one with: ${startCommand(context)}`,
    });
  }
}
