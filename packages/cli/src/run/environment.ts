/**
 * The variables that a program finds its devices by.
 *
 * Owns: their names and values. Must not know how a program is started.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { SHIM_LIBRARY } from '@pedrera/shim';
import type { Context } from '../command.js';
import { deviceError, EXIT, type ExitCode } from '../exit.js';
import { socketPathOf } from '../session.js';

/** The file that the library makes when it is in a program. */
export const MARK_VARIABLE = 'PEDRERA_SHIM_MARK';

export interface ShimOptions {
  readonly socketPath: string;
  readonly debugfs: boolean;
  /** Other libraries to be preloaded, from the environment. */
  readonly preload: string | undefined;
}

/** Throws when the library was not built. */
export function shimVariables({ socketPath, debugfs, preload }: ShimOptions): Record<string, string> {
  if (!existsSync(SHIM_LIBRARY)) {
    throw deviceError(
      `the preload library is not there: ${SHIM_LIBRARY}`,
      'it is built with the machine’s C compiler: install one (cc), then `npm run setup`',
    );
  }
  return {
    LD_PRELOAD: preload === undefined || preload === '' ? SHIM_LIBRARY : `${SHIM_LIBRARY}:${preload}`,
    PEDRERA_SOCKET: path.resolve(socketPath),
    ...(debugfs ? { PEDRERA_SHIM_DEBUGFS: '1' } : {}),
  };
}

export function printEnvironment(context: Context, debugfs: boolean): ExitCode {
  const variables = shimVariables({
    socketPath: socketPathOf(context),
    debugfs,
    preload: context.env.LD_PRELOAD,
  });
  context.output.result({ schema: 'pedrera.env/1', variables }, (document) =>
    Object.entries(document.variables)
      .map(([name, value]) => `${name}=${value}`)
      .join('\n'),
  );
  return EXIT.ok;
}
