/** The generated header: what the C code is told of calls whose blocks are known by heart (uapi.md 2.6). */
import { describe, expect, it } from 'vitest';
import { renderTables } from './tables.js';

const rows = renderTables().split('\n');
const row = (name: string) => rows.filter((line) => line.startsWith(`  {"${name}", `));

describe('tables', () => {
  it('submission-with-its-chunks-and-their-signals', () => {
    const [cs, ...more] = row('CS');
    expect(more).toEqual([]);
    expect(cs).toContain('"CS", 3, 48, 0, 0, 0');
    // Restore chunks at 0, counted at 24; execute chunks at 8, counted at 28; behind the first of them a list of u64.
    expect(cs).toMatch(/\{PD_ARRAY, 0, 24, 4, 64, \d+, \{36, 4, 1u, 16384u\}\}/);
    expect(cs).toMatch(/\{PD_ARRAY, 8, 28, 4, 64, \d+, .*?\}, \{PD_NESTED, 0, 12, 4, 8, /);
  });

  it('answers-behind-a-pointer', () => {
    expect(row('INFO_HW_IP_INFO')[0]).toMatch(
      /\{\{0\}\}, 0, -1, -1, -1, -1, -1, -1, -1, -1, 0, -1, 0, \{0, 0, 0, 0\}\},$/,
    );
  });

  it('only-waits-are-ended-by-signals', () => {
    const interruptible = rows.filter((line) => line.startsWith('  {"') && /, 1, -?\d+, \d+, \{[^}]*\}\},$/.test(line));
    expect(interruptible.map((line) => /"(\w+)"/.exec(line)?.[1])).toEqual(['WAIT_CS']);
  });

  it('the-completion-ring-answers-plain-waits-only', () => {
    // The number at 0, and flags at 20 that have to be 0.
    expect(row('WAIT_CS')[0]).toMatch(/, -1, 0, 20, 8, -1, -1, 1, 0, 1, \{20, 4, 0u, 6u\}\},$/);
    const others = rows.filter(
      (line) =>
        /^ {2}\{"(?!WAIT_CS")/.test(line) && !/, -1, -1, -1, -?\d+, -?\d+, [01], -1, 0, \{0, 0, 0, 0\}\},$/.test(line),
    );
    expect(others).toEqual([]);
  });

  it('memory-is-named-by-one-call', () => {
    const naming = rows.filter(
      (line) => /^ {2}\{"/.test(line) && !/, -1, -1, [01], -?\d+, \d+, \{[^}]*\}\},$/.test(line),
    );
    expect(naming.map((line) => /"(\w+)"/.exec(line)?.[1])).toEqual(['MEMORY_MAP_HOST']);
  });

  it('the-importer-takes-a-descriptor', () => {
    expect(row('IMPORTER_REG_MR')[0]).toMatch(/, -1, -1, -1, 24, -1, -1, -1, -1, -1, 0, -1, 0, \{0, 0, 0, 0\}\},$/);
  });

  it('variants-come-before-what-remains', () => {
    const names = rows.map((line) => /^ {2}\{"(MEMORY_MAP_\w+)"/.exec(line)?.[1]).filter((name) => name !== undefined);
    expect(names.indexOf('MEMORY_MAP_HOST')).toBeLessThan(names.indexOf('MEMORY_MAP_DEVICE'));
  });
});
