/** Every cause of failure the table lists is provoked by a test, or is said to be out of reach. */
import { expect, it } from 'vitest';
import { coverageOf } from './coverage.js';
import { TESTS } from './tests.js';

const { rows, missing, unknown } = coverageOf(TESTS);

it('each error row has a test', () => {
  expect(rows.length).toBeGreaterThan(200);
  expect(missing.map(({ key, when }) => `${key}: ${when}`)).toEqual([]);
});

it('tests name rows that exist', () => {
  expect(unknown).toEqual([]);
});

it('names are unique and every test belongs to one family', () => {
  const names = TESTS.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
});
