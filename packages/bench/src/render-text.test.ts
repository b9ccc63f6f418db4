/** The table for people. */
import { describe, expect, it } from 'vitest';
import { renderText } from './render-text.js';
import { figure, type Report, type Section } from './report.js';

function report(...benchmarks: Section[]): Report {
  const machine = {
    cpu: 'Abacus',
    cpus: 2,
    memoryBytes: 2 ** 34,
    platform: 'linux x64',
    node: '20.19.0',
    loadBefore: 0.25,
  };
  return { schema: 'pedrera.bench/1', quick: false, seconds: 12.34, machine, benchmarks };
}

const empty = { name: 'some', title: 'Some title', seconds: 1, figures: [], notes: [], skipped: null, error: null };

describe('renderText', () => {
  it('rows-line-up', () => {
    const reference = { name: 'echo', value: 50_000 };
    const text = renderText(
      report({
        ...empty,
        figures: [
          figure({ name: 'p50', unit: 'ns', ours: 75_000, reference, target: { of: 'ratio', atMost: 1.25 } }),
          figure({ name: 'rate of many', unit: '1/s', ours: 1_234_567, target: { of: 'value', atLeast: 1e6 } }),
        ],
        notes: ['A note.'],
      }),
    );
    expect(text.split('\n')).toEqual([
      '2 x Abacus, 16 GiB, linux x64, Node 20.19.0',
      '',
      '  FIGURE            OURS  REFERENCE        RATIO       TARGET',
      '',
      'Some title  [some, 1.00 s]',
      '  p50            75.0 us    50.0 us  echo  1.50x     <= 1.25x  missed',
      '  rate of many  1.23 M/s                          >= 1.00 M/s  met',
      '  - A note.',
      '',
      '1 of 2 targets met in 12.3 s',
    ]);
  });

  it('busy-machine-is-mentioned', () => {
    const calm = report(empty);
    const busy = { ...calm, machine: { ...calm.machine, loadBefore: 1.5 } };
    expect(renderText(calm)).not.toContain('busy');
    expect(renderText(busy).split('\n')[1]).toMatch(/^the machine was busy before the run \(load 1\.50\)/);
  });

  it('failed-benchmark-says-why', () => {
    expect(renderText(report({ ...empty, error: 'no daemon' }))).toContain('  - no figures: no daemon\n');
  });

  it('what-the-machine-lacks', () => {
    const text = renderText(report({ ...empty, skipped: 'no compiler' }));
    expect(text).toContain('  - not measured: no compiler\n');
    expect(text).not.toContain('no figures');
  });

  it('long-notes-wrap', () => {
    const lines = renderText(report({ ...empty, notes: ['word '.repeat(60).trim()] })).split('\n');
    expect(lines.filter((line) => line.includes('word')).length).toBeGreaterThan(1);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(120);
  });
});
