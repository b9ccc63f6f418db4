// How the files of a bundle are loaded (docs/decisions/0010-start-up.md): from what V8 compiled them to when the bundle was
// made (scripts/bundle.mjs), since compiling takes longer than what most commands do. V8 compiles the text if there is no
// such cache, or one of another version of V8, of other flags, or damaged. Nothing is written here.
'use strict';
const { readFileSync } = require('node:fs');
const path = require('node:path');
const v8 = require('node:v8');
const vm = require('node:vm');

/** By file. @type {Map<string, { exports: unknown }>} */
const modules = new Map();
/** By file, for who makes the caches. @type {Map<string, import('node:vm').Script>} */
const scripts = new Map();

/** @param {string} file */
function cacheOf(file) {
  try {
    return readFileSync(`${file}.cache`);
  } catch {
    return undefined;
  }
}

/** @param {string} file @returns {(...surroundings: unknown[]) => void} */
function compile(file) {
  const code = `(function (exports, require, module, __filename, __dirname) {\n${readFileSync(file, 'utf8')}\n})`;
  // V8 trusts a cache's content unless told otherwise. Only for this: Node's own caches are made without checksums.
  v8.setFlagsFromString('--verify-snapshot-checksum');
  const script = new vm.Script(code, {
    // Without the directory: the name is part of the cache, and a checkout may move.
    filename: path.basename(file),
    lineOffset: -1,
    cachedData: cacheOf(file),
    importModuleDynamically: vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  v8.setFlagsFromString('--no-verify-snapshot-checksum');
  scripts.set(file, script);
  return script.runInThisContext();
}

/**
 * The require() of an entry, which Node itself has loaded, and of whatever it loads in turn.
 *
 * @param {{ filename: string, exports: unknown }} entry
 */
function requireFor(entry) {
  const dir = path.dirname(entry.filename);
  Error.prepareStackTrace = (error, frames) => require('./source-lines.cjs').stackOf(dir, error, frames);
  modules.set(entry.filename, entry);
  /** @param {string} name @returns {unknown} */
  function requireBundled(name) {
    if (!name.startsWith('./')) return require(name);
    const file = path.join(dir, name);
    const loaded = modules.get(file);
    if (loaded !== undefined) return loaded.exports;
    const module = { exports: {} };
    modules.set(file, module);
    compile(file).call(module.exports, module.exports, requireBundled, module, file, dir);
    return module.exports;
  }
  return requireBundled;
}

/** What V8 has compiled so far of each file that was loaded. @returns {[file: string, cache: Buffer][]} */
function codeCaches() {
  v8.setFlagsFromString('--verify-snapshot-checksum');
  const caches = [...scripts].map(([file, script]) => [file, script.createCachedData()]);
  v8.setFlagsFromString('--no-verify-snapshot-checksum');
  return /** @type {[string, Buffer][]} */ (caches);
}

module.exports = { requireFor, codeCaches };
