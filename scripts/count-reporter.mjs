/**
 * Vitest reporter that ends a run with one plain line, `12 passed, 0 failed`, for machines and for hurried people.
 * It counts; what failed and why is the default reporter's business.
 */

/**
 * @param {readonly import('vitest/node').TestModule[]} modules
 * @param {number} strayErrors errors that belong to no test
 */
export function countTests(modules, strayErrors) {
  const counts = { passed: 0, failed: strayErrors, skipped: 0 };
  for (const module of modules) {
    for (const test of module.children.allTests()) {
      const { state } = test.result();
      if (state === 'passed') counts.passed += 1;
      else if (state === 'failed') counts.failed += 1;
      else counts.skipped += 1;
    }
    // A file that does not load or a hook that throws is a failure although no test of it failed.
    for (const suite of [module, ...module.children.allSuites()]) {
      if (suite.errors().length > 0) counts.failed += 1;
    }
  }
  return counts;
}

export default class CountReporter {
  #line = '';

  /**
   * @param {readonly import('vitest/node').TestModule[]} modules
   * @param {readonly unknown[]} strayErrors
   */
  onTestRunEnd(modules, strayErrors) {
    const { passed, failed, skipped } = countTests(modules, strayErrors.length);
    const skippedLine = skipped === 0 ? '' : `${skipped} skipped\n`;
    const first = this.#line === '';
    this.#line = `${skippedLine}${passed} passed, ${failed} failed\n`;
    // At exit, because other reporters still write when the run has ended.
    if (first) process.once('exit', () => process.stdout.write(this.#line));
  }
}
