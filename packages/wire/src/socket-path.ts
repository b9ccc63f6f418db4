/**
 * Where the daemon's socket is, when nobody says.
 *
 * Owns: the order of the places, and the checks of a directory in a place that others can write to.
 * Must not know: what is done with the path.
 */

import { lstatSync, mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { errno } from '@pedrera/base';

/** `$PEDRERA_SOCKET`, else `$XDG_RUNTIME_DIR/pedrera.sock`, else `pedrera-<uid>/pedrera.sock` in the directory for temporary files. */
export function defaultSocketPath(env: Readonly<Record<string, string | undefined>> = process.env): string {
  if (env.PEDRERA_SOCKET) return env.PEDRERA_SOCKET;
  if (env.XDG_RUNTIME_DIR) return join(env.XDG_RUNTIME_DIR, 'pedrera.sock');
  return join(tmpdir(), `pedrera-${uid()}`, 'pedrera.sock');
}

/**
 * Makes the directory of the socket if it is the one this user has in the directory for temporary files, and refuses it
 * if it is not safely ours: whoever owns it could put a daemon of his own there. Other directories are the user's choice and left alone.
 * A client calls it with `create: false`. Throws HlError EACCES or ENOTDIR.
 */
export function prepareSocketDirectory(path: string, options: { readonly create: boolean }): void {
  const directory = dirname(path);
  if (directory !== join(tmpdir(), `pedrera-${uid()}`)) return;
  if (options.create) mkdirSync(directory, { recursive: true, mode: 0o700 });
  const found = lstatSync(directory, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isDirectory()) throw errno('ENOTDIR', `${directory} is not a directory; remove it, or set PEDRERA_SOCKET`);
  if (found.uid !== uid() || (found.mode & 0o077) !== 0) {
    throw errno(
      'EACCES',
      `${directory} belongs to user ${found.uid} with mode ${(found.mode & 0o777).toString(8)}; it must be yours with mode 700. Set PEDRERA_SOCKET to a path elsewhere`,
    );
  }
}

function uid(): number {
  return process.getuid?.() ?? 0;
}
