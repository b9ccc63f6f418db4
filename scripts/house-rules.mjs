/**
 * Rules of this house that neither the compiler, the linter nor the import rules can express. Each is data: which files,
 * what to look for, and why. A finding is printed as file:line with the reason.
 *
 *   node scripts/house-rules.mjs
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { LAYERS, ON_DEMAND } from './layers.mjs';
import { listFiles, listPackages, ROOT, readJson } from './project.mjs';

/**
 * @typedef {{ line: number, what: string }} Hit
 * @typedef {{ file: string, text: string, code: () => Code }} Source
 * @typedef {{ name: string, why: string, files: RegExp, except?: RegExp, find: (source: Source) => Hit[] }} Rule
 */

const CODE = /\.[cm]?[jt]s$/;
const PACKAGE_CODE = /^packages\/.*\.ts$/;
/** Where time is made, where it is real for the user, and where it is measured. */
const TIMED =
  /\.test\.ts$|^packages\/(cli|web|testkit|conformance|bench|examples)\/|^packages\/(base\/src\/clock|kernel\/src\/daemon\/main)\.ts$/;
const TEXT = /\.([cm]?[jt]sx?|jsonc?|md|ya?ml|c|h|sh|txt|html|css|svg)$|(^|\/)(\.[^/]+|Makefile|run)$/;
const MAX_LINES = 600;

/** @type {Rule[]} */
export const RULES = [
  {
    name: 'time-and-chance',
    why: 'time and randomness are handed in (Clock and Prng of @pedrera/base), so that a run can be repeated',
    files: PACKAGE_CODE,
    except: TIMED,
    find: uses(
      'Date.now',
      'new Date()',
      'performance.now',
      'process.hrtime',
      'process.hrtime.bigint',
      'setTimeout',
      'setInterval',
      'Math.random',
      'import node:timers',
      'import node:timers/promises',
      'import node:perf_hooks',
    ),
  },
  {
    name: 'libc',
    why: 'what touches libc or raw memory is in packages/wire/src/*.unsafe.ts, where it is reviewed as such',
    files: CODE,
    except: /^packages\/wire\/src\/[^/]+\.unsafe\.ts$/,
    find: uses('import koffi'),
  },
  {
    name: 'unsafe-place',
    why: 'only wire touches raw memory: no *.unsafe.ts elsewhere',
    files: /\.unsafe\.ts$/,
    except: /^packages\/wire\/src\//,
    find: () => [{ line: 1, what: 'the file itself' }],
  },
  {
    name: 'output-and-exit',
    why: 'printing and ending the process belong to programs (cli, bench, examples, scripts); the daemon logs through pino',
    files: PACKAGE_CODE,
    except:
      /^packages\/(cli|bench|examples)\/|^packages\/conformance\/src\/main\.ts$|^packages\/kernel\/src\/daemon\/main\.ts$/,
    find: uses('console', 'process.exit', 'process.abort'),
  },
  {
    name: 'file-header',
    why: 'a file starts with a comment that says what it owns and what it must not know',
    files: /\.([cm]?[jt]s|c|h)$/,
    find: ({ text }) =>
      /^(#!.*\n)?\s*(\/\*|\/\/)[\s*/]*[^\s*/]/.test(text) ? [] : [{ line: 1, what: 'no header comment' }],
  },
  {
    name: 'file-size',
    why: `a file of more than ${MAX_LINES} lines holds more than one concept`,
    files: /\.([cm]?[jt]s|c|h)$/,
    except: /\.generated\./,
    find: ({ text }) => {
      const lines = text.split('\n').length - 1;
      return lines > MAX_LINES ? [{ line: MAX_LINES + 1, what: `${lines} lines` }] : [];
    },
  },
  {
    name: 'machine-paths',
    why: 'a path of one machine means nothing on another',
    files: TEXT,
    find: matches(/(?<![\w.$}*)-])\/(work|tmp|root|home|Users)\/[\w.-]+/),
  },
  {
    name: 'registry-hosts',
    why: "which package registry to use is the user's setting",
    files: TEXT,
    find: matches(
      /https?:\/\/[^\s/'"]*(registry|npmmirror|artifactory)[^\s'"]*|^\s*(tarball|registry): *["']?https?:.*/,
    ),
  },
  {
    name: 'unfinished',
    why: 'what is missing is said in the documentation or fails with an errno, it is not left to a remark',
    files: CODE,
    find: matches(/\b(TODO|FIXME|XXX)\b/), // house-rules: allow unfinished, this is the rule
  },
];

/** Everything a file uses of the global scope and of other modules, with the line of each use. */
class Code {
  /** @type {{ name: string, line: number }[]} */
  uses = [];

  /** @param {string} file @param {string} text */
  constructor(file, text) {
    this.tree = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, false);
    this.#visit(this.tree, undefined);
  }

  /** @param {ts.Node} node @param {ts.Node | undefined} parent */
  #visit(node, parent) {
    const name = nameOfUse(node, parent);
    if (name !== null) {
      const { line } = this.tree.getLineAndCharacterOfPosition(node.getStart(this.tree));
      this.uses.push({ name, line: line + 1 });
    }
    ts.forEachChild(node, (child) => this.#visit(child, node));
  }
}

/**
 * `Date.now`, `setTimeout`, `new Date()` without an argument, `import node:fs` (static, dynamic, require, or re-export).
 *
 * @param {ts.Node} node
 * @param {ts.Node | undefined} parent
 * @returns {string | null}
 */
function nameOfUse(node, parent) {
  if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier !== undefined) {
    return ts.isStringLiteral(node.moduleSpecifier) ? importName(node.moduleSpecifier.text) : null;
  }
  if (ts.isCallExpression(node)) {
    const [argument] = node.arguments;
    return isLoader(node.expression) && argument !== undefined && ts.isStringLiteral(argument)
      ? importName(argument.text)
      : null;
  }
  if (ts.isNewExpression(node)) {
    const isDate = ts.isIdentifier(node.expression) && node.expression.text === 'Date';
    return isDate && (node.arguments?.length ?? 0) === 0 ? 'new Date()' : null;
  }
  if (ts.isPropertyAccessExpression(node)) return dottedName(node);
  if (ts.isIdentifier(node)) return isNameOfSomethingElse(node, parent) ? null : node.text;
  return null;
}

/** `import(...)`, `require(...)`, `createRequire(...)(...)`. @param {ts.Expression} callee */
function isLoader(callee) {
  if (callee.kind === ts.SyntaxKind.ImportKeyword) return true;
  if (ts.isIdentifier(callee)) return callee.text === 'require';
  return (
    ts.isCallExpression(callee) && ts.isIdentifier(callee.expression) && callee.expression.text === 'createRequire'
  );
}

/** @param {string} specifier */
function importName(specifier) {
  const builtIn = ['timers', 'timers/promises', 'perf_hooks'].includes(specifier);
  return `import ${builtIn ? 'node:' : ''}${specifier}`;
}

/** @param {ts.Expression} node @returns {string | null} `a.b.c`, without a leading `globalThis.` */
function dottedName(node) {
  if (ts.isIdentifier(node)) return node.text;
  if (!ts.isPropertyAccessExpression(node)) return null;
  const left = dottedName(node.expression);
  if (left === null) return null;
  return left === 'globalThis' ? node.name.text : `${left}.${node.name.text}`;
}

/**
 * Whether an identifier only names a member, a parameter, a variable or a label: `clock.setTimeout`, `{ console: 1 }`.
 *
 * @param {ts.Identifier} node
 * @param {ts.Node | undefined} parent
 */
function isNameOfSomethingElse(node, parent) {
  if (parent === undefined) return false;
  if (ts.isPropertyAccessExpression(parent)) return parent.name === node;
  return 'name' in parent && parent.name === node && !ts.isShorthandPropertyAssignment(parent);
}

/** @param {string[]} names @returns {Rule['find']} */
function uses(...names) {
  const wanted = new Set(names);
  return ({ code }) =>
    code()
      .uses.filter(({ name }) => wanted.has(name))
      .map(({ name, line }) => ({ line, what: name }));
}

/** @param {RegExp} pattern @returns {Rule['find']} */
function matches(pattern) {
  return ({ text }) =>
    text.split('\n').flatMap((line, index) => {
      const match = pattern.exec(line);
      return match === null ? [] : [{ line: index + 1, what: match[0].trim() }];
    });
}

/**
 * A line may excuse itself from a rule with `house-rules: allow <rule>, <why>`, on the line or the one above.
 *
 * @param {string[]} lines
 * @param {Hit} hit
 * @param {string} rule
 */
function isExcused(lines, hit, rule) {
  const excuse = new RegExp(`house-rules: allow ${rule}, \\S`);
  return [lines[hit.line - 1], lines[hit.line - 2]].some((line) => line !== undefined && excuse.test(line));
}

/**
 * @param {string} file relative to the root, with forward slashes
 * @param {string} text
 * @returns {string[]} findings as `file:line: what (rule: why)`
 */
export function checkText(file, text) {
  /** @type {Code | undefined} */
  let parsed;
  const code = () => {
    parsed ??= new Code(file, text);
    return parsed;
  };
  const lines = text.split('\n');
  return RULES.filter(({ files, except }) => files.test(file) && !except?.test(file)).flatMap((rule) =>
    rule
      .find({ file, text, code })
      .filter((hit) => !isExcused(lines, hit, rule.name))
      .map(({ line, what }) => `${file}:${line}: ${what} (${rule.name}: ${rule.why})`),
  );
}

const DEPENDENCY_FIELDS = /** @type {const} */ ([
  'dependencies',
  'devDependencies',
  'peerDependencies',
  'optionalDependencies',
]);

/**
 * @param {string} file
 * @param {import('./project.mjs').Manifest} manifest
 */
export function checkVersions(file, manifest) {
  return DEPENDENCY_FIELDS.flatMap((field) =>
    Object.entries(manifest[field] ?? {})
      .filter(([, version]) => version !== 'workspace:*' && !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))
      .map(
        ([name, version]) => `${file}:1: ${name} ${version} (exact-versions: an update is a decision, not an accident)`,
      ),
  );
}

/**
 * A package's manifest, its TypeScript references and the table of layers say the same.
 *
 * @param {string} dir
 * @param {import('./project.mjs').Manifest} manifest
 * @param {string[]} references directory names in tsconfig.json
 */
export function checkLayers(dir, manifest, references) {
  const why = 'layers: scripts/layers.mjs, package.json and tsconfig.json name the same packages';
  const inManifest = DEPENDENCY_FIELDS.flatMap((field) => Object.keys(manifest[field] ?? {}))
    .filter((name) => name.startsWith('@pedrera/'))
    .map((name) => name.slice('@pedrera/'.length));
  const allowed = [...(LAYERS[dir] ?? []), ...ON_DEMAND.filter(({ from }) => from === dir).map(({ to }) => to)];
  const manifestFile = `packages/${dir}/package.json`;
  const configFile = `packages/${dir}/tsconfig.json`;
  return [
    ...(dir in LAYERS ? [] : [`${manifestFile}:1: ${dir} has no layer (${why})`]),
    ...inManifest
      .filter((name) => !allowed.includes(name))
      .map((name) => `${manifestFile}:1: depends on ${name}, which its layer does not allow (${why})`),
    ...inManifest
      .filter((name) => !references.includes(name))
      .map((name) => `${configFile}:1: no reference to ${name}, a dependency (${why})`),
    ...references
      .filter((name) => !inManifest.includes(name))
      .map((name) => `${configFile}:1: a reference to ${name}, no dependency (${why})`),
  ];
}

/** @param {string} root @returns {string[]} */
function checkProject(root) {
  const files = listFiles(root).filter((file) => TEXT.test(file));
  return [
    ...files.flatMap((file) => checkText(file, readFileSync(path.join(root, file), 'utf8'))),
    ...checkVersions('package.json', readJson(path.join(root, 'package.json'))),
    ...listPackages(root).flatMap(({ dir, manifest }) => [
      ...checkVersions(`packages/${dir}/package.json`, manifest),
      ...checkLayers(dir, manifest, tsReferences(root, dir)),
    ]),
  ];
}

/** @param {string} root @param {string} dir @returns {string[]} */
function tsReferences(root, dir) {
  const { config } = ts.readConfigFile(path.join(root, 'packages', dir, 'tsconfig.json'), ts.sys.readFile);
  /** @type {{ path: string }[]} */
  const references = config?.references ?? [];
  return references.map((reference) => path.basename(reference.path));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const findings = checkProject(ROOT);
  for (const finding of findings) console.error(finding);
  if (findings.length > 0) process.exit(1);
}
