/** The report for people. */
import { expect, it } from 'vitest';
import type { ConformanceTest } from './framework/conformance-test.js';
import type { Result } from './framework/run.js';
import type { Mode } from './framework/transport.js';
import { renderText } from './report.js';

function result(name: string, mode: Mode, more: Partial<Result> = {}): Result {
  const test = { name, family: 'cb' } as ConformanceTest;
  return { test, mode, policy: 'exclusive', error: undefined, notApplicable: undefined, ...more };
}

const NO_ROWS = { rows: [], missing: [], unknown: [] };

it('what-does-not-apply-is-counted-and-named-with-its-reason', () => {
  const ownCall = (call: string) => ({ notApplicable: `needs a call of this project’s own: ${call}` });
  const results = [
    result('cb@one', 'sockets'),
    result('cb@two', 'sockets', { error: new Error('no') }),
    result('cb@one', 'shim', ownCall('MMAP')),
    result('cb@one', 'shim', { policy: 'shared', ...ownCall('MMAP') }),
    result('cb@two', 'shim', ownCall('HOST_ALLOC')),
    result('cb@three', 'shim'),
  ];
  expect(renderText({ results, coverage: NO_ROWS }).split('\n')).toEqual([
    'family           tests    passed    failed  not applicable  errno rows',
    'cb                   6         2         1               3         0/0',
    'all                  6         2         1               3         0/0',
    '',
    'mode             tests    passed    failed  not applicable',
    'sockets              2         1         1               0',
    'shim                 4         1         0               3',
    '',
    'do not apply, by mode and reason:',
    '  shim: cb@one, cb@two: needs a call of this project’s own',
  ]);
});
