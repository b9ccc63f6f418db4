/**
 * The files of the page, read once.
 *
 * Owns: which files there are and as what they are handed out. A request chooses among them by name; it never becomes a path.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { PAGE_FILES, PAGE_SCRIPTS } from '@pedrera/web';
import { deviceError } from '../exit.js';

export interface PageFile {
  readonly type: string;
  readonly body: Buffer;
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.js': 'text/javascript; charset=utf-8',
};

export const INDEX = 'index.html';

/** By their names in the address: `index.html`, `page.css`, `main.js`. */
export function pageFiles(): ReadonlyMap<string, PageFile> {
  const files = new Map([...filesIn(PAGE_FILES, /\.(html|css|svg)$/), ...filesIn(PAGE_SCRIPTS, /^[a-z-]+\.js$/)]);
  if (!files.has(INDEX) || !files.has('main.js')) {
    throw deviceError(
      `the page is not built: ${fileURLToPath(PAGE_SCRIPTS)} has no main.js`,
      'build it with: npm run setup',
    );
  }
  return files;
}

function filesIn(directory: URL, wanted: RegExp): [string, PageFile][] {
  const place = fileURLToPath(directory);
  let names: string[];
  try {
    names = readdirSync(place);
  } catch {
    return [];
  }
  return names
    .filter((name) => wanted.test(name))
    .map((name) => [
      name,
      { type: TYPES[path.extname(name)] ?? 'application/octet-stream', body: readFileSync(path.join(place, name)) },
    ]);
}
