/** Paths as people type them. Owns the rule that a relative one begins at /sys, and what to do about a refusal; what lies there the daemon knows. */
import { type ErrnoCode, HlError } from '@pedrera/base';
import { CliError, EXIT } from '../exit.js';

export function absolutePath(path: string): string {
  return path.startsWith('/') ? path : `/sys/${path}`;
}

const HINTS: Partial<Record<ErrnoCode, (path: string) => string>> = {
  ENOENT: (path) => `see what there is: pedrera ls ${parentOf(path)}`,
  ENOTDIR: (path) => `see what there is: pedrera ls ${parentOf(path)}`,
  EISDIR: (path) => `see what is in it: pedrera ls ${path}`,
  ENODEV: () => 'see how the device is: pedrera status',
};

/** Asks for a file; a refusal says what to do. */
export async function onFile<T>(path: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    const hint = error instanceof HlError ? HINTS[error.code]?.(path) : undefined;
    if (!(error instanceof HlError) || hint === undefined) throw error;
    throw new CliError({ exitCode: EXIT.deviceError, code: error.code, message: error.message, hint });
  }
}

function parentOf(path: string): string {
  return path.replace(/\/+[^/]*\/*$/, '') || '/sys';
}
