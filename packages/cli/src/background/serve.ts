/**
 * The daemon's process, seen from its outside: signals, readiness, the end.
 *
 * Owns: when the daemon is told to stop, and who learns that it is ready.
 * Must not know: what the daemon does in between; `run` is handed in, so this file does not load the kernel.
 */
import { closeSync, writeSync } from 'node:fs';
import type { Context } from '../command.js';
import { deviceError, EXIT, toFailure } from '../exit.js';
import type { Exporter } from '../metrics/beside-daemon.js';
import { socketPathOf } from '../session.js';
import { plural } from '../text/units.js';
import { type DaemonMessage, EXIT_WITH_PARENT, READY_DESCRIPTOR } from './messages.js';
import { type DaemonSettings, type SettingsValues, settingsOf } from './settings.js';

export interface ServeOptions extends SettingsValues {
  readonly devices: number;
  readonly policy: 'shared' | 'exclusive';
  readonly logLevel: string;
  readonly logFile: string | undefined;
  readonly metrics: number | undefined;
  readonly metricsHost: string;
}

interface Daemon {
  readonly socketPath: string;
  readonly devices: number;
  readonly closed: Promise<void>;
  stop(reason: string): Promise<void>;
}

type RunDaemon = (options: {
  socketPath: string;
  devices: number;
  policy: 'shared' | 'exclusive';
  logLevel: string;
  logFile?: string;
  pretty: boolean;
  settings: DaemonSettings;
}) => Promise<Daemon>;

const STOP_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/** Returns when the daemon has ended. */
export async function serve(context: Context, options: ServeOptions, run: RunDaemon): Promise<void> {
  const stopping = stopRequests(context.env);
  const { devices, policy, logLevel, logFile } = options;
  const pretty = process.stdout.isTTY === true && logFile === undefined;
  const socketPath = socketPathOf(context);
  let daemon: Daemon;
  try {
    daemon = await run({
      socketPath,
      devices,
      policy,
      logLevel,
      pretty,
      settings: settingsOf(options),
      ...(logFile === undefined ? {} : { logFile }),
    });
  } catch (error) {
    tellParent({ type: 'failed', failure: toFailure(error) });
    throw error;
  }
  try {
    const exporter = await exporterOf(context, options, daemon);
    const { devices: count } = daemon;
    announce(context, options, { devices: count, socketPath: daemon.socketPath, metrics: exporter?.url });
    const reason = await Promise.race([stopping, daemon.closed.then(() => null)]);
    if (reason !== null) await daemon.stop(reason);
    await daemon.closed;
    await exporter?.close();
    if (reason === null) throw deviceError('the daemon ended without being asked to');
  } catch (error) {
    // A device died, say. The threads of the others would keep the process alive.
    const failure = toFailure(error);
    context.output.failure(failure);
    process.exit(failure.exitCode);
  }
  if (process.connected) process.disconnect();
}

/** Who asked for metrics is told when there are none: then there is no daemon either. */
async function exporterOf(
  context: Context,
  { metrics, metricsHost }: ServeOptions,
  daemon: Daemon,
): Promise<Exporter | undefined> {
  if (metrics === undefined) return undefined;
  try {
    const { startExporter } = await import('../metrics/beside-daemon.js');
    const exporter = await startExporter(daemon.socketPath, { host: metricsHost, port: metrics });
    let closing = false;
    void daemon.closed.then(() => {
      closing = true;
    });
    void exporter.ended.then((how) => closing || context.output.aside(`pedrera: the metrics server ended (${how})`));
    return exporter;
  } catch (error) {
    // First the end, then the news: whoever hears them may look for a daemon on this socket, and must not find one that is about to go.
    await daemon.stop('it has no metrics');
    await daemon.closed;
    tellParent({ type: 'failed', failure: toFailure(error) });
    throw error;
  }
}

/** Resolves with the reason to stop. A second signal ends the process without waiting for anything. */
function stopRequests(env: NodeJS.ProcessEnv): Promise<string> {
  return new Promise((resolve) => {
    let asked = false;
    const stop = (reason: string) => {
      if (asked) process.exit(EXIT.deviceError);
      asked = true;
      resolve(reason);
    };
    for (const signal of STOP_SIGNALS) process.on(signal, () => stop(signal));
    if (env[EXIT_WITH_PARENT] !== undefined && process.send !== undefined) {
      process.on('disconnect', () => asked || stop('the parent process ended'));
      // A listener for 'disconnect' would otherwise keep the process alive.
      process.channel?.unref();
      // It may have ended while this program was loading.
      if (!process.connected) stop('the parent process ended');
    }
  });
}

interface Announced {
  readonly devices: number;
  readonly socketPath: string;
  readonly metrics: string | undefined;
}

function announce(
  context: Context,
  { policy, logFile }: ServeOptions,
  { devices, socketPath, metrics }: Announced,
): void {
  // A JSON log on standard output has its own "ready", and every line of it is JSON.
  if (process.stdout.isTTY === true || logFile !== undefined) {
    const daemon = `${plural(devices, 'device')}, policy ${policy}, pid ${process.pid}`;
    context.output.say(
      `pedrera: ready on ${socketPath}, ${daemon}${metrics === undefined ? '' : `, metrics on ${metrics}`}`,
    );
  }
  tellParent({ type: 'ready', pid: process.pid, socketPath });
  const descriptor = Number(context.env[READY_DESCRIPTOR]);
  if (Number.isInteger(descriptor) && descriptor > 2) {
    writeSync(descriptor, 'ready\n');
    closeSync(descriptor);
  }
}

function tellParent(message: DaemonMessage): void {
  // The parent may have gone in the meantime; that is not this daemon's problem.
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}
