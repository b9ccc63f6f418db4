/** Connections over real sockets: order, coalescing, back-pressure, and every way to end. */
import { describe, expect, it } from 'vitest';
import { Connection } from './connection.js';
import { encodeFrame } from './encode.js';
import { FrameError } from './frame.js';
import { closing, connectionAndPeer, connectionPair, Inbox, OPTIONS, socketPair, turns } from './testing/sockets.js';

describe('messages', () => {
  it('both-ways, in order, of all sizes', async () => {
    const [near, far] = await connectionPair();
    const nearInbox = new Inbox(near);
    const farInbox = new Inbox(far);
    const large = new Uint8Array(1_000_000).fill(7);
    const sent = [[1, 'hello'], [2, large], [3n, { a: [null] }], [4, 'x'.repeat(70_000)], [5]];
    for (const message of sent) {
      near.send(message);
      far.send(message);
    }
    for (const inbox of [nearInbox, farInbox]) {
      const received = await inbox.until(sent.length);
      expect(received.map(([id]) => id)).toEqual([1, 2, 3n, 4, 5]);
      expect(Buffer.from(received[1]?.[1] as Uint8Array).equals(large)).toBe(true);
      expect(received[2]).toEqual(sent[2]);
      expect(received[3]?.[1]).toBe(sent[3]?.[1]);
    }
    near.destroy();
    await closing(far);
  });

  it('frames-arriving-byte-by-byte', async () => {
    const { connection, peer } = await connectionAndPeer();
    const inbox = new Inbox(connection);
    for (const byte of Buffer.concat([encodeFrame([1, 'a']), encodeFrame([2, 'b'])])) {
      peer.write(Buffer.from([byte]));
      await turns(1);
    }
    expect(await inbox.until(2)).toEqual([
      [1, 'a'],
      [2, 'b'],
    ]);
    connection.destroy();
  });

  it('what-comes-before-onMessage is kept', async () => {
    const { connection, peer } = await connectionAndPeer();
    peer.write(encodeFrame([1]));
    await turns(3);
    expect(await new Inbox(connection).until(1)).toEqual([[1]]);
    connection.destroy();
  });

  it('too-long-to-send fails alone', async () => {
    const [near, far] = await connectionPair({ maxFrameBytes: 1000 });
    const inbox = new Inbox(far);
    near.send([1]);
    expect(() => near.send([new Uint8Array(1001)])).toThrow(
      'EMSGSIZE: a message of 1005 bytes; the limit is 1000 bytes',
    );
    near.send([2]);
    expect(await inbox.until(2)).toEqual([[1], [2]]);
    near.destroy();
  });

  it('unsendable as the first message of a turn leaves nothing behind', async () => {
    const [near, far] = await connectionPair();
    const inbox = new Inbox(far);
    expect(() => near.send([() => 1])).toThrow(TypeError);
    await turns(1);
    near.send([2]);
    expect(await inbox.until(1)).toEqual([[2]]);
    near.destroy();
  });
});

describe('coalescing', () => {
  it('one-turn-one-write', async () => {
    const { connection, socket, peer } = await connectionAndPeer();
    let writes = 0;
    const write = socket.write.bind(socket);
    socket.write = ((bytes: Uint8Array) => {
      writes++;
      return write(bytes);
    }) as typeof socket.write;
    const received = new Promise<Buffer>((resolve) => peer.once('data', resolve));
    for (let i = 0; i < 100; i++) connection.send([i]);
    await Promise.resolve().then(() => connection.send([100]));
    expect((await received).length).toBe(101 * 6);
    expect(writes).toBe(1);
    connection.destroy();
  });

  it('the-answers-to-a-chunk leave in one write', async () => {
    const { connection, socket, peer } = await connectionAndPeer();
    let writes = 0;
    const write = socket.write.bind(socket);
    socket.write = ((bytes: Uint8Array) => {
      writes++;
      return write(bytes);
    }) as typeof socket.write;
    connection.onMessage((message) => connection.send(message));
    const received = new Promise<Buffer>((resolve) => peer.once('data', resolve));
    const requests = Buffer.concat(Array.from({ length: 200 }, (_, i) => encodeFrame([i, 'request'])));
    peer.write(requests);
    expect(await received).toEqual(requests);
    expect(writes).toBe(1);
    connection.destroy();
  });

  it('large-turns are written in several goes', async () => {
    const [near, far] = await connectionPair();
    const inbox = new Inbox(far);
    const before = near.unsentBytes;
    for (let i = 0; i < 5000; i++) near.send([i, 'x'.repeat(100)]);
    expect(before).toBe(0);
    const messages = await inbox.until(5000);
    expect(messages.every((message, i) => message[0] === i)).toBe(true);
    near.destroy();
  });
});

describe('back-pressure', () => {
  it('a-peer-that-does-not-read is not read from, and memory stays bounded', async () => {
    const highWaterBytes = 256 * 1024;
    const requests = 400;
    const answer = new Uint8Array(40_000);
    const { connection, peer } = await connectionAndPeer({ highWaterBytes });
    let handled = 0;
    let mostUnsent = 0;
    connection.onMessage(([id]) => {
      handled++;
      connection.send([id, answer.fill((id as number) & 0xff)]);
      mostUnsent = Math.max(mostUnsent, connection.unsentBytes);
    });
    peer.pause();
    for (let id = 0; id < requests; id++) peer.write(encodeFrame([id]));
    while (connection.unsentBytes <= highWaterBytes) await turns(1);
    const stalledAt = handled;
    await turns(100);
    expect(handled).toBe(stalledAt);
    expect(handled).toBeLessThan(requests);
    expect(mostUnsent).toBeLessThan(highWaterBytes + 128 * 1024);

    const far = new Connection(peer, OPTIONS);
    const received = await new Inbox(far).until(requests);
    expect(handled).toBe(requests);
    expect(mostUnsent).toBeLessThan(highWaterBytes + 128 * 1024);
    for (const [i, message] of received.entries()) {
      const [id, bytes] = message as [number, Uint8Array];
      expect(id).toBe(i);
      if (bytes[0] !== (i & 0xff) || bytes[39_999] !== (i & 0xff)) throw new Error(`answer ${i} was overwritten`);
    }
    far.destroy();
    await closing(connection);
  });

  it('small-answers-over-many-turns are not overwritten while they wait', async () => {
    const { connection, peer } = await connectionAndPeer();
    peer.pause();
    const count = 4000;
    for (let i = 0; i < count; i++) {
      connection.send([i, `message ${i}`.padEnd(300, '.')]);
      if (i % 10 === 9) await turns(1);
    }
    expect(connection.unsentBytes).toBeGreaterThan(0);
    const received = await new Inbox(new Connection(peer, OPTIONS)).until(count);
    for (const [i, message] of received.entries()) {
      if (message[0] !== i || message[1] !== `message ${i}`.padEnd(300, '.'))
        throw new Error(`message ${i} was overwritten`);
    }
    peer.destroy();
  });

  it('two ends that flood each other do not wait for each other', async () => {
    const [asking, answering] = await socketPair();
    const near = new Connection(asking, OPTIONS);
    const far = new Connection(answering, { ...OPTIONS, highWaterBytes: 64 * 1024 });
    far.onMessage((message) => far.send(message));
    const inbox = new Inbox(near);
    for (let i = 0; i < 20; i++) near.send([i, new Uint8Array(200_000)]);
    expect((await inbox.until(20)).map(([id]) => id)).toEqual(Array.from({ length: 20 }, (_, i) => i));
    near.destroy();
  });

  it('a-stalled-peer that dies closes the connection', async () => {
    const { connection, peer } = await connectionAndPeer({ highWaterBytes: 64 * 1024 });
    connection.onMessage((message) => connection.send([...message, new Uint8Array(100_000)]));
    peer.pause();
    for (let i = 0; i < 50; i++) peer.write(encodeFrame([i]));
    while (connection.unsentBytes <= 64 * 1024) await turns(1);
    peer.destroy();
    // Which of the two depends on whether the peer had read everything before it died.
    expect(['EPIPE', 'ECONNRESET']).toContain(((await closing(connection)) as { code?: string }).code);
  });
});

describe('protocol errors', () => {
  it('told-once, nothing read after, last word delivered', async () => {
    const { connection, peer } = await connectionAndPeer({ maxFrameBytes: 100 });
    const errors: FrameError[] = [];
    const messages: unknown[][] = [];
    connection.onMessage((message) => messages.push(message));
    connection.onProtocolError((error) => {
      errors.push(error);
      connection.send([0, error.errno, error.detail]);
      connection.close();
    });
    const closed = closing(connection);
    const heard = new Inbox(new Connection(peer, OPTIONS)).until(1);
    const huge = Buffer.alloc(4, 0xff);
    peer.write(Buffer.concat([encodeFrame([1]), huge, encodeFrame([2]), huge]));
    expect(await heard).toEqual([[0, 90, 'a frame of 4294967295 bytes; the limit is 100 bytes']]);
    expect(((await closed) as FrameError).code).toBe('EMSGSIZE');
    expect(messages).toEqual([[1]]);
    expect(errors).toHaveLength(1);
  });

  it('nothing-is-read-after while the handler takes its time', async () => {
    const { connection, peer } = await connectionAndPeer();
    const messages: unknown[][] = [];
    connection.onMessage((message) => messages.push(message));
    const error = await new Promise<FrameError>((resolve) => {
      connection.onProtocolError(resolve);
      peer.write(Buffer.from([1, 0, 0, 0, 0xc0]));
    });
    expect(error.detail).toBe('malformed message at byte 0: a message is an array, this is not one');
    peer.write(encodeFrame([1]));
    await turns(20);
    expect(messages).toEqual([]);
    connection.send(['still there']);
    expect(await new Inbox(new Connection(peer, OPTIONS)).until(1)).toEqual([['still there']]);
    connection.destroy();
  });

  it('without-a-handler the connection is destroyed', async () => {
    const { connection, peer } = await connectionAndPeer();
    connection.onMessage(() => {});
    peer.write(Buffer.from([2, 0, 0, 0, 0x91, 0xc1]));
    expect(await closing(connection)).toBeInstanceOf(FrameError);
  });
});

describe('closing', () => {
  it('peer-closes: told once, without a reason', async () => {
    const { connection, peer } = await connectionAndPeer();
    const reasons: unknown[] = [];
    new Inbox(connection);
    const closed = new Promise<void>((resolve) =>
      connection.onClose((reason) => {
        reasons.push(reason);
        resolve();
      }),
    );
    peer.end();
    await closed;
    connection.close();
    connection.destroy(new Error('late'));
    await turns(5);
    expect(reasons).toEqual([undefined]);
    expect(connection.closed).toBe(true);
  });

  it('peer-closes-inside-a-frame', async () => {
    const { connection, peer } = await connectionAndPeer();
    new Inbox(connection);
    peer.end(encodeFrame([1, 2, 3]).subarray(0, 6));
    expect((await closing(connection))?.message).toBe('EPROTO: the connection ended 6 bytes into a frame');
  });

  it('messages-in-front-of-the-end are delivered', async () => {
    const { connection, peer } = await connectionAndPeer();
    const inbox = new Inbox(connection);
    peer.end(Buffer.concat([encodeFrame([1]), encodeFrame([2])]));
    await closing(connection);
    expect(inbox.messages).toEqual([[1], [2]]);
  });

  it('close-sends-what-is-queued first', async () => {
    const [near, far] = await connectionPair();
    const inbox = new Inbox(far);
    const farClosed = closing(far);
    near.send([1, new Uint8Array(3_000_000).fill(9)]);
    near.send([2]);
    near.close();
    near.send([3]);
    expect(await closing(near)).toBeUndefined();
    expect(await farClosed).toBeUndefined();
    expect(inbox.messages.map(([id]) => id)).toEqual([1, 2]);
  });

  it('close-stops-delivery', async () => {
    const { connection, peer } = await connectionAndPeer();
    const messages: unknown[][] = [];
    connection.onMessage((message) => {
      messages.push(message);
      connection.close();
    });
    peer.write(Buffer.concat([encodeFrame([1]), encodeFrame([2])]));
    await closing(connection);
    expect(messages).toEqual([[1]]);
  });

  it('destroy-with-a-reason is told to this side only', async () => {
    const [near, far] = await connectionPair();
    new Inbox(far);
    const farClosed = closing(far);
    const nearClosed = closing(near);
    near.send(['lost']);
    near.destroy(new Error('no more'));
    expect((await nearClosed)?.message).toBe('no more');
    expect(await farClosed).toBeUndefined();
  });

  it('onClose-after-the-fact', async () => {
    const { connection } = await connectionAndPeer();
    connection.destroy();
    await turns(5);
    expect(connection.closed).toBe(true);
    expect(await closing(connection)).toBeUndefined();
    expect(() => connection.send([1])).not.toThrow();
  });

  it('fd-and-peer', async () => {
    const [socket, other] = await socketPair();
    const connection = new Connection(socket, OPTIONS);
    expect(connection.fd).toBeGreaterThan(2);
    expect(connection.peer()).toEqual({ pid: process.pid, uid: process.getuid?.(), gid: process.getgid?.() });
    connection.destroy();
    await closing(connection);
    expect(connection.fd).toBe(-1);
    expect(connection.peer().pid).toBe(process.pid);
    other.destroy();
    const unknown = new Connection(other, OPTIONS);
    expect(() => unknown.peer()).toThrow('EBADF');
  });
});
