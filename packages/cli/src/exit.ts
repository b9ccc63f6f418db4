/**
 * How a command ends: exit codes, and the error that carries one.
 *
 * Owns: the mapping from any thrown value to an exit code and a sentence for people.
 * Must not know: how errors are printed (output.ts), nor any single command.
 */
import { HlError } from '@pedrera/base';

export const EXIT = {
  ok: 0,
  /** The device or the daemon refused, or a result was wrong. */
  deviceError: 1,
  /** The command line or a named file cannot be used. */
  usage: 2,
  /** Nothing listens on the socket. */
  noDaemon: 3,
  /** Ctrl-C, as shells spell it: 128 + SIGINT. */
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** What is told about a command that failed. */
export interface Failure {
  readonly exitCode: ExitCode;
  /** An errno name, or one of the command's own words in capitals. */
  readonly code: string;
  readonly message: string;
  /** What to do about it: shown on a line of its own. */
  readonly hint?: string;
  /** Only for our own bugs. */
  readonly stack?: string;
}

/** A failure that a command foresaw. */
export class CliError extends Error {
  readonly exitCode: ExitCode;
  readonly code: string;
  readonly hint?: string;

  constructor(failure: { exitCode: ExitCode; code: string; message: string; hint?: string }) {
    super(failure.message);
    this.name = 'CliError';
    this.exitCode = failure.exitCode;
    this.code = failure.code;
    if (failure.hint !== undefined) this.hint = failure.hint;
  }
}

export function usageError(message: string, hint?: string): CliError {
  return new CliError({ exitCode: EXIT.usage, code: 'USAGE', message, ...(hint === undefined ? {} : { hint }) });
}

export function deviceError(message: string, hint?: string): CliError {
  return new CliError({ exitCode: EXIT.deviceError, code: 'FAILED', message, ...(hint === undefined ? {} : { hint }) });
}

/** Nothing listens on `socketPath`. */
export function noDaemon(socketPath: string, startCommand: string): CliError {
  return new CliError({
    exitCode: EXIT.noDaemon,
    code: 'NO_DAEMON',
    message: `no daemon on ${socketPath}`,
    hint: `start one with: ${startCommand}`,
  });
}

/** Any thrown value as a failure. What nobody foresaw is our bug and keeps its stack. */
export function toFailure(error: unknown): Failure {
  if (error instanceof CliError) {
    const { exitCode, code, message, hint } = error;
    return { exitCode, code, message, ...(hint === undefined ? {} : { hint }) };
  }
  if (error instanceof HlError) {
    // A path no socket can have is the command line's fault, whichever command it was given to.
    const exitCode = error.code === 'ENAMETOOLONG' ? EXIT.usage : EXIT.deviceError;
    return { exitCode, code: error.code, message: error.message };
  }
  // A system call that failed (a log file in a directory that is not there): its own message says it best.
  if (error instanceof Error && 'syscall' in error && 'code' in error) {
    return { exitCode: EXIT.deviceError, code: String(error.code), message: error.message };
  }
  const bug = error instanceof Error ? error : new Error(String(error));
  return {
    exitCode: EXIT.deviceError,
    code: 'INTERNAL',
    message: `internal error: ${bug.message}`,
    ...(bug.stack === undefined ? {} : { stack: bug.stack }),
  };
}
