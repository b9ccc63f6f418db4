/** Descriptors over a side connection, both ends in one process; between processes: descriptors.proc.test.ts. */
import { closeSync, fstatSync, readdirSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { HlError } from '@pedrera/base';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Connection } from './connection.js';
import { SharedMemory } from './shared-memory.unsafe.js';
import { SideChannel, sendDescriptor } from './side-channel.unsafe.js';
import { closing, OPTIONS, TemporaryDirectory, turns } from './testing/sockets.js';

const PAGE = 65536;

let directory: TemporaryDirectory;
let path: string;
let server: Server;
let accepted: Promise<Socket>;

beforeEach(async () => {
  directory = new TemporaryDirectory();
  path = directory.join('s');
  server = createServer();
  accepted = new Promise((resolve) => server.once('connection', resolve));
  await new Promise<void>((resolve) => server.listen(path, resolve));
});
afterEach(() => {
  server.close();
  directory[Symbol.dispose]();
});

async function open(): Promise<{ channel: SideChannel; connection: Connection; socket: Socket }> {
  const channel = SideChannel.connect(path);
  const socket = await accepted;
  return { channel, connection: new Connection(socket, OPTIONS), socket };
}

function failure(run: () => unknown): HlError {
  try {
    run();
  } catch (error) {
    if (error instanceof HlError) return error;
    throw error;
  }
  throw new Error('it worked');
}

describe('descriptors', () => {
  it('arrive with their tags, in order, as the same object', async () => {
    const { channel, connection } = await open();
    const memories = [1, 2, 0xffff_fffe].map((tag) => ({ tag, memory: SharedMemory.create(`tag ${tag}`, PAGE) }));
    for (const { tag, memory } of memories) connection.sendDescriptor(tag, memory.fd);
    for (const { tag, memory } of memories) {
      const received = channel.receiveDescriptor();
      expect(received.tag).toBe(tag);
      expect(received.fd).not.toBe(memory.fd);
      expect(fstatSync(received.fd).ino).toBe(fstatSync(memory.fd).ino);
      closeSync(received.fd);
      memory.close();
    }
    channel.close();
    connection.destroy();
  });

  it('exchange, then descriptors right behind the answer', async () => {
    const { channel, connection } = await open();
    const memory = SharedMemory.create('behind', PAGE);
    connection.onMessage((message) => {
      connection.send([...message, 'welcome']);
      connection.sendDescriptor(7, memory.fd);
      connection.sendDescriptor(8, memory.fd);
    });
    expect(await channel.exchange([1, 'token'], 1000)).toEqual([1, 'token', 'welcome']);
    for (const tag of [7, 8]) {
      const received = channel.receiveDescriptor();
      expect(received.tag).toBe(tag);
      closeSync(received.fd);
    }
    memory.close();
    channel.close();
    await closing(connection);
  });

  it('none-in-time', async () => {
    const { channel, connection } = await open();
    const error = failure(() => channel.receiveDescriptor(20));
    expect(error.message).toBe(`ETIMEDOUT: no descriptor on the side channel at ${path} within 20 ms`);
    channel.close();
    connection.destroy();
  });

  it('daemon-closes', async () => {
    const { channel, connection } = await open();
    const ended = channel.ended();
    connection.destroy();
    await closing(connection);
    await ended;
    expect(failure(() => channel.receiveDescriptor()).code).toBe('ECONNRESET');
    await expect(channel.exchange([1], 100)).rejects.toThrow(/EPIPE|ECONNRESET/);
    channel.close();
  });

  it('daemon-closes-instead-of-answering', async () => {
    const { channel, connection } = await open();
    connection.onMessage(() => connection.destroy());
    await expect(channel.exchange([1], 100)).rejects.toThrow('ECONNRESET');
    channel.close();
  });

  it('closed-here while waiting for the answer, and after', async () => {
    const { channel, connection } = await open();
    const answer = channel.exchange([1], 100);
    await turns(3);
    channel.close();
    channel.close();
    await expect(answer).rejects.toThrow('ENOTCONN');
    expect(failure(() => channel.receiveDescriptor()).code).toBe('ENOTCONN');
    expect(failure(() => channel.write(Buffer.from('x'))).code).toBe('ENOTCONN');
    expect(channel.fd).toBe(-1);
    connection.destroy();
  });

  it('bytes-without-a-descriptor', async () => {
    const { channel, socket } = await open();
    await new Promise<void>((resolve) => socket.write(Buffer.from([1, 0, 0, 0]), () => resolve()));
    expect(failure(() => channel.receiveDescriptor()).message).toBe('EPROTO: a tag came without a descriptor');
    channel.close();
    socket.destroy();
  });

  it('not-a-descriptor', async () => {
    const { channel, connection } = await open();
    expect(failure(() => connection.sendDescriptor(1, 9999)).code).toBe('EBADF');
    expect(failure(() => sendDescriptor(9999, 1, connection.fd)).code).toBe('EBADF');
    channel.close();
    connection.destroy();
    expect(failure(() => connection.sendDescriptor(1, 0)).code).toBe('ENOTCONN');
  });

  it('a-receiver-that-does-not-take-them gets EAGAIN and blocks nobody', async () => {
    const { channel, connection } = await open();
    const memory = SharedMemory.create('many', PAGE);
    let sent = 0;
    const error = failure(() => {
      for (; sent < 100_000; sent++) connection.sendDescriptor(sent, memory.fd);
    });
    expect(error.code).toBe('EAGAIN');
    expect(sent).toBeGreaterThan(10);
    for (let tag = 0; tag < sent; tag++) {
      const received = channel.receiveDescriptor();
      expect(received.tag).toBe(tag);
      closeSync(received.fd);
    }
    connection.sendDescriptor(sent, memory.fd);
    closeSync(channel.receiveDescriptor().fd);
    memory.close();
    channel.close();
    connection.destroy();
  });

  it('nobody-listens', () => {
    expect(failure(() => SideChannel.connect(directory.join('nobody'))).code).toBe('ENOENT');
    expect(failure(() => SideChannel.connect(directory.join('x'.repeat(120)))).code).toBe('ENAMETOOLONG');
  });

  it('leaves no descriptor behind', async () => {
    const before = readdirSync('/proc/self/fd').length;
    for (let i = 0; i < 20; i++)
      expect(failure(() => SideChannel.connect(directory.join('nobody'))).code).toBe('ENOENT');
    expect(readdirSync('/proc/self/fd').length).toBe(before);
  });
});
