/** Listeners in real processes: killed, started at once, and outliving a handler that throws. */
import { existsSync, readdirSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { connect, listen } from './server.js';
import { Child } from './testing/child.js';
import { Inbox, OPTIONS, TemporaryDirectory } from './testing/sockets.js';

const children: Child[] = [];
let directory: TemporaryDirectory | undefined;

afterEach(async () => {
  for (const child of children.splice(0)) await child.kill();
  directory?.[Symbol.dispose]();
});

function start(body: string, ...args: unknown[]): Child {
  const child = new Child(body, ...args);
  children.push(child);
  return child;
}

const DAEMON = `
  if (args[1] === 'wait') { say('loaded'); await heard(); }
  try {
    await wire.listen(args[0], { maxFrameBytes: 1000, onConnection: (c) => c.onMessage((m) => c.send([process.pid, ...m])) });
    say('ready');
  } catch (error) {
    say(error.code);
  }
  await heard();
`;

describe('listen', () => {
  it('takes over from a daemon that was killed', async () => {
    directory = new TemporaryDirectory();
    const path = directory.join('s');
    const first = start(DAEMON, path);
    expect(await first.says()).toBe('ready');
    await expect(listen(path, { ...OPTIONS, onConnection() {} })).rejects.toThrow('EADDRINUSE');
    await first.kill();
    expect(existsSync(path)).toBe(true);
    const second = start(DAEMON, path);
    expect(await second.says()).toBe('ready');
    const connection = await connect(path, OPTIONS);
    const inbox = new Inbox(connection);
    connection.send(['who']);
    expect(await inbox.until(1)).toEqual([[second.process.pid, 'who']]);
    connection.destroy();
    expect(readdirSync(directory.path)).toEqual(['s']);
  });

  it('of several that start at once on a dead socket, one serves', async () => {
    directory = new TemporaryDirectory();
    const path = directory.join('s');
    const dead = start(DAEMON, path);
    expect(await dead.says()).toBe('ready');
    await dead.kill();
    const rivals = Array.from({ length: 4 }, () => start(DAEMON, path, 'wait'));
    for (const rival of rivals) expect(await rival.says()).toBe('loaded');
    for (const rival of rivals) rival.tell('go');
    const outcomes = await Promise.all(rivals.map((rival) => rival.says()));
    expect(outcomes.toSorted()).toEqual(['EADDRINUSE', 'EADDRINUSE', 'EADDRINUSE', 'ready']);
    const winner = rivals[outcomes.indexOf('ready')];
    const connection = await connect(path, OPTIONS);
    const inbox = new Inbox(connection);
    connection.send([]);
    expect(await inbox.until(1)).toEqual([[winner?.process.pid]]);
    connection.destroy();
    expect(readdirSync(directory.path)).toEqual(['s']);
  });

  it('a handler that throws does not take the messages behind it along', async () => {
    directory = new TemporaryDirectory();
    const path = directory.join('s');
    const daemon = start(
      `
      process.on('uncaughtException', (error) => say(error.message));
      await wire.listen(args[0], { maxFrameBytes: 1000, onConnection(c) {
        c.onMessage(([n]) => { if (n === 2) throw new Error('a bug'); c.send([n]); });
      } });
      say('ready');
      await heard();
      `,
      path,
    );
    expect(await daemon.says()).toBe('ready');
    const connection = await connect(path, OPTIONS);
    const inbox = new Inbox(connection);
    for (const n of [1, 2, 3, 4]) connection.send([n]);
    expect(await inbox.until(3)).toEqual([[1], [3], [4]]);
    expect(await daemon.says()).toBe('a bug');
    connection.destroy();
  });
});
