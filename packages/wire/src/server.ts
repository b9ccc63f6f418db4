/**
 * The two ends of the socket: a listener that turns clients into connections, and the way to connect to it.
 *
 * Owns: what happens between a path and a Connection, and the wording of what goes wrong there.
 * Must not know: messages.
 */

import { connect as connectSocket, createServer } from 'node:net';
import { type Clock, type ErrnoCode, errno, type HlError, RealClock } from '@pedrera/base';
import { Connection, type ConnectionOptions } from './connection.js';
import { openListeningSocket } from './listening-socket.unsafe.js';
import { checkSocketPath } from './socket-address.unsafe.js';
import { prepareSocketDirectory } from './socket-path.js';

/** What a listener lets wait for one client before it stops reading from it. */
export const DEFAULT_HIGH_WATER_BYTES = 1024 * 1024;

export interface ListenOptions extends ConnectionOptions {
  /** Called once for each client, before anything of it is read. */
  readonly onConnection: (connection: Connection) => void;
  /** Of the socket file; connecting needs the write bit. Only the owner may connect unless told otherwise. */
  readonly mode?: number;
  /** Paces the wait for another daemon in the middle of its start. Real time unless told otherwise. */
  readonly clock?: Clock;
}

export interface Listener {
  readonly path: string;
  /** Connections that have not closed yet. */
  readonly connections: ReadonlySet<Connection>;
  /** Removes the socket file, if it is still ours, and accepts nobody any more. Connections live on. */
  stop(): void;
  /** `stop()`, destroys what is still connected, and resolves when all of it is gone. */
  close(): Promise<void>;
}

/**
 * Serves `path`. A socket left behind by a dead process is replaced; a live one is left alone.
 * Throws HlError: EADDRINUSE, EEXIST, ENAMETOOLONG, ENOENT, ENOTDIR, EACCES.
 */
export async function listen(path: string, options: ListenOptions): Promise<Listener> {
  prepareSocketDirectory(path, { create: true });
  const listening = await openListeningSocket(path, options.mode ?? 0o600, options.clock ?? new RealClock());
  const connections = new Set<Connection>();
  const server = createServer();
  server.on('connection', (socket) => {
    socket.once('close', () => connections.delete(connection));
    const connection = new Connection(socket, { highWaterBytes: DEFAULT_HIGH_WATER_BYTES, ...options });
    connections.add(connection);
    options.onConnection(connection);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ fd: listening.fd }, () => {
      server.removeListener('error', reject);
      resolve();
    });
  });
  // accept() can fail for want of descriptors; the client sees its connection refused and nobody else is hurt.
  server.on('error', () => {});

  const closed = new Promise<void>((resolve) => server.once('close', resolve));
  let stopped = false;
  const stop = (): void => {
    if (stopped) return;
    stopped = true;
    listening.removePath();
    server.close();
  };
  return {
    path,
    connections,
    stop,
    close() {
      stop();
      for (const connection of connections) connection.destroy();
      return closed;
    },
  };
}

/** Connects to a daemon. Throws HlError: ENOENT or ECONNREFUSED when there is none, EACCES when it is another user's, ENAMETOOLONG. */
export function connect(path: string, options: ConnectionOptions): Promise<Connection> {
  return new Promise((resolve, reject) => {
    checkSocketPath(path);
    prepareSocketDirectory(path, { create: false });
    const socket = connectSocket(path);
    const failed = (error: NodeJS.ErrnoException): void => reject(connectFailure(path, error));
    socket.once('error', failed);
    socket.once('connect', () => {
      socket.removeListener('error', failed);
      resolve(new Connection(socket, options));
    });
  });
}

const CONNECT_FAILURES: Readonly<Partial<Record<string, readonly [ErrnoCode, string]>>> = {
  ENOENT: ['ENOENT', 'no daemon: there is no socket at this path; start one with `pedrera daemon`'],
  ECONNREFUSED: [
    'ECONNREFUSED',
    'no daemon: the one that made this socket is gone; start another with `pedrera daemon`',
  ],
  EACCES: ['EACCES', 'the socket belongs to another user'],
  ENOTDIR: ['ENOTDIR', 'a part of this path is not a directory'],
  EAGAIN: ['EAGAIN', 'the daemon is there and has too many clients waiting'],
};

function connectFailure(path: string, error: NodeJS.ErrnoException): HlError {
  const [code, sentence] = CONNECT_FAILURES[error.code ?? ''] ?? ['ECONNREFUSED', error.message];
  return errno(code, `${path}: ${sentence}`);
}
