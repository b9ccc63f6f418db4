#!/usr/bin/env node
// The `pedrera` command as the shell sees it. It only finds the built program; the work begins in src/main.ts. The bundle
// of scripts/bundle.mjs starts faster and is used if it is as new as the modules it was made of.
'use strict';
const { existsSync, readFileSync, statSync } = require('node:fs');
const path = require('node:path');

const PACKAGE = path.dirname(__dirname);

/** The bundle's main file; undefined if there is none, or tsc has built something since. */
function freshBundle() {
  const bundles = path.join(PACKAGE, 'dist', 'bundle');
  try {
    const { name, inputs } = JSON.parse(readFileSync(path.join(bundles, 'bundle.json'), 'utf8'));
    const same = inputs.every(({ file, size, mtimeMs }) => {
      const now = statSync(path.join(PACKAGE, file));
      return now.size === size && now.mtimeMs === mtimeMs;
    });
    return same ? path.join(bundles, name, 'main.cjs') : undefined;
  } catch {
    return undefined;
  }
}

const bundle = freshBundle();
const modules = path.join(PACKAGE, 'dist', 'main.js');
if (bundle !== undefined) {
  require(bundle).runMain();
} else if (existsSync(modules)) {
  void import(modules).then(({ runMain }) => runMain());
} else {
  console.error('pedrera: not built yet: run `npm run setup` in the checkout first');
  process.exitCode = 1;
}
