/**
 * Runs an inspection: once, or again and again.
 *
 * Owns: the habits all inspections share (--json, --watch, the daemon going away).
 * Must not know: what any inspection shows.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { HlError } from '@pedrera/base';
import type { Context } from '../command.js';
import { CliError, EXIT, type ExitCode } from '../exit.js';
import { type DaemonSession, socketPathOf, startCommand, withSession } from '../session.js';
import { quitSignal, Screen } from '../terminal/screen.js';
import { styleOf } from '../text/style.js';
import type { Inspection } from './inspection.js';
import { limitOf } from './rows.js';

interface RunOptions {
  readonly watch: boolean;
  readonly interval: number;
  /** One look below the other, without a line between, and only those with news. */
  readonly scroll?: boolean;
}

export async function runInspection<Document>(
  context: Context,
  inspection: Inspection<Document>,
  options: RunOptions,
): Promise<ExitCode> {
  return withSession(context, async (session) => {
    if (options.watch) await watch(context, inspection, { ...options, session });
    else context.output.result(await inspection.fetch(session), inspection.render);
    return EXIT.ok;
  });
}

/** The same of what may be long, and is cut where nobody said how long. */
export function runList<Document, Options extends RunOptions & { readonly limit: number | undefined }>(
  context: Context,
  inspectionOf: (options: Options & { readonly limit: number }) => Inspection<Document>,
  options: Options,
): Promise<ExitCode> {
  const limit = limitOf(context.output, options.limit);
  return runInspection(context, inspectionOf({ ...options, limit }), options);
}

async function watch<Document>(
  context: Context,
  inspection: Inspection<Document>,
  { session, interval, scroll = false }: RunOptions & { session: DaemonSession },
): Promise<void> {
  const terminal = context.output.kind === 'text' && process.stdout.isTTY && !scroll;
  const screen = terminal ? new Screen(process.stdout) : undefined;
  const quit = quitSignal(process.stdin);
  let first = true;
  try {
    while (!quit.signal.aborted) {
      const document = await lookOrGone(context, () => inspection.fetch(session));
      if (screen !== undefined) {
        const style = styleOf(process.stdout, context.env);
        screen.draw(`${inspection.render(document, style)}\n\n${style.dim('q quits')}`);
      } else if (!scroll || inspection.isNews?.(document) !== false) {
        if (!first && !scroll) context.output.say('');
        context.output.result(document, inspection.render);
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
export async function lookOrGone<T>(context: Context, fetch: () => Promise<T>): Promise<T> {
  try {
    return await fetch();
  } catch (error) {
    // How the library tells that the connection is gone; no inspection answers it.
    if (error instanceof CliError || (error instanceof HlError && error.code !== 'ENODEV')) throw error;
    throw new CliError({
      exitCode: EXIT.noDaemon,
      code: 'DAEMON_GONE',
      message: `the daemon on ${socketPathOf(context)} went away (${error instanceof Error ? error.message : String(error)})`,
      hint: `start one with: ${startCommand(context)}`,
    });
  }
}
