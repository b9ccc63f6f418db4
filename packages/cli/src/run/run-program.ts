/**
 * `pedrera run`: a program with the library in it, and a daemon for it if none was named.
 *
 * Owns: the child process, its signals and its ending; what is said when the library never got into it.
 * Must not know: how the library works.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import path from 'node:path';
import { launchDaemon } from '../background/launch.js';
import { machineArguments } from '../background/machine.js';
import type { Context } from '../command.js';
import { deviceError, type ExitCode } from '../exit.js';
import { isDefaultSocket, openSession, socketPathOf } from '../session.js';
import { MARK_VARIABLE, shimVariables } from './environment.js';
import { objectsOf, outliving } from './leaks.js';
import { whyNotPreloaded } from './why-not-preloaded.js';

export interface RunOptions {
  readonly devices: number;
  readonly machine: string | undefined;
  readonly policy: 'shared' | 'exclusive';
  readonly debugfs: boolean;
  readonly collapseDma: boolean;
  readonly leaks: boolean;
}

const PASSED_ON = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR1', 'SIGUSR2', 'SIGCONT'] as const;
const SHELLS_SIGNAL_BASE = 128;
const DAEMON_END_MS = 10_000;
/** Room that is left for names in a socket path (unix(7): 107 bytes). */
const MAX_PARENT_BYTES = 80;

export async function runProgram(context: Context, options: RunOptions, args: readonly string[]): Promise<ExitCode> {
  const parent = Buffer.byteLength(tmpdir()) <= MAX_PARENT_BYTES ? tmpdir() : '/tmp';
  const directory = mkdtempSync(path.join(parent, 'pedrera-run-'));
  let daemon: ChildProcess | undefined;
  try {
    // Said before a daemon is started for nothing.
    shimVariables({ socketPath: '', debugfs: false, preload: undefined });
    const own = isDefaultSocket(context);
    const socketPath = own ? path.join(directory, 'pedrera.sock') : socketPathOf(context);
    if (own) daemon = await privateDaemon(socketPath, directory, options);
    const using = { ...context, socketOption: socketPath };
    const session = await openSession(using);
    try {
      const before = await objectsOf(session);
      const mark = path.join(directory, 'preloaded');
      const variables = shimVariables({ socketPath, debugfs: options.debugfs, preload: context.env.LD_PRELOAD });
      const code = await runChild(args, { ...context.env, ...variables, [MARK_VARIABLE]: mark });
      if (!existsSync(mark)) throw deviceError(whyNotPreloaded(args[0] ?? '', context.env.PATH));
      if (options.leaks) {
        const left = await outliving(session, before);
        if (left !== '') throw deviceError(`the program ended with ${code} and left behind: ${left}`);
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

function privateDaemon(socketPath: string, directory: string, options: RunOptions): Promise<ChildProcess> {
  const { devices, policy, machine, collapseDma } = options;
  return launchDaemon({
    socketPath,
    devices,
    policy,
    logLevel: 'info',
    logPath: path.join(directory, 'daemon.log'),
    lifetime: 'ours',
    settings: [...machineArguments(machine), ...(collapseDma ? ['--collapse-dma'] : [])],
  });
}

/** The exit code, as a shell would have it. */
function runChild([command, ...args]: readonly string[], env: NodeJS.ProcessEnv): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(command as string, args, { stdio: 'inherit', env });
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

async function endDaemon(daemon: ChildProcess): Promise<void> {
  if (daemon.exitCode !== null || daemon.signalCode !== null) return;
  const ended = new Promise<void>((resolve) => daemon.once('exit', () => resolve()));
  daemon.kill('SIGTERM');
  const timer = setTimeout(() => daemon.kill('SIGKILL'), DAEMON_END_MS);
  await ended;
  clearTimeout(timer);
}
