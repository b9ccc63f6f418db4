/** Columns, wrapping, and what a terminal can show. */
import { describe, expect, it } from 'vitest';
import { makeStyle, printable, styleOf } from './style.js';
import { type Column, drawTable, tableLines, wrap } from './table.js';

const COLUMNS: readonly Column<[string, number]>[] = [
  { title: 'NAME', shrink: true, value: ([name]) => name },
  { title: 'N', align: 'right', value: ([, n]) => String(n) },
];

describe('tableLines', () => {
  it('aligns columns and ends no line in spaces', () => {
    const rows: [string, number][] = [
      ['a', 1],
      ['longer', 1000],
    ];
    expect(tableLines(rows, COLUMNS, 80)).toEqual(['NAME       N', 'a          1', 'longer  1000']);
  });

  it('cuts a column that may be cut, and only when there is no room', () => {
    const rows: [string, number][] = [['x'.repeat(100), 7]];
    const lines = tableLines(rows, COLUMNS, 80);
    expect(lines.map((line) => line.length)).toEqual([80, 80]);
    expect(lines[1]).toBe(`${'x'.repeat(76)}…  7`);
    expect(tableLines(rows, COLUMNS, 200)[1]).toBe(`${'x'.repeat(100)}  7`);
  });

  it('without rows there are titles', () => {
    expect(tableLines([], COLUMNS, 80)).toEqual(['NAME  N']);
  });
});

describe('drawTable', () => {
  const rows: [string, number][] = [
    ['a', 1],
    ['b', 2],
  ];
  const style = makeStyle(80, true);

  it('titles are dim, rows as they are', () => {
    expect(drawTable(rows, COLUMNS, style)).toEqual([style.dim('NAME  N'), 'a     1', 'b     2']);
  });

  it('a row is drawn, with what stands below it', () => {
    const lines = drawTable(rows, COLUMNS, style, (line, [name]) => (name === 'a' ? style.red(line) : [line, 'more']));
    expect(lines.slice(1)).toEqual([style.red('a     1'), 'b     2', 'more']);
  });
});

describe('wrap', () => {
  it('breaks a text at its spaces', () => {
    expect(wrap('one two three', 8)).toEqual(['one two', '  three']);
  });

  it('breaks between pieces and indents what follows', () => {
    expect(wrap(['one', 'two', 'three', 'four'], 10, { first: '  ', rest: '    ' })).toEqual([
      '  one two',
      '    three',
      '    four',
    ]);
  });

  it('leaves a piece that is too long whole', () => {
    expect(wrap(['abc defghijkl', 'mn'], 5, { first: '', rest: '' })).toEqual(['abc defghijkl', 'mn']);
  });
});

describe('styleOf', () => {
  const terminal = { isTTY: true, columns: 120 };

  it.each([
    ['terminal', terminal, {}, 120, true],
    ['narrow terminal', { isTTY: true, columns: 40 }, {}, 80, true],
    ['wide terminal', { isTTY: true, columns: 400 }, {}, 200, true],
    ['pipe', {}, {}, 200, false],
    ['NO_COLOR', terminal, { NO_COLOR: '1' }, 120, false],
    ['empty NO_COLOR', terminal, { NO_COLOR: '' }, 120, true],
    ['dumb terminal', terminal, { TERM: 'dumb' }, 120, false],
  ])('%s', (_name, place, env, width, color) => {
    const style = styleOf(place, env);
    expect(style.width).toBe(width);
    expect(style.red('x')).toBe(color ? '\u001b[31mx\u001b[39m' : 'x');
  });

  it('paints nothing when there is nothing', () => {
    expect(makeStyle(80, true).dim('')).toBe('');
  });
});

describe('printable', () => {
  it('a program name cannot write to the terminal', () => {
    expect(printable('evil\u001b[2J\u0007\u202e.js')).toBe('evil?[2J??.js');
    expect(printable('müller 1.js')).toBe('müller 1.js');
  });
});
