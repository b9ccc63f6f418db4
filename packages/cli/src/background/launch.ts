/**
 * Starts a daemon process and waits until it says that it is ready.
 *
 * Owns: the child process up to that moment. Must not know: what the daemon is for afterwards.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync } from 'node:fs';
import { CLI_PATH } from '../cli-path.js';
import { CliError, deviceError } from '../exit.js';
import { type DaemonMessage, EXIT_WITH_PARENT, isDaemonMessage, READY_DESCRIPTOR } from './messages.js';

export interface Launch {
  readonly socketPath: string;
  readonly devices: number;
  readonly policy: 'shared' | 'exclusive';
  readonly logLevel: string;
  /** Standard output and error of the daemon: its log. */
  readonly logPath: string;
  /** On its own, in the background; or bound to this process, so that it ends when this process does. */
  readonly lifetime: 'detached' | 'ours';
  /** Further arguments of `pedrera daemon`. */
  readonly settings?: readonly string[];
}

/** Far beyond any start that was ever measured: a start this long has failed. */
const READY_TIMEOUT_MS = 15_000;
const LOG_TAIL_LINES = 5;

export async function launchDaemon(launch: Launch): Promise<ChildProcess> {
  const log = openLog(launch.logPath);
  const { socketPath, devices, policy, logLevel } = launch;
  const options = { socket: socketPath, devices, policy, 'log-level': logLevel };
  const child = spawn(
    process.execPath,
    [
      CLI_PATH,
      'daemon',
      ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]),
      ...(launch.settings ?? []),
    ],
    {
      stdio: ['ignore', log, log, 'ipc'],
      // Ctrl-C reaches every process of the terminal's group; what becomes of this one is decided here.
      detached: true,
      env: {
        ...process.env,
        [EXIT_WITH_PARENT]: launch.lifetime === 'ours' ? '1' : undefined,
        // It names a descriptor of this process, if any.
        [READY_DESCRIPTOR]: undefined,
      },
    },
  );
  closeSync(log);
  try {
    await readiness(child, launch.logPath);
  } catch (error) {
    child.kill('SIGKILL');
    throw error;
  }
  return child;
}

function openLog(path: string): number {
  try {
    const { O_WRONLY, O_CREAT, O_APPEND, O_NOFOLLOW } = constants;
    return openSync(path, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0o600);
  } catch (error) {
    throw deviceError(`cannot write the daemon's log: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function readiness(child: ChildProcess, logPath: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => finish(deviceError(`the daemon was not ready after ${READY_TIMEOUT_MS / 1000} s${logTail(logPath)}`)),
      READY_TIMEOUT_MS,
    );
    const onMessage = (message: unknown) => {
      if (!isDaemonMessage(message)) return;
      finish(message.type === 'ready' ? undefined : new CliError(withoutStack(message)));
    };
    const onExit = (code: number | null, signal: string | null) =>
      finish(deviceError(`the daemon ended before it was ready (${signal ?? `exit code ${code}`})${logTail(logPath)}`));
    const onError = (error: Error) => finish(deviceError(`cannot start the daemon: ${error.message}`));
    const finish = (problem: Error | undefined) => {
      clearTimeout(timer);
      child.off('message', onMessage).off('exit', onExit).off('error', onError);
      if (problem === undefined) resolve();
      else reject(problem);
    };
    child.on('message', onMessage).on('exit', onExit).on('error', onError);
  });
}

function withoutStack({ failure }: Extract<DaemonMessage, { type: 'failed' }>) {
  const { exitCode, code, message, hint } = failure;
  return { exitCode, code, message, ...(hint === undefined ? {} : { hint }) };
}

/** The end of a daemon's log, to be put behind a sentence about what went wrong. */
export function logTail(path: string): string {
  try {
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n').slice(-LOG_TAIL_LINES);
    return `; the log (${path}) ends with\n${lines.join('\n')}`;
  } catch {
    return '';
  }
}
