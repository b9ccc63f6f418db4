/**
 * Runs `pedrera top`.
 *
 * Owns: the loop of looks, and which of its three forms is shown: on the terminal, as lines, as JSON. Must not know: how the
 * numbers come about, how the picture looks.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Context } from '../command.js';
import { EXIT, type ExitCode } from '../exit.js';
import { withSession } from '../session.js';
import { quitSignal } from '../terminal/screen.js';
import { Looks } from './looks.js';
import { plainLines } from './plain.js';
import { INITIAL, type Sort, type TopState } from './state.js';
import { showOnTerminal } from './terminal.js';

interface TopOptions {
  readonly interval: number;
  readonly count: number | undefined;
  readonly lines: boolean;
  readonly device: number | undefined;
  readonly sort: Sort;
}

export async function runTop(context: Context, options: TopOptions): Promise<ExitCode> {
  const { interval: intervalMs, device = null, sort } = options;
  const state: TopState = { ...INITIAL, intervalMs, device, sort };
  return withSession(context, async (session) => {
    const onTerminal = context.output.kind === 'text' && !options.lines && process.stdout.isTTY && process.stdin.isTTY;
    const looks = new Looks(context, session);
    if (onTerminal) await showOnTerminal(context, looks, { state, count: options.count });
    else await print(context, looks, state, options.count);
    return EXIT.ok;
  });
}

async function print(context: Context, looks: Looks, state: TopState, count = Number.POSITIVE_INFINITY): Promise<void> {
  const quit = quitSignal(process.stdin);
  try {
    await looks.begin(state.intervalMs, quit.signal);
    for (let shown = 1; !quit.signal.aborted; shown++) {
      context.output.result(await looks.next(), (document) => plainLines(document, state));
      if (shown >= count) return;
      await delay(state.intervalMs, undefined, { signal: quit.signal }).catch(() => {});
    }
  } finally {
    quit.release();
  }
}
