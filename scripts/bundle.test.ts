/** What a bundled module takes its own place for, and what it starts. The bundle itself is what every process test runs. */
import path from 'node:path';
import { expect, it } from 'vitest';
import { withUrlsOf } from './bundle.mjs';
import { ROOT } from './project.mjs';

const module = path.join(ROOT, 'packages', 'kernel', 'dist', 'daemon', 'worker-device.js');
const own = "new URL('../../../../kernel/dist/daemon/worker-device.js', import.meta.url).href";

it('a-module-finds-its-files', () => {
  expect(withUrlsOf(module, "createRequire(import.meta.url)('../package.json');")).toBe(
    `createRequire(${own})('../package.json');`,
  );
  expect(withUrlsOf(module, "new URL('./table.json', import.meta.url)")).toBe(`new URL('./table.json', ${own})`);
});

it('bundled-programs-start-each-other', () => {
  expect(withUrlsOf(module, "new Worker(new URL('./silicon-worker.js', import.meta.url), {});")).toBe(
    "new Worker(new URL('./silicon-worker.cjs', import.meta.url), {});",
  );
  expect(withUrlsOf(module, "new URL('./other-worker.js', import.meta.url)")).toContain(own);
});
