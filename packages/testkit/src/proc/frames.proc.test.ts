/**
 * Peers that break the protocol, on bare sockets. Each hears a sentence, or at least the end of the connection; nobody else
 * notices, and nothing of it stays behind.
 */
import { createConnection } from 'node:net';
import { ERRNO, Prng } from '@pedrera/base';
import { encodeFence } from '@pedrera/hw';
import { type Device, openDevice } from '@pedrera/thunk';
import { commandNumber, entryOf, MAX_FRAME_BYTES, MAX_IN_FLIGHT, PROTOCOL_VERSION } from '@pedrera/uapi';
import { encodeFrame } from '@pedrera/wire';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Mirror } from './programs/mirror.js';
import { fileDaemon } from './support/file-daemon.js';
import { RawMemory } from './support/raw-memory.js';
import { CLOSED, type Heard, RawPeer } from './support/raw-peer.js';

const daemon = fileDaemon({ beforeAll, afterEach, afterAll }, { devices: 1 });

const MIB = 2 ** 20;
const HELLO = entryOf('HELLO').code;
const hello = [1, HELLO, [PROTOCOL_VERSION, 'raw peer']];

/** Someone who behaves, on the same device, all the while. */
let device: Device;
let other: Mirror;
const peers: RawPeer[] = [];

beforeEach(async () => {
  device = await openDevice(0, { socketPath: daemon().socketPath });
  other = await Mirror.make(device, 64 * 1024);
});

afterEach(async () => {
  await Promise.all(peers.splice(0).map((peer) => peer[Symbol.asyncDispose]()));
  await other.roundTrip(1);
  await device.close();
});

async function stranger(): Promise<RawPeer> {
  const peer = await RawPeer.connect(daemon().socketPath);
  peers.push(peer);
  return peer;
}

async function greeted(node?: string): Promise<RawPeer> {
  const peer = await RawPeer.greeted(daemon().socketPath, node);
  peers.push(peer);
  return peer;
}

function frame(body: Uint8Array, length: number = body.length): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt32LE(length);
  return Buffer.concat([header, body]);
}

/** The last word, and that there is nothing behind it. */
async function lastWord(peer: RawPeer): Promise<Heard> {
  const heard = await peer.next();
  if (heard !== CLOSED) {
    expect(await peer.next(), 'the connection stays open').toBe(CLOSED);
  }
  return heard;
}

async function residentBytes(): Promise<number> {
  return (await daemon().client.inspectDaemon()).residentBytes;
}

describe('malformed frames', () => {
  const nested = (depth: number) => Buffer.concat([Buffer.alloc(depth, 0x91), Buffer.from([0xc0])]);

  it.each<[string, Buffer, number, RegExp]>([
    [
      'oversized-length',
      frame(Buffer.alloc(0), MAX_FRAME_BYTES + 1),
      ERRNO.EMSGSIZE,
      /a frame of 1048577 bytes; the limit is 1048576/,
    ],
    ['length-of-all-ones', frame(Buffer.alloc(8, 0xff), 0xffff_ffff), ERRNO.EMSGSIZE, /a frame of 4294967295 bytes/],
    ['length-zero', frame(Buffer.alloc(0)), ERRNO.EPROTO, /a frame of 0 bytes/],
    [
      'not-msgpack',
      frame(Buffer.from('GET / HTTP/1.1\r\n\r\n')),
      ERRNO.EPROTO,
      /malformed message .* a message is an array/,
    ],
    ['http-without-a-frame', Buffer.from('GET / HTTP/1.1\r\n\r\n'), ERRNO.EMSGSIZE, /a frame of \d+ bytes/],
    ['not-an-array', frame(Buffer.from([0x81, 0xa1, 0x61, 0x01])), ERRNO.EPROTO, /a message is an array/],
    ['deep-nesting', frame(nested(1000)), ERRNO.EPROTO, /nested deeper than 16 levels/],
    ['deepest-nesting', frame(nested(MAX_FRAME_BYTES - 1)), ERRNO.EPROTO, /nested deeper than 16 levels/],
    [
      'absurd-count',
      frame(Buffer.from([0x93, 0x01, 0x02, 0xdd, 0xff, 0xff, 0xff, 0xff])),
      ERRNO.EPROTO,
      /4294967295 values announced and 0 bytes left/,
    ],
    [
      'absurd-string',
      frame(Buffer.from([0x91, 0xdb, 0x7f, 0xff, 0xff, 0xff])),
      ERRNO.EPROTO,
      /a value of 2147483647 bytes with 0 bytes left/,
    ],
    ['extension-type', frame(Buffer.from([0x91, 0xd4, 0x01, 0x00])), ERRNO.EPROTO, /extension types/],
    ['bytes-behind-the-message', frame(Buffer.from([0x90, 0x00])), ERRNO.EPROTO, /1 bytes behind the message/],
    [
      'prototype-as-a-key',
      frame(Buffer.concat([Buffer.from([0x91, 0x81, 0xa9]), Buffer.from('__proto__'), Buffer.from([0x90])])),
      ERRNO.EPROTO,
      /__proto__/,
    ],
    ['empty-message', frame(Buffer.from([0x90])), ERRNO.EPROTO, /a request is \[id, code, arguments\]/],
    [
      'id-no-number',
      frame(Buffer.from([0x93, 0xa1, 0x61, 0x01, 0x90])),
      ERRNO.EPROTO,
      /a request is \[id, code, arguments\]/,
    ],
    ['id-negative', encodeFrame([-1, HELLO, []]), ERRNO.EPROTO, /a request is \[id, code, arguments\]/],
    ['id-a-fraction', encodeFrame([0.5, HELLO, []]), ERRNO.EPROTO, /a request is \[id, code, arguments\]/],
    ['code-no-number', encodeFrame([1, 'HELLO', []]), ERRNO.EPROTO, /a request is \[id, code, arguments\]/],
  ])('%s', async (_, bytes, errno, sentence) => {
    // As the first thing ever said, and in the middle of a conversation.
    for (const peer of [await stranger(), await greeted('hl0')]) {
      peer.send(bytes);
      expect(await lastWord(peer)).toEqual([0, errno, expect.stringMatching(sentence)]);
    }
  });

  it('truncated', async () => {
    const whole = encodeFrame(hello);
    for (const length of [1, 3, 4, 5, whole.length - 1]) {
      const peer = await stranger();
      peer.socket.end(whole.subarray(0, length));
      expect(await peer.next()).toBe(CLOSED);
    }
  });

  it('one-byte-at-a-time', async () => {
    const peer = await stranger();
    for (const byte of encodeFrame(hello)) {
      peer.send(Uint8Array.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await peer.next()).toEqual([1, 0, expect.anything()]);
  });

  it('nothing-is-heard-after-the-error', async () => {
    const peer = await stranger();
    peer.send(Buffer.concat([frame(Buffer.from([0xc0])), encodeFrame(hello), encodeFrame(hello)]));
    expect(await lastWord(peer)).toEqual([0, ERRNO.EPROTO, expect.stringContaining('malformed message')]);
  });

  it('random-bytes', async () => {
    const prng = new Prng(8);
    for (let i = 0; i < 200; i++) {
      const peer = await stranger();
      // A plausible length in front of half of them, so that the decoder gets to see something.
      const body = prng.bytes(1 + prng.below(64));
      peer.socket.end(i % 2 === 0 ? frame(body) : Buffer.from(body));
      const heard = await peer.next();
      if (heard !== CLOSED) {
        expect(heard).toEqual([expect.any(Number), expect.any(Number), expect.any(String)]);
        expect([ERRNO.EPROTO, ERRNO.EMSGSIZE]).toContain(heard[1]);
      }
    }
  });
});

describe('the order of a conversation', () => {
  it('unknown-version', async () => {
    for (const version of [0, 2, 0xffff_ffff, 'one', null, []]) {
      const peer = await stranger();
      // Another version may have other arguments: they are not looked at.
      peer.sendMessage([1, HELLO, [version, { more: true }]]);
      const [id, errno, sentence] = (await lastWord(peer)) as unknown[];
      expect([id, errno]).toEqual([1, ERRNO.EPROTONOSUPPORT]);
      expect(sentence).toMatch(
        /the client speaks protocol .*, this daemon 1; use a client and a daemon of the same release/,
      );
    }
  });

  it.each([
    ['open', [1, entryOf('OPEN').code, ['hl0']]],
    ['ioctl', [1, entryOf('CB_CREATE').code, [4096, 0]]],
    ['unknown-call', [1, 0xffff, []]],
    ['raw-call', [1, commandNumber(2, 24), new Uint8Array(24), []]],
  ])('before-hello-%s', async (_, message) => {
    const peer = await stranger();
    peer.sendMessage(message);
    expect(await lastWord(peer)).toEqual([1, ERRNO.EPROTO, 'the first frame must be HELLO']);
  });

  it('hello-twice', async () => {
    const peer = await greeted();
    peer.sendMessage(hello);
    expect(await lastWord(peer)).toMatchObject([
      1,
      ERRNO.EINVAL,
      expect.stringContaining('HELLO opens a conversation'),
    ]);
  });

  it('ioctl-before-open', async () => {
    const peer = await greeted();
    for (const name of ['CB_CREATE', 'CS', 'INFO_DEVICE_STATUS', 'MMAP', 'HOST_ALLOC', 'DMABUF_IMPORT'] as const) {
      const reply = await peer.exchange([7, entryOf(name).code, []]);
      expect(reply).toEqual([
        7,
        ERRNO.ENOTTY,
        expect.stringContaining('no device node is open on this connection; OPEN one first'),
      ]);
    }
    // The connection lives on.
    expect(await peer.call('OPEN', { node: 'hl0' })).toMatchObject({ device: 0 });
  });

  it('open-twice', async () => {
    const peer = await greeted('hl0');
    for (const node of ['hl0', 'hl_controlD0']) {
      expect(await peer.ask('OPEN', { node })).toEqual([
        ERRNO.EINVAL,
        expect.stringContaining('this connection is hl0'),
      ]);
    }
    expect(await peer.call('CB_CREATE', { size: 4096, flags: 0 })).toHaveProperty('handle');
  });

  it('two-opens-in-one-write', async () => {
    const peer = await greeted();
    const open = entryOf('OPEN').code;
    peer.send(Buffer.concat([encodeFrame([1, open, ['hl0']]), encodeFrame([2, open, ['hl0']])]));
    const replies = [await peer.next(), await peer.next()].map((reply) => (reply as unknown[]).slice(0, 2));
    expect(replies).toEqual(
      expect.arrayContaining([
        [1, 0],
        [2, ERRNO.EINVAL],
      ]),
    );
  });

  it.each([
    ['hl1', ERRNO.ENXIO, /this machine has 1 devices/],
    ['hl_controlD7', ERRNO.ENXIO, /this machine has 1 devices/],
    ['hl01', ERRNO.ENOENT, /no device node is called "hl01"/],
    ['', ERRNO.ENOENT, /no device node is called ""/],
    ['../hl0', ERRNO.ENOENT, /no device node is called/],
    ['hl99999999999', ERRNO.ENOENT, /no device node is called/],
  ])('unknown-node-%s', async (node, errno, sentence) => {
    const peer = await greeted();
    expect(await peer.ask('OPEN', { node })).toEqual([errno, expect.stringMatching(sentence)]);
    expect(await peer.call('OPEN', { node: 'hl0' })).toMatchObject({ device: 0 });
  });

  it('gone-during-open', async () => {
    for (let i = 0; i < 20; i++) {
      const peer = await greeted();
      peer.socket.end(encodeFrame([1, entryOf('OPEN').code, ['hl0']]));
      await peer.next();
    }
  });

  it('control-node-knows-no-work', async () => {
    const peer = await greeted('hl_controlD0');
    for (const name of ['CB_CREATE', 'CS', 'MEMORY_ALLOC', 'WAIT_CS'] as const) {
      const reply = await peer.exchange([1, entryOf(name).code, []]);
      expect(reply).toEqual([1, ERRNO.ENOTTY, `the control node does not answer ${name}`]);
    }
    expect(await peer.call('INFO_DEVICE_STATUS', {})).toEqual({ status: 0 });
  });
});

describe('requests that are no calls', () => {
  it('unknown-code', async () => {
    const peer = await greeted('hl0');
    for (const code of [0, 1, 0x7fff_ffff, 0xffff_ffff, 2 ** 40, -1, 1.5, Number.NaN]) {
      const reply = (await peer.exchange([3, code, []])) as unknown[];
      expect(reply).toEqual([3, ERRNO.ENOTTY, expect.stringContaining('no call has the code')]);
    }
  });

  it.each<[string, unknown, RegExp]>([
    ['no-arguments', undefined, /expected an array/],
    ['arguments-null', null, /expected an array/],
    ['too-few', [4096], /expected 2 fields \(size, flags\)/],
    ['too-many', [4096, 0, 0], /expected 2 fields \(size, flags\)/],
    ['text-for-a-number', ['4096', 0], /size: expected an integer from 0 to 4294967295, got "4096"/],
    ['negative', [-1, 0], /size: expected an integer/],
    ['fraction', [0.5, 0], /size: expected an integer/],
    ['too-large', [2 ** 32, 0], /size: expected an integer/],
    ['bytes', [Buffer.from('x'), 0], /size: expected an integer/],
    ['an-object', { size: 4096, flags: 0 }, /expected an array/],
  ])('wrong-types-%s', async (_, args, sentence) => {
    const peer = await greeted('hl0');
    const message = args === undefined ? [9, entryOf('CB_CREATE').code] : [9, entryOf('CB_CREATE').code, args];
    expect(await peer.exchange(message)).toEqual([9, ERRNO.EINVAL, expect.stringMatching(sentence)]);
    expect(await peer.call('CB_CREATE', { size: 4096, flags: 0 })).toHaveProperty('handle');
  });

  it('wrong-type-deep-inside', async () => {
    const peer = await greeted('hl0');
    const chunk = [1n, 0, 64, 0];
    const reply = await peer.exchange([1, entryOf('CS').code, [[], [chunk, [1n, 'DMA_0_0', 64, 0]], 0, 0, 0]]);
    expect(reply).toEqual([
      1,
      ERRNO.EINVAL,
      expect.stringMatching(/^chunksExecute\[1\]\.queueIndex: expected an integer/),
    ]);
  });

  it('raw-buffers-of-the-wrong-type', async () => {
    const peer = await greeted('hl0');
    peer.sendMessage([1, commandNumber(2, 24), new Uint8Array(24), [12]]);
    expect(await lastWord(peer)).toEqual([1, ERRNO.EPROTO, expect.stringContaining('a raw request is')]);
  });
});

describe('floods', () => {
  it('requests-whose-replies-nobody-reads', async () => {
    const peer = await greeted('hl0');
    peer.socket.pause();
    const before = await residentBytes();
    // Each of these small requests has a large answer. Sent until the daemon takes no more, which it has to stop doing.
    const requests = Buffer.concat(
      Array.from({ length: 512 }, (_, i) => encodeFrame([i + 1, entryOf('INFO_HW_IP_INFO').code, []])),
    );
    let sent = 0;
    while (sent < 64 * MIB && peer.socket.writableLength < 8 * MIB) {
      peer.send(requests);
      sent += requests.length;
      await other.roundTrip(sent);
    }
    expect(peer.socket.writableLength, 'the daemon never stopped reading').toBeGreaterThanOrEqual(8 * MIB);
    expect((await residentBytes()) - before).toBeLessThan(64 * MIB);
  });

  it('a-late-reader-gets-every-reply', async () => {
    const peer = await greeted('hl0');
    const count = 20_000;
    peer.socket.pause();
    for (let i = 1; i <= count; i++) {
      peer.sendMessage([i, entryOf('INFO_HW_IP_INFO').code, []]);
    }
    await other.roundTrip(2);
    peer.socket.resume();
    for (let i = 1; i <= count; i++) {
      expect(((await peer.next()) as unknown[]).slice(0, 2)).toEqual([i, 0]);
    }
  });

  it('more-waits-than-may-be-in-flight', async () => {
    const peer = await greeted();
    const { sideToken } = await peer.call('OPEN', { node: 'hl0' });
    using memory = await RawMemory.attach(peer, daemon().socketPath, sideToken);
    const { handle } = await peer.call('CB_CREATE', { size: 4096, flags: 0 });
    const bytes = await memory.map(handle);
    encodeFence(new Uint32Array(bytes.buffer, bytes.byteOffset, 2), 0, { id: 0, target: 1, dec: 0 });
    const chunk = { handle: BigInt(handle), queueIndex: 0, size: 8, flags: 0 };
    const { seq } = await peer.call('CS', {
      chunksRestore: [],
      chunksExecute: [chunk],
      seq: 0,
      timeoutSec: 0,
      flags: 0,
    });

    const tooMany = 100;
    const wait = (id: number) => encodeFrame([id, entryOf('WAIT_CS').code, [seq, 2n ** 63n - 1n, 0]]);
    peer.send(Buffer.concat(Array.from({ length: MAX_IN_FLIGHT + tooMany }, (_, i) => wait(i + 1))));
    for (let i = 0; i < tooMany; i++) {
      const sentence = `${MAX_IN_FLIGHT} requests of this client are unanswered; read the replies first`;
      expect(await peer.next()).toEqual([MAX_IN_FLIGHT + i + 1, ERRNO.EAGAIN, sentence]);
    }
  });

  it('thousands-of-partial-frames', async () => {
    const before = await residentBytes();
    const count = 2000;
    const sockets: RawPeer[] = [];
    while (sockets.length < count) {
      // Greeted, so that no more of them wait to be accepted than the system lets wait.
      sockets.push(...(await Promise.all(Array.from({ length: 100 }, () => greeted()))));
    }
    // The longest frame there may be, of which a few bytes come, and then nothing.
    for (const peer of sockets) {
      peer.send(frame(Buffer.from([0x93, 0x01]), MAX_FRAME_BYTES));
    }
    await other.roundTrip(3);
    expect((await residentBytes()) - before, 'far less than a frame each').toBeLessThan((count * MAX_FRAME_BYTES) / 8);
  });

  it('connections-that-come-and-go', async () => {
    for (let i = 0; i < 500; i++) {
      const socket = createConnection(daemon().socketPath);
      socket.on('error', () => undefined);
      socket.on('connect', () => socket.destroy());
      if (i % 50 === 0) {
        await other.roundTrip(i);
      }
    }
  });
});

describe('side channel', () => {
  it('token-of-nobody', async () => {
    for (const token of [new Uint8Array(16), new Uint8Array(0), new Prng(1).bytes(16)]) {
      const peer = await stranger();
      const reply = await peer.exchange([1, entryOf('SIDE_CHANNEL').code, [token]]);
      expect(reply).toEqual([
        1,
        ERRNO.EPERM,
        expect.stringContaining('no file of this process has the side-channel token'),
      ]);
    }
  });

  it('token-too-long', async () => {
    const peer = await stranger();
    const reply = await peer.exchange([1, entryOf('SIDE_CHANNEL').code, [new Uint8Array(17)]]);
    expect(reply).toEqual([1, ERRNO.EINVAL, expect.stringMatching(/token: expected at most 16 bytes, got 17 bytes/)]);
  });

  it('in-the-middle-of-a-conversation', async () => {
    const peer = await greeted();
    const { sideToken } = await peer.call('OPEN', { node: 'hl0' });
    peer.sendMessage([9, entryOf('SIDE_CHANNEL').code, [sideToken]]);
    expect(await lastWord(peer)).toMatchObject([
      9,
      ERRNO.EINVAL,
      expect.stringContaining('SIDE_CHANNEL opens a conversation'),
    ]);
  });

  it('carries-descriptors-and-nothing-else', async () => {
    const main = await greeted();
    const { sideToken } = await main.call('OPEN', { node: 'hl0' });
    const attach = [1, entryOf('SIDE_CHANNEL').code, [sideToken]];
    const side = await stranger();
    expect(await side.exchange(attach)).toEqual([1, 0, []]);
    const second = await stranger();
    expect(await second.exchange(attach)).toEqual([
      1,
      ERRNO.EINVAL,
      expect.stringContaining('has a side channel already'),
    ]);
    side.sendMessage([2, HELLO, [PROTOCOL_VERSION, 'x']]);
    expect(await lastWord(side)).toEqual([2, ERRNO.EPROTO, 'a side channel carries descriptors only']);
    // With its end, the file may have another.
    const third = await stranger();
    expect(await third.exchange(attach)).toEqual([1, 0, []]);
  });

  it('mmap-without-one', async () => {
    const peer = await greeted('hl0');
    const { handle } = await peer.call('CB_CREATE', { size: 4096, flags: 0 });
    expect(await peer.ask('MMAP', { offset: handle })).toEqual([
      ERRNO.ENOTCONN,
      expect.stringContaining('open it first (SIDE_CHANNEL)'),
    ]);
    // Refused whole: it is not mapped now.
    expect(await peer.ask('MUNMAP', { offset: handle })).toEqual([
      ERRNO.EINVAL,
      expect.stringContaining('is not mapped'),
    ]);
    await peer.call('CB_DESTROY', { handle });
    expect(await peer.ask('CB_INFO', { handle, flags: 0 })).toEqual([
      ERRNO.EINVAL,
      expect.stringContaining('no object'),
    ]);
  });

  it('that-never-reads', async () => {
    const main = await greeted();
    const { sideToken } = await main.call('OPEN', { node: 'hl0' });
    const side = await stranger();
    expect(await side.exchange([1, entryOf('SIDE_CHANNEL').code, [sideToken]])).toEqual([1, 0, []]);
    side.socket.pause();
    // Each has a segment of its own, and each segment's descriptor waits to be received.
    const outcomes = new Set<number>();
    for (let i = 0; i < 400; i++) {
      const { handle } = await main.call('HOST_ALLOC', { size: 8 * MIB });
      outcomes.add((await main.ask('MMAP', { offset: handle }))[0]);
    }
    expect([...outcomes].every((errno) => errno === 0 || errno === ERRNO.EAGAIN)).toBe(true);
  });
});
