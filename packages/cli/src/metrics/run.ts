/**
 * Runs `pedrera metrics`.
 *
 * Owns: its life: until Ctrl-C, or as long as the process that started it. Must not know: the metrics.
 */
import type { Snapshot } from '@pedrera/uapi';
import { EXIT_WITH_PARENT } from '../background/messages.js';
import type { Context } from '../command.js';
import { EXIT, type ExitCode, toFailure } from '../exit.js';
import { askDaemon, type DaemonSession, openSession, tryOpenSession } from '../session.js';
import { untilQuit } from '../terminal/screen.js';
import { exposition } from './exposition.js';
import { tellParent } from './messages.js';
import { type Look, serveMetrics } from './server.js';
import { METRIC_SECTIONS } from './table.js';

export interface MetricsOptions {
  readonly port: number;
  readonly host: string;
  readonly once: boolean;
}

export async function runMetrics(context: Context, { port, host, once }: MetricsOptions): Promise<ExitCode> {
  if (once) return printOnce(context);
  const bound = context.env[EXIT_WITH_PARENT] !== undefined;
  const daemon = new Daemon(context);
  try {
    // Nothing to scrape is an error now; later it is a value, pedrera_up.
    await daemon.open();
    const server = await serveMetrics({ host, port }, daemon.look);
    const { url } = server;
    context.output.result(
      { schema: 'pedrera.metrics/1', url },
      () => `metrics on ${url}${bound ? '' : '; Ctrl-C ends it'}`,
    );
    tellParent({ type: 'serving', url });
    await untilQuit(process.stdin, bound ? parentGone() : undefined);
    await server.close();
    return EXIT.ok;
  } catch (error) {
    tellParent({ type: 'failed', failure: toFailure(error) });
    throw error;
  } finally {
    await daemon.close();
    if (process.connected) process.disconnect();
  }
}

async function printOnce(context: Context): Promise<ExitCode> {
  const session = await openSession(context);
  try {
    const ask = () => session.inspect({ sections: METRIC_SECTIONS });
    const text = await exposition(await askDaemon(context, session, ask));
    context.output.file({ schema: 'pedrera.metrics-text/1', text }, Buffer.from(text));
    return EXIT.ok;
  } finally {
    await session.close();
  }
}

/** Resolves with the end of the process this one belongs to. */
function parentGone(): Promise<void> {
  return new Promise((resolve) => {
    process.once('disconnect', () => resolve());
    if (!process.connected) resolve();
  });
}

/** The daemon, which may go away and come back between two scrapes. */
class Daemon {
  readonly #context: Context;
  #session: DaemonSession | undefined;

  constructor(context: Context) {
    this.#context = context;
  }

  async open(): Promise<void> {
    const session = await openSession(this.#context);
    this.#session = session;
    await askDaemon(this.#context, session, () => session.inspect({ sections: METRIC_SECTIONS }));
  }

  readonly look: Look = async () => {
    // The connection may have ended with a daemon that another has followed since.
    const again = this.#session !== undefined;
    return (await this.#take()) ?? (again ? await this.#take() : null);
  };

  async close(): Promise<void> {
    await this.#session?.close();
  }

  async #take(): Promise<Snapshot | null> {
    try {
      this.#session ??= await tryOpenSession(this.#context);
      return (await this.#session?.inspect({ sections: METRIC_SECTIONS })) ?? null;
    } catch {
      // Gone, or of another version: either way there is nothing to tell but that.
      const session = this.#session;
      this.#session = undefined;
      void session?.close();
      return null;
    }
  }
}
