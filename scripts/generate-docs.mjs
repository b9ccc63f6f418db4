/**
 * Writes the documents that are rendered from code. Generated files are committed, so that they can be read without a
 * build; the check fails when one is stale. Needs built packages.
 *
 *   node scripts/generate-docs.mjs [--check]
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { renderCliMarkdown } from '../packages/cli/dist/index.js';
import { renderUapiMarkdown } from '../packages/uapi/dist/index.js';
import { ROOT } from './project.mjs';

/** @type {{ file: string, from: string, render: () => string }[]} */
const DOCUMENTS = [
  { file: 'docs/uapi.md', from: 'packages/uapi', render: renderUapiMarkdown },
  { file: 'docs/cli.md', from: 'packages/cli', render: renderCliMarkdown },
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
