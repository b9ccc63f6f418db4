/** Walking paths. */
import { HlError } from '@pedrera/base';
import { describe, expect, it } from 'vitest';
import { sysfsFile } from './attributes.js';
import { directory, directoryOf, link, lookup } from './tree.js';

const file = () => sysfsFile({ mode: 0o444, show: () => 'x' });
const root = directory({
  a: () => directory({ b: () => directory({ file }), up: () => link('../a/b'), away: () => link('/c') }),
  c: () => directory({ other: file }),
  many: () =>
    directoryOf(
      () => [1, 2],
      (n) => `n${n}`,
      file,
    ),
});

function found(path: string, follow = true): string {
  try {
    const node = lookup(root, path, follow);
    return node.kind === 'dir' ? [...node.names()].join(' ') : node.kind;
  } catch (error) {
    return error instanceof HlError ? error.code : String(error);
  }
}

describe('lookup', () => {
  it.each([
    ['/', 'a c many'],
    ['//a///b/', 'file'],
    ['/a/./b/../b/file', 'file'],
    ['/../..', 'a c many'],
    ['a/b', 'file'],
    ['/a/up', 'file'],
    ['/a/up/file', 'file'],
    // As the kernel walks: '..' behind a link is the parent of where the link leads.
    ['/a/up/../../c', 'other'],
    ['/a/away/other', 'file'],
    ['/many/n2', 'file'],
  ])('%s', (path, names) => {
    expect(found(path)).toBe(names);
  });

  it.each([
    ['', 'ENOENT'],
    ['/nothing', 'ENOENT'],
    ['/many/n3', 'ENOENT'],
    ['/a/b/file/below', 'ENOTDIR'],
    ['/a/b/file/', 'ENOTDIR'],
    ['/constructor', 'ENOENT'],
  ])('%s is refused', (path, code) => {
    expect(found(path)).toBe(code);
  });

  it('a link at the end is followed on demand, or by a slash', () => {
    expect(found('/a/up', false)).toBe('link');
    expect(found('/a/up/', false)).toBe('file');
  });
});
