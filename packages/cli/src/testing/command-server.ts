/**
 * For tests: a process that runs one command line after the other as its parent sends them. Starting a process for each would take most
 * of the time of a test of many commands.
 *
 * Owns: what goes over the channel between the two. Must not know: any command.
 */
import { runCommandLine } from '../main.js';
import { makeStyle } from '../text/style.js';

export interface CommandRequest {
  readonly id: number;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Columns of the terminal. */
  readonly width: number;
}

export interface CommandReply {
  readonly id: number;
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

process.on('message', async ({ id, args, env, width }: CommandRequest) => {
  let out = '';
  let err = '';
  const streams = {
    out: (text: string | Uint8Array) => {
      out += Buffer.from(text).toString('utf8');
    },
    err: (text: string) => {
      err += text;
    },
  };
  const code = await runCommandLine(args, { streams, style: makeStyle(width, false), env });
  process.send?.({ id, code, out, err } satisfies CommandReply);
});
