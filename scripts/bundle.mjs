/**
 * Puts the `pedrera` command and the thread of a device into a few files each, so that starting them does not mean finding,
 * reading and linking some 250 modules (docs/decisions/0010-start-up.md). Reads what tsc has built; bin/pedrera.cjs of the
 * cli package decides whether a bundle is as new as that, and runs the modules themselves if it is not.
 *
 *   node scripts/bundle.mjs
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';
import { codeCaches, requireFor } from '../packages/cli/bin/bundled.cjs';
import { listPackages, ROOT } from './project.mjs';

const PACKAGES = path.join(ROOT, 'packages');
const CLI = path.join(PACKAGES, 'cli');
const BUNDLES = path.join(CLI, 'dist', 'bundle');
/** Names the bundle to use and what it was made of. Written last. */
const CURRENT = path.join(BUNDLES, 'bundle.json');

/** What is started as a program or thread of its own. The names are those of the modules. */
const ENTRIES = {
  main: path.join(CLI, 'dist', 'main.js'),
  'silicon-worker': path.join(PACKAGES, 'kernel', 'dist', 'daemon', 'silicon-worker.js'),
};

/** Modules that every program here needs are one file, instead of one for each way they are shared. */
const GROUPS = [
  { name: 'common', test: /[\\/]packages[\\/](base|hw|wire)[\\/]dist[\\/]/ },
  // The entry itself stays small: Node loads it, without a code cache.
  { name: 'commands', test: /[\\/]packages[\\/]cli[\\/]dist[\\/](main\.js$|commands[\\/])/ },
  { name: 'cli', test: /[\\/]packages[\\/]cli[\\/]dist[\\/](text[\\/]|[a-z-]+\.js$)/, minShareCount: 2 },
];

/** A bundle lies this deep in the checkout, whichever it is: paths to modules are relative to it. */
const ANY_BUNDLE = path.join(BUNDLES, 'name');

/** @type {import('rolldown').Plugin} */
const builtModules = {
  name: 'built-modules',
  // With the map tsc made, so that a stack names the line somebody wrote.
  load(id) {
    const map = `${id}.map`;
    if (!id.startsWith(PACKAGES + path.sep) || !existsSync(map)) return null;
    const code = readFileSync(id, 'utf8').replace(/\n\/\/# sourceMappingURL=.*\s*$/, '\n');
    return { code: withUrlsOf(id, code), map: readFileSync(map, 'utf8') };
  },
};

/**
 * A module finds files beside it by its own URL, and has to go on finding them there. Only programs that are bundled
 * themselves are started from the bundle.
 *
 * @param {string} id @param {string} code
 */
export function withUrlsOf(id, code) {
  const own = path.relative(ANY_BUNDLE, id).split(path.sep).join('/');
  return code.replace(/(new URL\('\.\/([a-z-]+)\.js', )?import\.meta\.url/g, (_, start = '', entry = '') =>
    entry in ENTRIES ? `new URL('./${entry}.cjs', import.meta.url` : `${start}new URL('${own}', import.meta.url).href`,
  );
}

/** @param {string} dir */
async function writeBundle(dir) {
  const bundle = await rolldown({
    input: ENTRIES,
    platform: 'node',
    preserveEntrySignatures: 'allow-extension',
    plugins: [builtModules],
  });
  const { output } = await bundle.write({
    dir,
    // require() reads one file after the other; for modules Node goes through promises and a pool of threads.
    format: 'cjs',
    entryFileNames: '[name].cjs',
    chunkFileNames: '[name]-[hash].cjs',
    intro: ({ isEntry }) => (isEntry ? "require = require('../../../bin/bundled.cjs').requireFor(module);" : ''),
    sourcemap: true,
    sourcemapExcludeSources: true,
    // They cost time to skip. Lines stay as they are: Node shows the one an uncaught error comes from.
    comments: false,
    codeSplitting: { groups: GROUPS, includeDependenciesRecursively: false },
  });
  await bundle.close();
  return output.flatMap((file) => (file.type === 'chunk' ? [file] : []));
}

/**
 * What V8 makes of each file, and of those functions in it that run when it is loaded. Caches made after a command has run
 * are worth a little more, but take a daemon to run against.
 *
 * @param {string} dir
 */
function writeCodeCaches(dir) {
  const load = requireFor({ filename: path.join(dir, 'main.cjs'), exports: {} });
  const entries = Object.keys(ENTRIES).map((entry) => `${entry}.cjs`);
  for (const file of readdirSync(dir)) {
    if (file.endsWith('.cjs') && !entries.includes(file)) load(`./${file}`);
  }
  for (const [file, cache] of codeCaches()) writeFileSync(`${file}.cache`, cache);
}

/**
 * What a bundle may be made of, for bin/pedrera.cjs to compare: tsc rewrites a package's .tsbuildinfo whenever it writes
 * anything else, and the lock file says which dependencies there are.
 */
function sources() {
  const packages = listPackages(ROOT).map(({ dir }) => ({
    within: path.join(PACKAGES, dir, 'dist') + path.sep,
    file: path.join(PACKAGES, dir, 'dist', '.tsbuildinfo'),
  }));
  const all = [...packages, { within: '', file: path.join(ROOT, 'pnpm-lock.yaml') }];
  return all.flatMap(({ within, file }) => {
    const stat = statSync(file, { throwIfNoEntry: false });
    if (stat === undefined) return [];
    return [{ within, input: { file: path.relative(CLI, file), size: stat.size, mtimeMs: stat.mtimeMs } }];
  });
}

/** @returns {string | undefined} */
function currentName() {
  try {
    return JSON.parse(readFileSync(CURRENT, 'utf8')).name;
  } catch {
    return undefined;
  }
}

async function main() {
  // Before anything is read: what tsc writes meanwhile is to count as not yet seen.
  const before = sources();
  mkdirSync(BUNDLES, { recursive: true });
  const fresh = path.join(BUNDLES, `new-${process.pid}`);
  const chunks = await writeBundle(fresh);
  writeCodeCaches(fresh);
  for (const entry of Object.keys(ENTRIES)) {
    const started = entry === 'main' || chunks.some(({ code }) => code.includes(`./${entry}.cjs`));
    if (!started) throw new Error(`no module starts './${entry}.js' by its URL: it would run from its modules`);
  }
  const hash = createHash('sha256');
  for (const { fileName, code } of chunks) hash.update(fileName).update(code);
  const name = hash.digest('hex').slice(0, 12);
  const previous = currentName();
  rmSync(path.join(BUNDLES, name), { recursive: true, force: true });
  renameSync(fresh, path.join(BUNDLES, name));
  const modules = chunks.flatMap(({ moduleIds }) => moduleIds);
  const inputs = before.filter(({ within }) => modules.some((id) => id.startsWith(within))).map(({ input }) => input);
  writeFileSync(`${CURRENT}.new`, `${JSON.stringify({ name, inputs }, null, 2)}\n`);
  renameSync(`${CURRENT}.new`, CURRENT);
  // A program that is running may still load parts of the bundle before this one.
  const kept = new Set([name, previous, path.basename(CURRENT)]);
  for (const entry of readdirSync(BUNDLES)) {
    if (!kept.has(entry)) rmSync(path.join(BUNDLES, entry), { recursive: true, force: true });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
