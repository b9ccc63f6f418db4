/** The built `pedrera` command, run as a user runs it. */

import { CLI_PATH } from '@pedrera/cli';
import { TestProcess } from '../../test-process.js';

export interface CliResult {
  readonly exitCode: number;
  readonly out: string;
  readonly err: string;
}

/** Runs `pedrera <args>` to its end. `socketPath` reaches it as PEDRERA_SOCKET. */
export async function runCli(socketPath: string, ...args: string[]): Promise<CliResult> {
  const child = new TestProcess(CLI_PATH, { args, env: { PEDRERA_SOCKET: socketPath, NO_COLOR: '1' } });
  const { out, err, ending } = await child.finished();
  return { exitCode: Number(ending), out, err };
}
