/** Strings for Graphviz. */
import { expect, it } from 'vitest';
import { dotString } from './dot.js';

it.each([
  ['plain', '"plain"'],
  ['a "b" \\c', '"a \\"b\\" \\\\c"'],
  ['two\nlines', '"two\\nlines"'],
  ['\u001b[31mred', '"?[31mred"'],
])('%j', (text, spelled) => {
  expect(dotString(text)).toBe(spelled);
});
