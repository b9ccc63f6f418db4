/**
 * A client without manners: a bare socket on which any bytes can be sent.
 *
 * Owns: frames in and out of one socket, and its end. Must not use the library's Connection, which has manners.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { entryOf, type IoctlName, PROTOCOL_VERSION, type Req, type Res, resFromWire, toWire } from '@pedrera/uapi';
import { decodeMessage, encodeFrame, FrameReader } from '@pedrera/wire';

/** What a peer that is told nothing more sees. */
export const CLOSED = 'closed';
export type Heard = readonly unknown[] | typeof CLOSED;

export class RawPeer implements AsyncDisposable {
  readonly socket: Socket;
  readonly #heard: Heard[] = [];
  readonly #reader = new FrameReader(Number.MAX_SAFE_INTEGER);
  #wake: (() => void) | undefined;
  #nextId = 1;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#reader.push(chunk);
      while (this.#reader.next()) {
        this.#tell(decodeMessage(this.#reader.bytes, this.#reader.start, this.#reader.end));
      }
    });
    // A daemon that hangs up while we still write resets the connection: no error of a peer without manners.
    socket.on('error', () => undefined);
    socket.on('close', () => this.#tell(CLOSED));
  }

  static async connect(socketPath: string): Promise<RawPeer> {
    const socket = connect(socketPath);
    await once(socket, 'connect');
    return new RawPeer(socket);
  }

  /** One that has said HELLO, and OPEN where a node is named. */
  static async greeted(socketPath: string, node?: string): Promise<RawPeer> {
    const peer = await RawPeer.connect(socketPath);
    await peer.call('HELLO', { version: PROTOCOL_VERSION, program: 'raw peer' });
    if (node !== undefined) {
      await peer.call('OPEN', { node });
    }
    return peer;
  }

  /** Any bytes. */
  send(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  /** A frame with any message; returns what was sent. */
  sendMessage(message: readonly unknown[]): void {
    this.send(encodeFrame(message));
  }

  /** The next frame, or CLOSED. Frames that came before the end are heard before it. */
  async next(): Promise<Heard> {
    for (;;) {
      const heard = this.#heard[0];
      if (heard !== undefined) {
        // The end stays: whoever asks again hears it again.
        return heard === CLOSED ? heard : (this.#heard.shift() as Heard);
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Sends a message and returns the next frame, which has to be its answer. */
  async exchange(message: readonly unknown[]): Promise<Heard> {
    this.sendMessage(message);
    return this.next();
  }

  /** A call as the table spells it, answered: `[errno, sentence]` or `[0, result]`. */
  async ask<N extends IoctlName>(name: N, req: Req<N>): Promise<readonly [errno: number, answer: unknown]> {
    const id = this.#nextId++;
    const entry = entryOf(name);
    const reply = await this.exchange([id, entry.code, toWire(entry, req)]);
    if (reply === CLOSED || reply[0] !== id) {
      throw new Error(`${name}: expected a reply to ${id}, heard ${JSON.stringify(reply)}`);
    }
    return [reply[1] as number, reply[2]];
  }

  /** As ask(), but the call has to succeed. */
  async call<N extends IoctlName>(name: N, req: Req<N>): Promise<Res<N>> {
    const [errno, answer] = await this.ask(name, req);
    if (errno !== 0) {
      throw new Error(`${name}: errno ${errno}, ${String(answer)}`);
    }
    return resFromWire(entryOf(name), answer) as Res<N>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.socket.destroyed) {
      this.socket.destroy();
      await once(this.socket, 'close');
    }
  }

  #tell(heard: Heard): void {
    this.#heard.push(heard);
    this.#wake?.();
  }
}
