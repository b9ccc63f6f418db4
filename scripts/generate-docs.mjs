/**
 * Writes the documents that are rendered from code. Generated files are committed, so that they can be read without a
 * build; the check fails when one is stale. Needs built packages.
 *
 *   node scripts/generate-docs.mjs [--check]
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import {
  renderCliManual,
  renderCliMarkdown,
  renderDashboard,
  renderMetricsMarkdown,
  renderSupportMarkdown,
  supportMatrix,
} from '../packages/cli/dist/index.js';
import { renderUapiMarkdown } from '../packages/uapi/dist/index.js';
import { ROOT } from './project.mjs';

const matrix = supportMatrix(testsOf());

/** @type {{ file: string, from: string, render: () => string }[]} */
const DOCUMENTS = [
  { file: 'docs/uapi.md', from: 'packages/uapi', render: () => renderUapiMarkdown(renderSupportMarkdown(matrix)) },
  {
    file: 'docs/support-matrix.json',
    from: 'packages/uapi and packages/hw',
    render: () => `${JSON.stringify(matrix, null, 2)}\n`,
  },
  { file: 'docs/cli.md', from: 'packages/cli', render: renderCliMarkdown },
  { file: 'docs/metrics.md', from: 'packages/cli', render: renderMetricsMarkdown },
  { file: 'docs/grafana-dashboard.json', from: 'packages/cli', render: renderDashboard },
  { file: 'packages/cli/man/pedrera.1', from: 'packages/cli', render: renderCliManual },
];

const { values } = parseArgs({ options: { check: { type: 'boolean' } } });

for (const { file, from, render } of DOCUMENTS) {
  const target = path.join(ROOT, file);
  const text = render();
  if (existsSync(target) && readFileSync(target, 'utf8') === text) continue;
  if (values.check) {
    console.error(`${file} is not what ${from} renders: run npm run docs`);
    process.exitCode = 1;
    continue;
  }
  mkdirSync(path.dirname(target), { recursive: true });
  writeFileSync(target, text);
  console.log(`wrote ${file}`);
}

/**
 * Which test files exercise a row: those of the suites over the public API that name the call, the flag or the packet.
 *
 * @returns {(row: { kind: string, name: string }) => string[]}
 */
function testsOf() {
  const files = testFiles().map((file) => ({ file, text: readFileSync(path.join(ROOT, file), 'utf8') }));
  return ({ kind, name }) => {
    if (kind === 'queue' || kind === 'engine') return [];
    const named = new RegExp(`\\b${name.replace('.', '\\.')}\\b`);
    return files.filter(({ text }) => named.test(text)).map(({ file }) => file);
  };
}

/** @returns {string[]} */
function testFiles() {
  const suites = ['conformance', 'testkit', 'kernel'].map((name) => path.join(ROOT, 'packages', name, 'src'));
  return suites
    .filter((directory) => existsSync(directory))
    .flatMap((directory) =>
      readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((file) => path.join(directory, file)),
    )
    .filter((file) => /\.(conf|test)\.ts$/.test(file))
    .map((file) => path.relative(ROOT, file))
    .sort();
}
