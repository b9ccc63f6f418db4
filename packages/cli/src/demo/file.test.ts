/** Which files can be moved, and what is said of the others. */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { EXIT } from '../exit.js';
import { examineFile, hashFile } from './file.js';

const directory = mkdtempSync(path.join(tmpdir(), 'pedrera-file-'));
afterAll(() => rmSync(directory, { recursive: true }));
const NO_LIMIT = Number.POSITIVE_INFINITY;

function file(name: string, content: string): string {
  const full = path.join(directory, name);
  writeFileSync(full, content);
  return full;
}

describe('examineFile', () => {
  it('by default, a file of the checkout of a few hundred kilobytes', () => {
    const { path: found, sizeBytes } = examineFile(undefined, NO_LIMIT);
    expect(path.basename(found)).toBe('quarry.png');
    expect(sizeBytes).toBeGreaterThan(300_000);
  });

  it('a good file', () => {
    expect(examineFile(file('good', '12345'), 5)).toMatchObject({ sizeBytes: 5 });
  });

  mkdirSync(path.join(directory, 'folder'));
  symlinkSync('loop', path.join(directory, 'loop'));
  const cases: [string, string, string][] = [
    ['missing', path.join(directory, 'nowhere'), 'there is no such file'],
    ['directory', path.join(directory, 'folder'), 'is a directory'],
    ['empty', file('empty', ''), 'is empty'],
    ['file-as-directory', path.join(file('plain', 'x'), 'y'), 'not a directory'],
    ['no-regular-file', '/dev/null', 'no regular file'],
    ['symlink-loop', path.join(directory, 'loop'), 'circle'],
    ['too-large', file('large', '123456'), 'is 6 B; the memory of a device holds 5 B'],
  ];
  it.each(cases)('%s', (_name, named, sentence) => {
    expect(() => examineFile(named, 5)).toThrow(expect.objectContaining({ exitCode: EXIT.usage }));
    expect(() => examineFile(named, 5)).toThrow(sentence);
  });
});

describe('hashFile', () => {
  it('is the hash of the content', async () => {
    const examined = examineFile(file('hashed', 'pedrera'), NO_LIMIT);
    await expect(hashFile(examined)).resolves.toBe(createHash('sha256').update('pedrera').digest('hex'));
  });

  it('says so when the file changed meanwhile', async () => {
    const examined = examineFile(file('changing', 'before'), NO_LIMIT);
    file('changing', 'afterwards');
    await expect(hashFile(examined)).rejects.toThrow('changed while it was moved');
  });
});
