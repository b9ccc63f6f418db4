/** Socket paths: made, taken over, left alone, removed; and the sentences when that is not possible. */
import {
  chmodSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { HlError, VirtualClock } from '@pedrera/base';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { native, O } from './native.unsafe.js';
import { connect, type Listener, listen } from './server.js';
import { closing, Inbox, OPTIONS, TemporaryDirectory, turns } from './testing/sockets.js';

let directory: TemporaryDirectory;
let path: string;
const listeners: Listener[] = [];

beforeEach(() => {
  directory = new TemporaryDirectory();
  path = directory.join('pedrera.sock');
});
afterEach(async () => {
  for (const listener of listeners.splice(0)) await listener.close();
  directory[Symbol.dispose]();
});

async function serve(at = path, mode?: number): Promise<Listener> {
  const listener = await listen(at, {
    ...OPTIONS,
    ...(mode === undefined ? {} : { mode }),
    onConnection: (connection) => connection.onMessage((message) => connection.send(message)),
  });
  listeners.push(listener);
  return listener;
}

async function failure(run: Promise<unknown>): Promise<HlError> {
  try {
    await run;
  } catch (error) {
    if (error instanceof HlError) return error;
    throw error;
  }
  throw new Error('it worked');
}

/** A socket file whose owner is gone, as kill -9 leaves it. */
async function leaveStaleSocket(at: string): Promise<void> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(`${at}.first`, resolve));
  linkSync(`${at}.first`, at);
  await new Promise((resolve) => server.close(resolve));
}

/** Runs `fn` as a user who may not write to other people's directories, even when the tests run as root. */
async function asNobody<T>(fn: () => Promise<T>): Promise<T> {
  if (process.geteuid?.() !== 0) return fn();
  process.seteuid?.(65534);
  try {
    return await fn();
  } finally {
    process.seteuid?.(0);
  }
}

describe('listen', () => {
  it('serves, and removes its file', async () => {
    const listener = await serve();
    const connection = await connect(path, OPTIONS);
    const inbox = new Inbox(connection);
    connection.send([1, 'echo']);
    expect(await inbox.until(1)).toEqual([[1, 'echo']]);
    expect(listener.connections.size).toBe(1);
    const closed = closing(connection);
    await listener.close();
    await closed;
    expect(listener.connections.size).toBe(0);
    expect(readdirSync(directory.path)).toEqual([]);
    await listener.close();
  });

  it('stop leaves connections alone', async () => {
    const listener = await serve();
    const connection = await connect(path, OPTIONS);
    const inbox = new Inbox(connection);
    connection.send([1]);
    await inbox.until(1);
    listener.stop();
    listener.stop();
    expect(existsSync(path)).toBe(false);
    connection.send([2]);
    expect(await inbox.until(2)).toEqual([[1], [2]]);
    expect((await failure(connect(path, OPTIONS))).code).toBe('ENOENT');
    connection.destroy();
  });

  it('mode is the owner only, whatever the umask, and no other file is made', async () => {
    const old = process.umask(0);
    try {
      await serve();
      await serve(directory.join('open.sock'), 0o666);
    } finally {
      process.umask(old);
    }
    expect(lstatSync(path).mode & 0o777).toBe(0o600);
    expect(lstatSync(directory.join('open.sock')).mode & 0o777).toBe(0o666);
    expect(readdirSync(directory.path).sort()).toEqual(['open.sock', 'pedrera.sock']);
  });

  it('stale-socket is taken over', async () => {
    await leaveStaleSocket(path);
    const error = await failure(connect(path, OPTIONS));
    expect(error.code).toBe('ECONNREFUSED');
    expect(error.message).toContain('no daemon');
    await serve();
    (await connect(path, OPTIONS)).destroy();
  });

  it('live-socket is left alone', async () => {
    await serve();
    const error = await failure(serve());
    expect(error.message).toBe(
      `EADDRINUSE: a daemon already serves ${path}; stop it, or set PEDRERA_SOCKET to another path`,
    );
    (await connect(path, OPTIONS)).destroy();
  });

  it('several at once on a stale socket: one wins', async () => {
    await leaveStaleSocket(path);
    const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => serve()));
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') expect((outcome.reason as HlError).code).toBe('EADDRINUSE');
    }
    (await connect(path, OPTIONS)).destroy();
  });

  it('waits for another daemon in the middle of its start', async () => {
    const clock = new VirtualClock();
    const lock = openSync(directory.path, 'r');
    const { libc } = native();
    expect(libc.flock(lock, O.LOCK_EX | O.LOCK_NB)).toBe(0);
    const options = { ...OPTIONS, clock, onConnection() {} };
    const outcome = listen(path, options);
    await turns(2);
    expect(clock.pending).toBe(1);
    expect(existsSync(path)).toBe(false);
    closeSync(lock);
    clock.advance(10e6);
    listeners.push(await outcome);
    expect(existsSync(path)).toBe(true);
  });

  it('does not wait for ever', async () => {
    const clock = new VirtualClock();
    const lock = openSync(directory.path, 'r');
    expect(native().libc.flock(lock, O.LOCK_EX | O.LOCK_NB)).toBe(0);
    let error: HlError | undefined;
    const outcome = failure(listen(path, { ...OPTIONS, clock, onConnection() {} })).then((refusal) => {
      error = refusal;
    });
    while (error === undefined) {
      clock.advance(10e6);
      await turns(1);
    }
    await outcome;
    expect(clock.nowNs()).toBeGreaterThanOrEqual(5e9);
    expect(error.message).toContain(`another process keeps the directory ${directory.path} locked`);
    closeSync(lock);
  });

  it('does not remove the socket of a successor', async () => {
    const first = await serve();
    rmSync(path);
    await serve();
    first.stop();
    expect(existsSync(path)).toBe(true);
    (await connect(path, OPTIONS)).destroy();
  });

  it('stop after somebody removed the file, or the directory', async () => {
    const nested = directory.join('nested');
    mkdirSync(nested);
    const listener = await serve(`${nested}/s`);
    rmSync(nested, { recursive: true });
    listener.stop();
    expect(existsSync(nested)).toBe(false);
  });

  it('something-else-at-the-path is left alone', async () => {
    writeFileSync(path, 'precious');
    expect((await failure(serve())).message).toBe(`EEXIST: ${path} exists and is not a socket; it is left alone`);
    renameSync(path, `${path}.moved`);
    mkdirSync(path);
    expect((await failure(serve())).code).toBe('EEXIST');
  });

  it('path-too-long says how long', async () => {
    const long = directory.join('x'.repeat(120));
    for (const attempt of [serve(long), connect(long, OPTIONS)]) {
      const error = await failure(attempt);
      expect(error.code).toBe('ENAMETOOLONG');
      expect(error.message).toContain(`has ${Buffer.byteLength(long)} bytes; the operating system allows 107`);
    }
  });

  it('path-of-exactly-107-bytes', async () => {
    const longest = directory.join('x'.repeat(107 - directory.path.length - 1));
    await serve(longest);
    (await connect(longest, OPTIONS)).destroy();
  });

  it('no-directory, not-a-directory, no-path', async () => {
    expect((await failure(serve(directory.join('no/s')))).message).toContain('does not exist');
    writeFileSync(directory.join('file'), '');
    expect((await failure(serve(directory.join('file/s')))).code).toBe('ENOTDIR');
    expect((await failure(connect(directory.join('file/s'), OPTIONS))).code).toBe('ENOTDIR');
    expect((await failure(serve(''))).code).toBe('EINVAL');
  });

  it('unwritable-directory', async () => {
    chmodSync(directory.path, 0o555);
    const error = await failure(asNobody(() => serve()));
    chmodSync(directory.path, 0o755);
    expect(error.message).toBe(`EACCES: no socket can be made at ${path}: the directory is not writable for this user`);
  });
});

describe('connect', () => {
  it('nobody-there names the fix', async () => {
    const error = await failure(connect(path, OPTIONS));
    expect(error.message).toBe(
      `ENOENT: ${path}: no daemon: there is no socket at this path; start one with \`pedrera daemon\``,
    );
  });

  it("somebody-else's-socket", async () => {
    chmodSync(directory.path, 0o755);
    await serve(path, 0);
    const error = await failure(asNobody(() => connect(path, OPTIONS)));
    expect(error.message).toBe(`EACCES: ${path}: the socket belongs to another user`);
  });
});
