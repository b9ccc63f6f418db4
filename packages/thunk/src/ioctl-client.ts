/**
 * The client's end of a connection: requests out, replies back to whoever asked.
 *
 * Owns: request ids, what is pending, the bound on requests in flight, how a failed reply becomes an HlError, and what every
 * call says once the daemon is gone.
 * Must not know: what any call is for. Devices, memory and submissions are built on top.
 */
import { ERRNO, type ErrnoCode, errnoCode, HlError } from '@pedrera/base';
import { entryOf, type IoctlName, MAX_IN_FLIGHT, type Req, type Res, resFromWire, toWire } from '@pedrera/uapi';
import type { Connection } from '@pedrera/wire';

/** [id, 0, [result fields]] or [id, errno, sentence]. */
export type Reply = readonly unknown[];
type Sink = (reply: Reply) => void;

/** Why no call can succeed any more. */
interface Ending {
  readonly code: ErrnoCode;
  readonly why: string;
}

export class IoctlClient {
  readonly #connection: Connection;
  readonly #pending = new Map<number, Sink>();
  /** Frames beyond the agreed number in flight, in order; `#sent` of them have left. */
  #backlog: (readonly unknown[])[] = [];
  #sent = 0;
  #inFlight = 0;
  #maxInFlight = MAX_IN_FLIGHT;
  #nextId = 1;
  #peer: string;
  #ending: Ending | undefined;
  readonly #closed: Promise<void>;

  /** `peer` names the other side in errors. */
  constructor(connection: Connection, peer: string) {
    this.#connection = connection;
    this.#peer = peer;
    this.#closed = new Promise((resolve) => {
      connection.onClose((reason) => {
        this.#end(
          'ENODEV',
          `the connection to ${this.#peer} is gone${reason === undefined ? '' : ` (${reason.message})`}`,
        );
        resolve();
      });
    });
    connection.onMessage((message) => this.#received(message));
    connection.onProtocolError((error) => connection.destroy(error));
  }

  /** Once HELLO has told them: the daemon's pid for errors, and how many requests it lets wait for replies. */
  greeted(peer: string, maxInFlight: number): void {
    this.#peer = peer;
    this.#maxInFlight = Math.max(1, maxInFlight);
  }

  /** Requests whose replies are still to come. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Resolves when the connection is gone, whoever ended it. */
  get closed(): Promise<void> {
    return this.#closed;
  }

  /** False once the daemon is gone or `close()` was called. */
  get alive(): boolean {
    return this.#ending === undefined;
  }

  /**
   * One typed call. Rejects with HlError: EINVAL with the field's path before anything is sent, else the errno of the daemon;
   * ENODEV when the daemon goes away, EBADF after `close()`.
   *
   * The error is made here, after the await, and not where the reply arrives: so the engine finds the awaiting callers and the
   * caller's own line is in the stack, at no cost to calls that succeed.
   */
  async call<N extends IoctlName>(name: N, req: Req<N>): Promise<Res<N>> {
    const entry = entryOf(name);
    const reply = await this.exchange(entry.code, toWire(entry, req));
    if (reply[1] !== 0) throw replyError(reply, name);
    return resFromWire(entry, reply[2]) as Res<N>;
  }

  /** Like `call` for a request that is on the wire's form already. Resolves with the reply, a failed one too; never rejects for a reason of the peer. */
  exchange(code: number, fields: readonly unknown[]): Promise<Reply> {
    return new Promise((resolve) => this.#post(code, fields, resolve));
  }

  /** Several requests of one kind, pipelined: they leave in one write, and one promise resolves with all replies in order. */
  exchangeAll(code: number, requests: readonly (readonly unknown[])[]): Promise<Reply[]> {
    if (requests.length === 0) return Promise.resolve([]);
    return new Promise((resolve) => {
      const replies: Reply[] = new Array(requests.length);
      let left = requests.length;
      requests.forEach((fields, i) => {
        this.#post(code, fields, (reply) => {
          replies[i] = reply;
          left -= 1;
          if (left === 0) resolve(replies);
        });
      });
    });
  }

  /** Ends the connection, which is close(2) of the file; resolves when the socket is closed. Pending and later calls fail with EBADF. */
  close(): Promise<void> {
    this.#end('EBADF', 'this program closed it');
    this.#connection.close();
    return this.#closed;
  }

  /** Gives the connection up at once, for a reason that later calls repeat. */
  abandon(error: HlError): void {
    this.#end(error.code, error.detail ?? error.message);
    this.#connection.destroy(error);
  }

  #post(code: number, fields: readonly unknown[], sink: Sink): void {
    const ending = this.#ending;
    if (ending !== undefined) {
      sink([0, ERRNO[ending.code], ending.why]);
      return;
    }
    const id = this.#nextId;
    this.#nextId = id === 0xffff_ffff ? 1 : id + 1;
    const frame = [id, code, fields];
    if (this.#inFlight < this.#maxInFlight) {
      // Sent before it counts as pending: a message longer than the limit throws here and leaves nothing behind.
      this.#connection.send(frame);
      this.#inFlight += 1;
    } else {
      this.#backlog.push(frame);
    }
    this.#pending.set(id, sink);
  }

  #received(message: readonly unknown[]): void {
    const id = message[0] as number;
    // Id 0 is for what no request asked for: events, of which this version has none, and the last word before the daemon hangs up.
    if (id === 0) {
      if (typeof message[1] === 'number' && message[1] !== 0)
        this.#end(errnoCode(message[1]) ?? 'EPROTO', `${this.#peer} refused the conversation: ${String(message[2])}`);
      return;
    }
    const sink = this.#pending.get(id);
    if (sink === undefined) {
      this.#connection.destroy(new HlError('EPROTO', `a reply to request ${String(id)}, which was never made`));
      return;
    }
    this.#pending.delete(id);
    this.#inFlight -= 1;
    if (this.#sent < this.#backlog.length) this.#sendBacklog();
    sink(message);
  }

  #sendBacklog(): void {
    while (this.#inFlight < this.#maxInFlight) {
      const frame = this.#backlog[this.#sent];
      if (frame === undefined) {
        this.#backlog = [];
        this.#sent = 0;
        return;
      }
      this.#sent += 1;
      this.#inFlight += 1;
      this.#transmitLate(frame);
    }
  }

  /** The caller of a frame in the backlog is told of a failure like of any other: by a reply. */
  #transmitLate(frame: readonly unknown[]): void {
    try {
      this.#connection.send(frame);
    } catch (error) {
      const { errno, detail } = error instanceof HlError ? error : new HlError('EIO', String(error));
      const id = frame[0] as number;
      const sink = this.#pending.get(id);
      this.#pending.delete(id);
      this.#inFlight -= 1;
      sink?.([id, errno, detail ?? '']);
    }
  }

  #end(code: ErrnoCode, why: string): void {
    if (this.#ending !== undefined) return;
    this.#ending = { code, why };
    this.#backlog = [];
    this.#sent = 0;
    const reply: Reply = [0, ERRNO[code], `${why} while the call was under way`];
    const sinks = [...this.#pending.values()];
    this.#pending.clear();
    for (const sink of sinks) sink(reply);
  }
}

/** The error a failed reply stands for. Call it in an async function, after the await: see IoctlClient.call. */
export function replyError(reply: Reply, name: IoctlName): HlError {
  const number = reply[1];
  const detail = typeof reply[2] === 'string' && reply[2] !== '' ? reply[2] : undefined;
  const code = typeof number === 'number' ? errnoCode(number) : undefined;
  if (code !== undefined) return new HlError(code, detail, name);
  return new HlError(
    'EIO',
    `the daemon answered with the unknown errno ${String(number)}${detail === undefined ? '' : `: ${detail}`}`,
    name,
  );
}
