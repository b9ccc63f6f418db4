/**
 * One connected socket as a pair of message queues.
 *
 * Owns: coalescing (what is sent in one turn of the event loop leaves in one write), back-pressure, how a connection ends.
 * Must not know: what messages mean, ioctls, devices.
 */
import type { Socket } from 'node:net';
import { ERRNO, type ErrnoCode, errno, HlError } from '@pedrera/base';
import { decodeMessage } from './decode.js';
import { FrameWriter } from './encode.js';
import { FRAME_HEADER_BYTES, FrameError, FrameReader } from './frame.js';
import { type PeerCredentials, peerCredentials } from './peer-credentials.unsafe.js';
import { sendDescriptor } from './side-channel.unsafe.js';

export interface ConnectionOptions {
  /** Longest body of a frame, in either direction. */
  readonly maxFrameBytes: number;
  /**
   * While more than this is unsent, nothing is read: a peer that does not take its answers costs only itself. For the end that
   * answers. The end that asks has none, which is the default: if both could stop reading, both could wait for ever.
   */
  readonly highWaterBytes?: number;
}

/** Frames of one turn gather in a buffer of this size, and leave earlier when it is three quarters full. */
const OUT_BYTES = 64 * 1024;
const FLUSH_BYTES = 48 * 1024;

// One spare gathering buffer for all connections: a turn seldom answers more than one.
let spare: Buffer | null = null;

type State = 'open' | 'closing' | 'closed';

/** Sees the body of each frame, `bytes[from..to)`, before it is handed out and after it is queued. May keep nothing of the bytes. */
export type FrameTap = (direction: 'in' | 'out', bytes: Uint8Array, from: number, to: number) => void;

/**
 * Reading starts when `onMessage` is called. Handlers are set once, each; messages arrive in order, one at a time.
 * The socket belongs to the connection from here on.
 */
export class Connection {
  readonly #socket: Socket;
  readonly #maxFrameBytes: number;
  readonly #highWaterBytes: number;
  readonly #reader: FrameReader;

  #state: State = 'open';
  #reason: Error | undefined;
  #message: ((message: unknown[]) => void) | null = null;
  #closed: ((reason?: Error) => void) | null = null;
  #protocolError: ((error: FrameError) => void) | null = null;

  #out: FrameWriter | null = null;
  #flushScheduled = false;
  /** 'held': too much is unsent. 'off': the peer broke the protocol. */
  #reading: 'on' | 'held' | 'off' = 'on';
  #delivering = false;
  #peer: PeerCredentials | undefined;
  #tap: FrameTap | null = null;

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#maxFrameBytes = options.maxFrameBytes;
    // Below its own mark the socket would not tell us when it has drained.
    this.#highWaterBytes = Math.max(options.highWaterBytes ?? Number.POSITIVE_INFINITY, socket.writableHighWaterMark);
    this.#reader = new FrameReader(options.maxFrameBytes);
    socket.on('drain', () => this.#drained());
    socket.on('end', () => this.#ended());
    socket.on('error', (error) => this.#note(readable(error)));
    socket.on('close', () => this.#hasClosed());
  }

  /** Calls `fn` for each message, and starts reading. */
  onMessage(fn: (message: unknown[]) => void): void {
    const reading = this.#message !== null;
    this.#message = fn;
    if (reading || this.#state !== 'open') return;
    this.#socket.on('data', (chunk: Buffer) => this.#received(chunk));
    this.#socket.resume();
  }

  /** Calls `fn` exactly once, when nothing will be sent or received any more. No reason: one of the two sides closed in good order. */
  onClose(fn: (reason?: Error) => void): void {
    this.#closed = fn;
    if (this.#state === 'closed') process.nextTick(() => this.#tellClosed());
  }

  /**
   * Calls `fn` at most once, when the peer has sent what no peer should; nothing is read after that. `fn` may still
   * send a last word and should close. Without a handler the connection is destroyed.
   */
  onProtocolError(fn: (error: FrameError) => void): void {
    this.#protocolError = fn;
  }

  /** Calls `tap` for each frame from now on; null: no more. */
  tap(tap: FrameTap | null): void {
    this.#tap = tap;
  }

  /**
   * Queues a message; never blocks. Ignored once the connection is closing: answers to a peer that has gone are nobody's error.
   * Throws HlError EMSGSIZE for a message longer than `maxFrameBytes`, and sends nothing of it.
   */
  send(message: readonly unknown[]): void {
    if (this.#state !== 'open') return;
    this.#out ??= new FrameWriter(takeBuffer());
    const from = this.#out.length;
    this.#out.append(message, this.#maxFrameBytes);
    this.#tap?.('out', this.#out.buffer, from + FRAME_HEADER_BYTES, this.#out.length);
    if (this.#out.length >= FLUSH_BYTES) this.#flush();
    else if (!this.#delivering && !this.#flushScheduled) {
      this.#flushScheduled = true;
      process.nextTick(this.#flushLater);
    }
  }

  /**
   * Hands an open descriptor to the peer, behind everything sent before it. Only a raw receiver (SideChannel) can take it.
   * Throws HlError EAGAIN when the peer has not taken what was sent before.
   */
  sendDescriptor(tag: number, fd: number): void {
    if (this.#state !== 'open') throw errno('ENOTCONN', 'the side connection is closed');
    this.#flush();
    if (this.#socket.writableLength > 0)
      throw errno('EAGAIN', `${this.#socket.writableLength} bytes wait in front of the descriptor`);
    sendDescriptor(this.fd, tag, fd);
  }

  /** Sends what is queued, then closes both directions. Messages that arrive meanwhile are dropped. */
  close(): void {
    if (this.#state !== 'open') return;
    this.#flush();
    this.#state = 'closing';
    this.#socket.pause();
    this.#socket.destroySoon();
  }

  /** Closes at once; what is queued is lost. */
  destroy(reason?: Error): void {
    if (this.#state === 'closed') return;
    this.#state = 'closing';
    this.#note(reason);
    this.#out = null;
    this.#socket.destroy();
  }

  /** The descriptor of the socket, -1 when there is none any more. */
  get fd(): number {
    return (this.#socket as unknown as { _handle: { fd?: number } | null })._handle?.fd ?? -1;
  }

  get closed(): boolean {
    return this.#state === 'closed';
  }

  /** Bytes queued here or in the socket that the operating system has not taken. */
  get unsentBytes(): number {
    return (this.#out?.length ?? 0) + this.#socket.writableLength;
  }

  /** Who connected, from the operating system. Throws HlError when the connection has gone before anyone asked. */
  peer(): PeerCredentials {
    this.#peer ??= peerCredentials(this.fd);
    return this.#peer;
  }

  #received(chunk: Buffer): void {
    if (this.#state !== 'open' || this.#reading === 'off') return;
    this.#reader.push(chunk);
    if (!this.#delivering) this.#deliver();
  }

  /** Hands out frames until the chunk is empty, or until too much is unsent: then the rest of the chunk waits too. */
  #deliver(): void {
    const reader = this.#reader;
    let threw = true;
    this.#delivering = true;
    try {
      while (this.#reading === 'on' && this.#state === 'open') {
        const message = this.#next(reader);
        if (message === null) break;
        this.#message?.(message);
      }
      threw = false;
    } finally {
      this.#delivering = false;
      this.#flush();
      // That a handler throws is for the process to judge; the messages behind this one are not to blame.
      if (threw) process.nextTick(() => this.#deliver());
    }
  }

  #next(reader: FrameReader): unknown[] | null {
    try {
      if (!reader.next()) return null;
      const message = decodeMessage(reader.bytes, reader.start, reader.end);
      this.#tap?.('in', reader.bytes, reader.start, reader.end);
      return message;
    } catch (error) {
      this.#malformed(
        error instanceof FrameError
          ? error
          : new FrameError('EPROTO', `undecodable message: ${(error as Error).message}`),
      );
      return null;
    }
  }

  #malformed(error: FrameError): void {
    this.#reading = 'off';
    this.#socket.pause();
    this.#note(error);
    if (this.#protocolError === null) this.destroy();
    else this.#protocolError(error);
  }

  readonly #flushLater = (): void => {
    this.#flushScheduled = false;
    this.#flush();
  };

  #flush(): void {
    const out = this.#out;
    if (out === null || out.length === 0) return;
    this.#out = null;
    const bytes = out.buffer.subarray(0, out.length);
    if (this.#socket.writableLength > 0) {
      // It will wait, so it waits in a buffer of its own size.
      this.#write(Buffer.from(bytes));
    } else {
      this.#write(bytes);
      // Something left in the socket is left in this buffer. Nothing left means that the operating system has copied it all.
      if (this.#socket.writableLength > 0) return;
    }
    if (out.buffer.length === OUT_BYTES) spare = out.buffer;
  }

  #write(bytes: Buffer): void {
    this.#socket.write(bytes);
    if (this.#reading === 'on' && this.#socket.writableLength > this.#highWaterBytes) {
      this.#reading = 'held';
      this.#socket.pause();
    }
  }

  /** The operating system has taken everything. */
  #drained(): void {
    if (this.#reading !== 'held' || this.#state !== 'open') return;
    this.#reading = 'on';
    this.#deliver();
    if (this.#reading === 'on' && this.#state === 'open') this.#socket.resume();
  }

  /** End of file is the last word of a client, as the last close of a file is; what it has not read it will never read. */
  #ended(): void {
    const unfinished = this.#reader.unfinishedBytes;
    if (this.#state === 'open' && unfinished > 0) {
      this.#note(new FrameError('EPROTO', `the connection ended ${unfinished} bytes into a frame`));
    }
    this.destroy();
  }

  #note(reason: Error | undefined): void {
    this.#reason ??= reason;
  }

  #hasClosed(): void {
    this.#state = 'closed';
    this.#out = null;
    this.#tellClosed();
  }

  #tellClosed(): void {
    const handler = this.#closed;
    this.#closed = null;
    handler?.(this.#reason);
  }
}

function takeBuffer(): Buffer {
  const buffer = spare ?? Buffer.allocUnsafeSlow(OUT_BYTES);
  spare = null;
  return buffer;
}

/** Socket errors with an errno of ours become HlError, so callers can match on `code` everywhere. */
function readable(error: NodeJS.ErrnoException): Error {
  if (error instanceof HlError || error.code === undefined || !(error.code in ERRNO)) return error;
  return errno(error.code as ErrnoCode, error.message);
}
