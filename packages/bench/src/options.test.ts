/** What the command line may say. */
import { describe, expect, it } from 'vitest';
import { parseOptions, UsageError, usage } from './options.js';

const names = ['one', 'two'];

describe('parseOptions', () => {
  it('nothing-given', () => {
    expect(parseOptions([], names)).toEqual({ json: false, quick: false, help: false, only: [] });
  });

  it('everything-given', () => {
    expect(parseOptions(['--json', '--quick', '--only', 'two', '--only=one'], names)).toEqual({
      json: true,
      quick: true,
      help: false,
      only: ['two', 'one'],
    });
  });

  it('wrong-options', () => {
    for (const args of [['--only', 'three'], ['--only'], ['--fast'], ['one']]) {
      expect(() => parseOptions(args, names)).toThrow(UsageError);
    }
  });
});

describe('usage', () => {
  it('names-every-benchmark', () => {
    const benchmarks = names.map((name) => ({ name, title: `About ${name}` }));
    for (const { name, title } of benchmarks) expect(usage(benchmarks)).toContain(`${name}  ${title}`);
  });
});
