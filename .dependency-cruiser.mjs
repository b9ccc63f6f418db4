/**
 * The import rules, from the table in scripts/layers.mjs. Names of packages resolve to their TypeScript sources, so
 * nothing has to be built, and cycles that span packages are found too.
 */
import { LAYERS, ON_DEMAND, PLATFORM_FREE } from './scripts/layers.mjs';

const packages = Object.keys(LAYERS);
/** @param {string[]} dirs */
const source = (dirs) => `^packages/(${dirs.join('|')})/`;
const testFile = '\\.test\\.ts$';

const layerRules = Object.entries(LAYERS).map(([name, below]) => {
  const allowed = [name, ...below, ...ON_DEMAND.filter(({ from }) => from === name).map(({ to }) => to)];
  return {
    name: `layer-${name}`,
    comment: `${name} may import ${below.join(', ') || 'no other package'} (scripts/layers.mjs).`,
    severity: 'error',
    from: { path: `^packages/${name}/` },
    to: { path: '^packages/', pathNot: source(allowed) },
  };
});

const onDemandRules = ON_DEMAND.flatMap(({ from, file, to, why }) => [
  {
    name: `${to}-only-where-it-is-loaded`,
    comment: `${why} Only ${file} loads it, with a dynamic import.`,
    severity: 'error',
    from: { path: source([from]), pathNot: file },
    to: { path: source([to]) },
  },
  {
    name: `${to}-only-on-demand`,
    comment: `A static import would load ${to} into every command.`,
    severity: 'error',
    from: { path: file },
    to: { path: source([to]), dynamic: false, dependencyTypesNot: ['type-only'] },
  },
]);

/** @satisfies {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    ...layerRules,
    {
      name: 'package-without-layer',
      comment: 'Give every package its line in scripts/layers.mjs.',
      severity: 'error',
      from: { path: '^packages/', pathNot: source(packages) },
      to: {},
    },
    ...onDemandRules,
    {
      name: 'one-door',
      comment: "A package is entered through its src/index.ts alone: import '@pedrera/<name>'.",
      severity: 'error',
      from: { path: '^packages/([^/]+)/' },
      to: { path: '^packages/', pathNot: ['^packages/$1/', '^packages/[^/]+/src/index\\.ts$'] },
    },
    {
      name: 'built-output',
      comment: 'Sources import sources; dist is for Node.',
      severity: 'error',
      from: { path: '^packages/[^/]+/src/' },
      to: { path: '^packages/[^/]+/dist/' },
    },
    {
      name: 'platform-free',
      comment: `${PLATFORM_FREE.join(', ')} know no files, sockets, processes or threads; what they need is handed in.`,
      severity: 'error',
      from: { path: source(PLATFORM_FREE), pathNot: testFile },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'types-only-in-the-browser',
      comment: 'The page is served as it is built: a browser cannot find a package.',
      severity: 'error',
      from: { path: source(['web']), pathNot: testFile },
      to: { path: '^packages/', pathNot: source(['web']), dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'browser-knows-no-node',
      comment: 'web runs in a browser.',
      severity: 'error',
      from: { path: source(['web']), pathNot: testFile },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'tests-are-not-imported',
      comment: 'What two files share belongs into a file of its own.',
      severity: 'error',
      from: {},
      to: { path: testFile },
    },
    {
      name: 'test-tools-only-in-tests',
      severity: 'error',
      from: { path: '^packages/', pathNot: [testFile, source(['testkit', 'conformance'])] },
      to: { path: 'node_modules/(vitest|fast-check)/' },
    },
    {
      name: 'no-cycles',
      comment: 'Two files that need each other are one file, or three.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    { name: 'unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'undeclared-dependency',
      comment: "Declare it in the package's own package.json.",
      severity: 'error',
      from: { path: '^packages/', pathNot: testFile },
      to: { dependencyTypes: ['npm-no-pkg', 'npm-unknown', 'npm-dev'] },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.imports.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: ['node_modules'] },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      mainFields: ['module', 'main', 'types'],
    },
  },
};
