/**
 * A listening Unix socket with a path of its own, taken over from a dead owner where there was one.
 *
 * Owns: the order of probe, unlink, bind and listen, the lock around it, and the mode of the socket file.
 * Must not know: who connects.
 *
 * Why not net.Server.listen(path): Node removes the path by name when it closes, also when the file there is somebody
 * else's by then, and it creates the file with a mode that has to be repaired afterwards.
 *
 * Two daemons that start at once must not both find the same dead socket, or the second removes what the first has just
 * bound. So the whole order runs under flock(2) on the DIRECTORY of the socket: released by the operating system when
 * the holder dies, and it leaves no lock file behind.
 */

import { closeSync, lstatSync, openSync, unlinkSync } from 'node:fs';
import { connect as connectSocket } from 'node:net';
import { dirname } from 'node:path';
import { type Clock, errno, type HlError } from '@pedrera/base';
import { EAGAIN, failure, native, O } from './native.unsafe.js';
import { checkSocketPath, socketAddress } from './socket-address.unsafe.js';

const BACKLOG = 511;
const LOCK_PAUSE_NS = 10e6;
const LOCK_PATIENCE_NS = 5e9;

export interface ListeningSocket {
  readonly fd: number;
  /** Removes the socket file if it is still the one made here. Call it while the descriptor still listens: nobody takes over a live socket, so nobody can step in between the check and the removal. */
  removePath(): void;
}

/** Throws HlError: EADDRINUSE when a live process serves the path, ENAMETOOLONG, ENOENT, ENOTDIR or EACCES when no socket can be made there, EEXIST when something else is there. */
export async function openListeningSocket(path: string, mode: number, clock: Clock): Promise<ListeningSocket> {
  checkSocketPath(path);
  const directory = dirname(path);
  const lock = await lockDirectory(directory, clock);
  try {
    await clearStaleSocket(path);
    const fd = bindAndListen(path, mode);
    const { dev, ino } = lstatSync(path);
    return { fd, removePath: () => removeIfSame(path, dev, ino) };
  } finally {
    closeSync(lock);
  }
}

/** The open directory that carries the lock; closing it unlocks. Another holder is a daemon in the middle of its start, which takes a millisecond or two. */
async function lockDirectory(directory: string, clock: Clock): Promise<number> {
  let fd: number;
  try {
    fd = openSync(directory, 'r');
  } catch (error) {
    throw unusable(directory, error as NodeJS.ErrnoException);
  }
  const giveUpAt = clock.nowNs() + LOCK_PATIENCE_NS;
  while (native().libc.flock(fd, O.LOCK_EX | O.LOCK_NB) !== 0) {
    if (native().errno() !== EAGAIN) {
      const error = failure('flock', directory);
      closeSync(fd);
      throw error;
    }
    if (clock.nowNs() >= giveUpAt) {
      closeSync(fd);
      throw errno(
        'EADDRINUSE',
        `another process keeps the directory ${directory} locked; is a daemon stuck in its start?`,
      );
    }
    await new Promise<void>((resolve) => {
      clock.at(clock.nowNs() + LOCK_PAUSE_NS, resolve);
    });
  }
  return fd;
}

async function clearStaleSocket(path: string): Promise<void> {
  let isSocket: boolean;
  try {
    isSocket = lstatSync(path).isSocket();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw unusable(path, error as NodeJS.ErrnoException);
  }
  if (!isSocket) throw errno('EEXIST', `${path} exists and is not a socket; it is left alone`);
  const found = await probe(path);
  if (found === 'ECONNREFUSED') unlinkSync(path);
  else if (found !== 'ENOENT')
    throw errno('EADDRINUSE', `a daemon already serves ${path}; stop it, or set PEDRERA_SOCKET to another path`);
}

/** Only a refused connection proves that nobody listens. A full queue or a missing permission proves the opposite or nothing. */
function probe(path: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connectSocket(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve('connected');
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'));
  });
}

function bindAndListen(path: string, mode: number): number {
  const { libc } = native();
  const address = socketAddress(path);
  const fd = libc.socket(O.AF_UNIX, O.SOCK_STREAM | O.SOCK_CLOEXEC, 0);
  if (fd < 0) throw failure('socket', path);
  try {
    // The file is created with the mode of the unbound socket: there is no moment at which it has another one, and the
    // umask, which belongs to the whole process, need not change.
    if (libc.fchmod(fd, mode) !== 0) throw failure('fchmod', path);
    if (libc.bind(fd, address, address.length) !== 0) throw bindFailure(path);
    if (libc.listen(fd, BACKLOG) !== 0) throw failure('listen', path);
    return fd;
  } catch (error) {
    libc.close(fd);
    throw error;
  }
}

const NOT_WRITABLE: ReadonlySet<number> = new Set([1 /* EPERM */, 13 /* EACCES */, 30 /* EROFS */]);

function bindFailure(path: string): HlError {
  if (!NOT_WRITABLE.has(native().errno())) return failure('bind', path);
  return errno('EACCES', `no socket can be made at ${path}: the directory is not writable for this user`);
}

function unusable(path: string, error: NodeJS.ErrnoException): HlError {
  if (error.code === 'ENOENT') return errno('ENOENT', `the directory of the socket, ${path}, does not exist`);
  if (error.code === 'ENOTDIR') return errno('ENOTDIR', `a part of the socket path ${path} is not a directory`);
  return errno('EACCES', `${path} cannot be used for a socket: ${error.message}`);
}

function removeIfSame(path: string, dev: number, ino: number): void {
  try {
    const now = lstatSync(path);
    if (now.dev === dev && now.ino === ino) unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw unusable(path, error as NodeJS.ErrnoException);
  }
}
