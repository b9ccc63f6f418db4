/** Where the project's files are, for the scripts beside this one. Knows no rules and starts no programs. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

/** Directories that hold nothing anybody wrote. */
const DERIVED = new Set(['.git', '.cache', 'node_modules', 'dist', 'coverage']);

/**
 * Files below `dir`, as sorted paths relative to `root` with forward slashes.
 *
 * @param {string} root
 * @param {string} [dir] relative to root
 * @param {ReadonlySet<string>} [skip] names of directories to leave out
 * @returns {string[]}
 */
export function listFiles(root, dir = '', skip = DERIVED) {
  /** @type {string[]} */
  const found = [];
  for (const entry of readdirSync(path.join(root, dir), { withFileTypes: true })) {
    const name = dir === '' ? entry.name : `${dir}/${entry.name}`;
    if (entry.isDirectory()) {
      if (!skip.has(entry.name)) found.push(...listFiles(root, name, skip));
    } else if (entry.isFile()) found.push(name);
  }
  return found.sort();
}

/**
 * @typedef {{
 *   name?: string,
 *   engines?: Record<string, string>,
 *   dependencies?: Record<string, string>,
 *   devDependencies?: Record<string, string>,
 *   peerDependencies?: Record<string, string>,
 *   optionalDependencies?: Record<string, string>,
 * }} Manifest
 */

/**
 * @param {string} file
 * @returns {any}
 */
export function readJson(file) {
  return JSON.parse(readFileSync(file, 'utf8'));
}

/**
 * The workspace's packages: their directory names and manifests.
 *
 * @param {string} root
 * @returns {{ dir: string, manifest: Manifest }[]}
 */
export function listPackages(root) {
  return readdirSync(path.join(root, 'packages'), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort()
    .flatMap((dir) => {
      try {
        return [
          { dir, manifest: /** @type {Manifest} */ (readJson(path.join(root, 'packages', dir, 'package.json'))) },
        ];
      } catch (error) {
        // A directory without a manifest is a leftover of another branch's build, not a package.
        if (/** @type {NodeJS.ErrnoException} */ (error).code === 'ENOENT') return [];
        throw error;
      }
    });
}
