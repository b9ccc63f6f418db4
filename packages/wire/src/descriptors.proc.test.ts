/** Memory shared with a real process, and what is seen of it when it dies. */
import { afterEach, describe, expect, it } from 'vitest';
import type { Connection } from './connection.js';
import { type Listener, listen } from './server.js';
import { SharedMemory } from './shared-memory.unsafe.js';
import { Child } from './testing/child.js';
import { OPTIONS, TemporaryDirectory } from './testing/sockets.js';

const PAGE = 65536;
const cleanUp: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

/** A listener whose side connections get `memory` as answer to anything. */
async function serve(memory: SharedMemory): Promise<{ path: string; listener: Listener; closed: Promise<Connection> }> {
  const directory = new TemporaryDirectory();
  const path = directory.join('s');
  let told: (connection: Connection) => void = () => {};
  const closed = new Promise<Connection>((resolve) => {
    told = resolve;
  });
  const listener = await listen(path, {
    ...OPTIONS,
    onConnection(connection) {
      connection.onClose(() => told(connection));
      connection.onMessage(([id]) => {
        connection.send([id, 0, []]);
        connection.sendDescriptor(5, memory.fd);
      });
    },
  });
  cleanUp.push(
    () => directory[Symbol.dispose](),
    () => listener.close(),
  );
  return { path, listener, closed };
}

const CLIENT = `
  const channel = wire.SideChannel.connect(args[0]);
  const answer = await channel.exchange([1, 'token'], 1000);
  const { tag, fd } = channel.receiveDescriptor();
  const memory = wire.SharedMemory.fromFd(fd, args[1]);
  const view = memory.map(0, args[1]);
  memory.close();
  view.bytes.set([10, 20, 30], 100);
  say({ answer, tag, greeting: Buffer.from(view.bytes.subarray(0, 5)).toString() });
  await heard();
  say([...view.bytes.subarray(100, 104)]);
  await heard();
`;

describe('shared memory between processes', () => {
  it('both-see-what-the-other-writes', async () => {
    const memory = SharedMemory.create('shared', 4 * PAGE);
    const view = memory.map(0, 4 * PAGE);
    view.bytes.set(Buffer.from('hello'));
    const { path, listener } = await serve(memory);
    const child = new Child(CLIENT, path, 4 * PAGE);
    cleanUp.push(() => child.kill());
    expect(await child.says()).toEqual({ answer: [1, 0, []], tag: 5, greeting: 'hello' });
    expect([...view.bytes.subarray(100, 104)]).toEqual([10, 20, 30, 0]);
    view.bytes[103] = 40;
    child.tell('look again');
    expect(await child.says()).toEqual([10, 20, 30, 40]);
    const [connection] = listener.connections;
    expect(connection?.peer()).toEqual({ pid: child.process.pid, uid: process.getuid?.(), gid: process.getgid?.() });
    view.unmap();
    memory.close();
  });

  it('memory-outlives-its-maker, and a killed client is noticed', async () => {
    const memory = SharedMemory.create('left behind', PAGE);
    const { path, closed } = await serve(memory);
    const child = new Child(CLIENT, path, PAGE);
    cleanUp.push(() => child.kill());
    await child.says();
    await child.kill();
    const connection = await closed;
    expect(connection.closed).toBe(true);
    const view = memory.map(0, PAGE);
    expect([...view.bytes.subarray(100, 103)]).toEqual([10, 20, 30]);
    view.unmap();
    memory.close();
  });
});
