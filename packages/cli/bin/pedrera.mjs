#!/usr/bin/env node
// The `pedrera` command as the shell sees it. It only finds the built program; the work begins in src/main.ts.
import { existsSync } from 'node:fs';

const main = new URL('../dist/main.js', import.meta.url);
if (existsSync(main)) {
  const { runMain } = await import(main.href);
  await runMain();
} else {
  console.error('pedrera: not built yet: run `npm run setup` in the checkout first');
  process.exitCode = 1;
}
