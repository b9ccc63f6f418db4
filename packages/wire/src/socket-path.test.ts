/** Where the socket is by default, and the directory it may be in. */
import { chmodSync, lstatSync, mkdirSync, symlinkSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { defaultSocketPath, prepareSocketDirectory } from './socket-path.js';
import { TemporaryDirectory } from './testing/sockets.js';

let directory: TemporaryDirectory;
let ours: string;

beforeEach(() => {
  directory = new TemporaryDirectory();
  vi.stubEnv('TMPDIR', directory.path);
  ours = directory.join(`pedrera-${process.getuid?.()}`);
});
afterEach(() => {
  vi.unstubAllEnvs();
  directory[Symbol.dispose]();
});

describe('defaultSocketPath', () => {
  it('order of the places', () => {
    const xdg = { XDG_RUNTIME_DIR: '/run/user/7' };
    expect(defaultSocketPath({ PEDRERA_SOCKET: './mine.sock', ...xdg })).toBe('./mine.sock');
    expect(defaultSocketPath(xdg)).toBe('/run/user/7/pedrera.sock');
    expect(defaultSocketPath({ PEDRERA_SOCKET: '', XDG_RUNTIME_DIR: '' })).toBe(`${ours}/pedrera.sock`);
  });
});

describe('prepareSocketDirectory', () => {
  const create = { create: true };

  it('makes the directory for its owner alone', () => {
    prepareSocketDirectory(defaultSocketPath({}), create);
    prepareSocketDirectory(defaultSocketPath({}), create);
    expect(lstatSync(ours).mode & 0o777).toBe(0o700);
  });

  it('a client makes nothing', () => {
    prepareSocketDirectory(defaultSocketPath({}), { create: false });
    expect(lstatSync(ours, { throwIfNoEntry: false })).toBeUndefined();
  });

  it('others-may-enter', () => {
    mkdirSync(ours);
    chmodSync(ours, 0o755);
    expect(() => prepareSocketDirectory(defaultSocketPath({}), { create: false })).toThrow('EACCES');
  });

  it('planted-link', () => {
    mkdirSync(directory.join('elsewhere'), { mode: 0o700 });
    symlinkSync(directory.join('elsewhere'), ours);
    expect(() => prepareSocketDirectory(defaultSocketPath({}), create)).toThrow('ENOTDIR');
  });

  it('other-directories are not judged', () => {
    chmodSync(directory.path, 0o777);
    prepareSocketDirectory(directory.join('pedrera.sock'), create);
  });
});
