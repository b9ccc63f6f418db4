/**
 * A program to be looked at, and the daemon it talks to: the one that was named, or one of its own.
 *
 * Owns: what is started, and that it ends. Must not know what is looked at.
 */
import type { ChildProcess } from 'node:child_process';
import { rmSync } from 'node:fs';
import path from 'node:path';
import type { Context } from '../command.js';
import { shimVariables } from '../run/environment.js';
import { type DaemonChoice, endDaemon, privateDaemon, runChild, runDirectory } from '../run/run-program.js';
import { askDaemon, type DaemonSession, isDefaultSocket, openSession, socketPathOf } from '../session.js';
import { TidyEnd } from './tidy-end.js';

export interface Host {
  readonly session: DaemonSession;
  /** The daemon serves nobody else. */
  readonly own: boolean;
  /** Starts the program; resolves with its exit code. */
  run(args: readonly string[], started: (pid: number) => void): Promise<number>;
}

/** `use` gets a connection to the daemon that the program will talk to; daemon and connection end with it. */
export async function withHost<T>(context: Context, daemon: DaemonChoice, use: (host: Host) => Promise<T>): Promise<T> {
  const own = isDefaultSocket(context);
  const directory = runDirectory();
  const tidy = new TidyEnd(directory);
  let child: ChildProcess | undefined;
  try {
    const socketPath = own ? path.join(directory, 'pedrera.sock') : socketPathOf(context);
    if (own) child = await privateDaemon(socketPath, directory, daemon);
    const session = await openSession({ ...context, socketOption: socketPath });
    const run = (args: readonly string[], started: (pid: number) => void) => {
      // The program gets them from here on, and ends this by its own end.
      tidy.release();
      return runChild(args, { ...context.env, ...variablesFor(socketPath, context, args) }, started);
    };
    try {
      return await askDaemon(context, session, () => use({ session, own, run }));
    } finally {
      await session.close();
    }
  } finally {
    if (child !== undefined) await endDaemon(child);
    rmSync(directory, { recursive: true, force: true });
    tidy.release();
  }
}

/** Programs that talk to the daemon themselves; the library is for those that only know /dev/hl*. */
const SPEAKS_FOR_ITSELF = /(^|\/)(node|npx|npm|pnpm|tsx|pedrera)$|\.[cm]?[jt]s$/;

/** Without the library (it is built with a C compiler) other programs get the socket, at least. */
function variablesFor(socketPath: string, context: Context, [command = '']: readonly string[]): Record<string, string> {
  const variables = { PEDRERA_SOCKET: path.resolve(socketPath) };
  if (SPEAKS_FOR_ITSELF.test(command)) return variables;
  try {
    return shimVariables({ socketPath, debugfs: false, preload: context.env.LD_PRELOAD });
  } catch {
    return variables;
  }
}
