/**
 * The file the demo moves. Owns the checks before anything is started, and the hash everything is compared with.
 */
import { createHash } from 'node:crypto';
import { accessSync, constants, createReadStream, existsSync, type Stats, statSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { deviceError, usageError } from '../exit.js';
import { formatSize } from '../text/units.js';

export interface DemoFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

/** A picture of a quarry, which is what "pedrera" means. Part of the checkout, see scripts/make-demo-data.mjs. */
const DEFAULT_FILE = fileURLToPath(new URL('../../../../docs/demo/quarry.png', import.meta.url));
const HASH_READ_BYTES = 4 * 1024 * 1024;

/** Throws a usage error that says why a file cannot be moved. */
export function examineFile(named: string | undefined, maxBytes: number): DemoFile {
  const file = named ?? DEFAULT_FILE;
  if (named === undefined && !existsSync(file)) {
    throw usageError('the file the demo moves by default is only in a checkout', 'name a file: pedrera demo FILE');
  }
  const { size, mtimeMs } = readableFile(file);
  if (size === 0) throw usageError(`${file} is empty: there is nothing to move`);
  if (size > maxBytes) {
    throw usageError(`${file} is ${formatSize(size)}; the memory of a device holds ${formatSize(maxBytes)}`);
  }
  return { path: path.resolve(file), sizeBytes: size, modifiedMs: mtimeMs };
}

function readableFile(file: string): Stats {
  let stats: Stats;
  try {
    stats = statSync(file);
    if (stats.isFile()) accessSync(file, constants.R_OK);
  } catch (error) {
    throw usageError(`cannot read ${file}: ${reason((error as NodeJS.ErrnoException).code)}`);
  }
  if (stats.isDirectory()) throw usageError(`${file} is a directory; name a file`);
  if (!stats.isFile()) throw usageError(`${file} is no regular file`);
  return stats;
}

function reason(code: string | undefined): string {
  switch (code) {
    case 'ENOENT':
      return 'there is no such file';
    case 'EACCES':
    case 'EPERM':
      return 'permission denied';
    case 'ENOTDIR':
      return 'a part of its path is not a directory';
    case 'ELOOP':
      return 'its symbolic links go round in a circle';
    case 'ENAMETOOLONG':
      return 'its name is too long';
    default:
      return code ?? 'unknown error';
  }
}

/** SHA-256 of the file as it is on the disk, read independently of the processes that moved it. */
export async function hashFile(file: DemoFile): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file.path, { highWaterMark: HASH_READ_BYTES }))
    hash.update(chunk as Buffer);
  const { size, mtimeMs } = statSync(file.path);
  if (size !== file.sizeBytes || mtimeMs !== file.modifiedMs) {
    throw deviceError(`${file.path} changed while it was moved; the copies cannot be compared with it`);
  }
  return hash.digest('hex');
}
