/** A directory of a test's own. Owns: that it is short enough for a socket path, and gone afterwards. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

export interface TempDirectory extends Disposable {
  readonly path: string;
  file(name: string): string;
}

export function tempDirectory(): TempDirectory {
  const directory = mkdtempSync(path.join(tmpdir(), 'pedrera-test-'));
  return {
    path: directory,
    file: (name) => path.join(directory, name),
    [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }),
  };
}
