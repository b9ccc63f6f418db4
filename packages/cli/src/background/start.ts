/** `pedrera start`: a daemon in the background. Owns the decision whether one is needed, and where its log is. */
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import type { DaemonSnapshot } from '@pedrera/uapi';
import type { Context } from '../command.js';
import { DEFAULT_DEVICES } from '../commands/daemon-options.js';
import { deviceError, EXIT, type ExitCode, usageError } from '../exit.js';
import { metricsUrl } from '../http/address.js';
import { isDefaultSocket, socketPathOf, tryOpenSession } from '../session.js';
import { plural } from '../text/units.js';
import { launchDaemon } from './launch.js';
import { machineArguments } from './machine.js';
import { type SettingsValues, settingsArguments } from './settings.js';

interface StartOptions extends SettingsValues {
  readonly machine: string | undefined;
  readonly devices: number | undefined;
  readonly policy: 'shared' | 'exclusive' | undefined;
  readonly logLevel: string;
  readonly metrics: number | undefined;
  readonly metricsHost: string;
}

interface StartDocument {
  readonly schema: 'pedrera.start/1';
  readonly started: boolean;
  readonly pid: number;
  readonly socket: string;
  readonly devices: number;
  readonly policy: string;
  /** Null for a daemon that somebody else started. */
  readonly log: string | null;
  /** Where this start has them served; null when it was not asked to. */
  readonly metrics: string | null;
}

export async function startDaemon(context: Context, options: StartOptions): Promise<ExitCode> {
  if (options.machine !== undefined && options.devices !== undefined) {
    throw usageError('--machine says which devices there are; --devices cannot say it too');
  }
  const running = await runningDaemon(context);
  if (running !== undefined) return reportRunning(context, options, running);
  const socketPath = socketPathOf(context);
  const logPath = logPathOf(socketPath);
  // Looking for a running daemon has made sure that nobody else owns this directory. One that the user named is the user's to make.
  if (isDefaultSocket(context)) mkdirSync(path.dirname(socketPath), { recursive: true, mode: 0o700 });
  const wanted = { devices: options.devices ?? DEFAULT_DEVICES, policy: options.policy ?? 'shared' } as const;
  let pid: number;
  try {
    const { logLevel } = options;
    const settings = [
      ...machineArguments(options.machine),
      ...settingsArguments(options),
      ...metricsArguments(options),
    ];
    const child = await launchDaemon({ socketPath, ...wanted, logLevel, logPath, settings, lifetime: 'detached' });
    pid = child.pid ?? 0;
    child.disconnect();
    child.unref();
  } catch (error) {
    // Two of us at once: the other one's daemon is as good as ours.
    const other = await runningDaemon(context);
    if (other === undefined) throw error;
    return reportRunning(context, options, other);
  }
  const described = options.machine === undefined ? undefined : await runningDaemon(context);
  const devices = described?.devices.length ?? wanted.devices;
  const { policy } = wanted;
  report(context, {
    schema: 'pedrera.start/1',
    started: true,
    pid,
    socket: socketPath,
    devices,
    policy,
    log: logPath,
    metrics: options.metrics === undefined ? null : metricsUrl({ host: options.metricsHost, port: options.metrics }),
  });
  return EXIT.ok;
}

async function runningDaemon(context: Context): Promise<DaemonSnapshot | undefined> {
  const session = await tryOpenSession(context);
  try {
    return await session?.inspectDaemon();
  } finally {
    await session?.close();
  }
}

function reportRunning(context: Context, options: StartOptions, running: DaemonSnapshot): ExitCode {
  const devices = running.devices.length;
  const differs =
    (options.devices !== undefined && options.devices !== devices) ||
    (options.policy !== undefined && options.policy !== running.policy);
  if (differs) {
    throw deviceError(
      `a daemon with ${plural(devices, 'device')} and policy ${running.policy} is running on ${running.socket} (pid ${running.pid})`,
      'stop it first, or name another socket with --socket',
    );
  }
  const { pid, socket, policy } = running;
  report(context, {
    schema: 'pedrera.start/1',
    started: false,
    pid,
    socket,
    devices,
    policy,
    log: null,
    metrics: null,
  });
  return EXIT.ok;
}

function report(context: Context, document: StartDocument): void {
  context.output.result(document, ({ started, pid, socket, devices, policy, log, metrics }) => {
    const daemon = `on ${socket}, pid ${pid}, ${plural(devices, 'device')}, policy ${policy}`;
    if (!started) return `already running ${daemon}`;
    return [`started ${daemon}`, `log: ${log}`, ...(metrics === null ? [] : [`metrics: ${metrics}`])].join('\n');
  });
}

function metricsArguments({ metrics, metricsHost }: StartOptions): string[] {
  return metrics === undefined ? [] : ['--metrics', String(metrics), '--metrics-host', metricsHost];
}

/** Beside the socket: whoever finds the one finds the other, and a private directory takes both with it. */
function logPathOf(socketPath: string): string {
  return `${socketPath.replace(/\.sock$/, '')}.log`;
}
