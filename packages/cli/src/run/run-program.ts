/**
 * `pedrera run`: a program with the library in it, and a daemon for it if none was named.
 *
 * Owns: the child process, its signals and its ending; what is said when the library never got into it.
 * Must not know: how the library works.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import path from 'node:path';
import { launchDaemon } from '../background/launch.js';
import { machineArguments } from '../background/machine.js';
import { type SettingsValues, settingsArguments } from '../background/settings.js';
import type { Context } from '../command.js';
import { deviceError, type ExitCode, usageError } from '../exit.js';
import { isDefaultSocket, openSession, socketPathOf } from '../session.js';
import { MARK_VARIABLE, shimVariables } from './environment.js';
import { holdingsOf, leftBehind } from './leaks.js';
import { checkProgram } from './program-file.js';
import { whyNotPreloaded } from './why-not-preloaded.js';

export interface RunOptions extends SettingsValues {
  readonly devices: number;
  readonly machine: string | undefined;
  readonly policy: 'shared' | 'exclusive';
  readonly debugfs: boolean;
  /** The running daemon, and none of its own. */
  readonly attach: boolean;
  readonly leaks: boolean;
}

const PASSED_ON = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGCONT'] as const;
/** The library was in a process of the run, and perhaps not in the one that matters. */
const NOTHING_OPENED =
  'no process of this run opened a device; one that is static, setuid or for 32 bits, started by a script or another program, sees none';
const SHELLS_SIGNAL_BASE = 128;
const DAEMON_END_MS = 10_000;
/** Room that is left for names in a socket path (unix(7): 107 bytes). */
const MAX_PARENT_BYTES = 80;

export async function runProgram(context: Context, options: RunOptions, args: readonly string[]): Promise<ExitCode> {
  const [command = ''] = args;
  checkProgram(command, context.env.PATH);
  const directory = runDirectory();
  let daemon: ChildProcess | undefined;
  try {
    // Said before a daemon is started for nothing.
    shimVariables({ socketPath: '', debugfs: false, preload: undefined });
    const own = isDefaultSocket(context) && !options.attach;
    if (!own) checkNothingToSet(options);
    const socketPath = own ? path.join(directory, 'pedrera.sock') : socketPathOf(context);
    if (own) daemon = await privateDaemon(socketPath, directory, options);
    const using = { ...context, socketOption: socketPath };
    const session = await openSession(using);
    try {
      const before = await holdingsOf(session);
      const mark = path.join(directory, 'preloaded');
      const variables = shimVariables({ socketPath, debugfs: options.debugfs, preload: context.env.LD_PRELOAD });
      const code = await runChild(args, { ...context.env, ...variables, [MARK_VARIABLE]: mark });
      const marked = statSync(mark, { throwIfNoEntry: false });
      if (marked === undefined) throw deviceError(whyNotPreloaded(command, context.env.PATH));
      if (code !== 0 && marked.size === 0) context.output.aside(`pedrera: ${NOTHING_OPENED}`);
      if (options.leaks) {
        const left = await leftBehind(session, before);
        if (left !== '') throw deviceError(`the program ended with ${code} and left objects behind: ${left}`);
      }
      return code as ExitCode;
    } finally {
      await session.close();
    }
  } finally {
    if (daemon !== undefined) await endDaemon(daemon);
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A daemon that runs already is what it is. */
function checkNothingToSet(options: RunOptions): void {
  const given = [...machineArguments(options.machine), ...settingsArguments(options)].filter((word) =>
    word.startsWith('--'),
  );
  if (given.length > 0) {
    throw usageError(
      `${given.join(', ')}: for a daemon of the program's own, and a running one is used`,
      'give such options to pedrera start, or leave out --attach and --socket',
    );
  }
}

/** For a socket and a log. */
export function runDirectory(): string {
  const parent = Buffer.byteLength(tmpdir()) <= MAX_PARENT_BYTES ? tmpdir() : '/tmp';
  return mkdtempSync(path.join(parent, 'pedrera-run-'));
}

export type DaemonChoice = Pick<RunOptions, 'devices' | 'machine' | 'policy'> & Partial<SettingsValues>;

/** A daemon that ends with this process. */
export function privateDaemon(socketPath: string, directory: string, options: DaemonChoice): Promise<ChildProcess> {
  const { devices, policy, machine } = options;
  return launchDaemon({
    socketPath,
    devices,
    policy,
    logLevel: 'info',
    logPath: path.join(directory, 'daemon.log'),
    lifetime: 'ours',
    settings: [...machineArguments(machine), ...settingsArguments(options)],
  });
}

/** The exit code, as a shell would have it. `started` hears of the process before it has done anything. */
export function runChild(
  [command, ...args]: readonly string[],
  env: NodeJS.ProcessEnv,
  started?: (pid: number) => void,
): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command as string, args, { stdio: 'inherit', env });
    if (child.pid !== undefined) started?.(child.pid);
    const pass = (signal: NodeJS.Signals) => child.kill(signal);
    for (const signal of PASSED_ON) process.on(signal, pass);
    const done = () => {
      for (const signal of PASSED_ON) process.off(signal, pass);
    };
    child.on('error', (error) => {
      done();
      reject(deviceError(`cannot run ${command}: ${error.message}`));
    });
    child.on('exit', (code, signal) => {
      done();
      resolve(signal === null ? (code ?? 0) : SHELLS_SIGNAL_BASE + constants.signals[signal]);
    });
  });
}

export async function endDaemon(daemon: ChildProcess): Promise<void> {
  if (daemon.exitCode !== null || daemon.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => daemon.once('exit', () => resolve()));
  daemon.kill('SIGTERM');
  const timer = setTimeout(() => daemon.kill('SIGKILL'), DAEMON_END_MS);
  await ended;
  clearTimeout(timer);
}
