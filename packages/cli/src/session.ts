/**
 * A connection to the daemon, for the commands that look into it.
 *
 * Owns: which socket is meant, and how the absence of a daemon is told.
 * Must not know: what is asked over the connection.
 */
import { type ErrnoCode, HlError } from '@pedrera/base';
import type { DaemonClient } from '@pedrera/thunk';
import { defaultSocketPath } from '@pedrera/wire';
import type { Context } from './command.js';
import { CliError, EXIT, noDaemon, usageError } from './exit.js';

/** How wire says that nothing listens. */
const NO_DAEMON: ReadonlySet<ErrnoCode> = new Set<ErrnoCode>(['ENOENT', 'ECONNREFUSED', 'ENOTDIR']);

export type DaemonSession = DaemonClient;

export function socketPathOf(context: Context): string {
  return context.socketOption ?? defaultSocketPath(context.env);
}

/** True when nobody said which socket. */
export function isDefaultSocket(context: Context): boolean {
  return context.socketOption === undefined && !context.env.PEDRERA_SOCKET;
}

/** The command that starts a daemon where this one looked for it, as the user would type it here. */
export function startCommand(context: Context): string {
  return commandHere(context, 'start');
}

function commandHere(context: Context, command: string): string {
  const runner = context.env.npm_command ? 'npx ' : '';
  const socket = context.socketOption === undefined ? '' : ` --socket ${context.socketOption}`;
  return `${runner}pedrera ${command}${socket}`;
}

function otherVersion(context: Context, detail: string, hint: string): CliError {
  return new CliError({
    exitCode: EXIT.deviceError,
    code: 'OTHER_VERSION',
    message: `the daemon on ${socketPathOf(context)} is of another version than this command (${detail})`,
    hint,
  });
}

/** Throws exit code 3 when there is no daemon, 2 for a path no socket can have. */
export async function openSession(context: Context): Promise<DaemonSession> {
  const session = await tryOpenSession(context);
  if (session === undefined) throw noDaemon(socketPathOf(context), startCommand(context));
  return session;
}

/** Opens a connection for what is asked over it, and closes it. Throws as openSession, and for a daemon that does not know the questions. */
export async function withSession<T>(context: Context, work: (session: DaemonSession) => Promise<T>): Promise<T> {
  const session = await openSession(context);
  try {
    return await askDaemon(context, session, () => work(session));
  } finally {
    await session.close();
  }
}

/** A daemon of another build may not know a question, or answer it in a form this command does not know. */
export async function askDaemon<T>(context: Context, session: DaemonSession, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof HlError) || (error.code !== 'ENOTTY' && error.code !== 'EPROTO')) throw error;
    const restart = `restart it: ${commandHere(context, 'stop')} && ${startCommand(context)}`;
    throw otherVersion(context, `build ${session.greeting.build}: ${error.message}`, restart);
  }
}

/** Undefined when there is no daemon. */
export async function tryOpenSession(context: Context): Promise<DaemonSession | undefined> {
  const socketPath = socketPathOf(context);
  // Loaded here: the daemon needs the path of the socket, and at start no library it does not use.
  const { connectDaemon } = await import('@pedrera/thunk');
  try {
    return await connectDaemon({ socketPath, program: 'pedrera' });
  } catch (error) {
    if (!(error instanceof HlError)) throw error;
    if (NO_DAEMON.has(error.code)) return undefined;
    if (error.code === 'ENAMETOOLONG') throw usageError(error.detail ?? error.message);
    if (error.code === 'EPROTONOSUPPORT') {
      // One that does not say who it is cannot be stopped from here, either.
      const other = `stop it with the pedrera that started it, then: ${startCommand(context)}`;
      throw otherVersion(context, error.detail ?? error.message, other);
    }
    throw error;
  }
}
