/**
 * The `pedrera` process: from argv to an exit code.
 *
 * Owns: the process's streams and the one place where a failure is printed.
 * Must not know: what any command does. Only the chosen command's own imports are loaded.
 */
import { writeSync } from 'node:fs';
import type { Context } from './command.js';
import { COMMAND_GROUPS } from './commands/all.js';
import { EXIT, type ExitCode, toFailure } from './exit.js';
import { JsonOutput, type Output, type Streams, TextOutput } from './output.js';
import { packageVersion } from './package-version.js';
import { parseCommandLine } from './program.js';
import { type Style, styleOf } from './text/style.js';

/** Runs the command line of this process, and leaves its exit code behind. */
export async function runMain(): Promise<void> {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', onOutputError);
  const streams = {
    out: (text: string | Uint8Array) => void process.stdout.write(text),
    err: (text: string) => void process.stderr.write(text),
  };
  const style = styleOf(process.stdout, process.env);
  process.exitCode = await runCommandLine(process.argv.slice(2), { streams, style, env: process.env });
  // Taking everything down in order costs as much as the answer. What a slow reader has not taken yet is still written.
  if (process.stdout.writableLength === 0 && process.stderr.writableLength === 0) process.exit();
}

interface Surroundings {
  readonly streams: Streams;
  readonly style: Style;
  readonly env: NodeJS.ProcessEnv;
}

/** A reader that has seen enough (`pedrera queues | head`) is no error. Commands with something to clean up listen for SIGPIPE. */
function onOutputError(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') {
    writeSync(2, `pedrera: what was to be said cannot be written: ${error.message}\n`);
    process.exit(EXIT.deviceError);
  }
  if (process.listenerCount('SIGPIPE') > 0) process.emit('SIGPIPE', 'SIGPIPE');
  else process.exit(EXIT.ok);
}

/** One command line from parsing to its exit code; nothing of it is left behind in this process. */
export async function runCommandLine(
  argv: readonly string[],
  { streams, style, env }: Surroundings,
): Promise<ExitCode> {
  // Before parsing: an error of the command line itself is already told in the form that was asked for.
  const json = argv.includes('--json') || argv.includes('-J');
  const output: Output = json ? new JsonOutput(streams) : new TextOutput(streams, style);
  try {
    const call = parseCommandLine(argv, { groups: COMMAND_GROUPS, version: packageVersion(), writeOut: streams.out });
    if (typeof call === 'number') return call;
    const context: Context = { output, style, env, socketOption: call.socket, groups: COMMAND_GROUPS };
    return await call.command.run(context, call.options, call.args);
  } catch (error) {
    const failure = toFailure(error);
    output.failure(failure);
    return failure.exitCode;
  }
}
