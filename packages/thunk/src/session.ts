/**
 * One conversation with the daemon, from connect to close.
 *
 * Owns: greeting, opening a node, what an open file is to all objects made from it (its client, its mapped memory, its clock), and the
 * order in which it is torn down.
 * Must not know: command buffers, memory, submissions; those hold a session.
 */
import { basename } from 'node:path';
import { type Clock, HlError, RealClock } from '@pedrera/base';
import { type IoctlName, MAX_FRAME_BYTES, MAX_PROGRAM_NAME, PROTOCOL_VERSION, type Req, type Res } from '@pedrera/uapi';
import { allowTracer, connect, defaultSocketPath } from '@pedrera/wire';
import { IoctlClient } from './ioctl-client.js';
import { Segments } from './segments.js';

export interface ConnectOptions {
  /** Path of the daemon's socket; `$PEDRERA_SOCKET` or the default place otherwise. */
  readonly socketPath?: string;
  /** What the program calls itself in `pedrera ps`; the script's name otherwise. */
  readonly program?: string;
}

/** What the daemon said of itself in HELLO. */
export type Greeting = Res<'HELLO'>;

/** A daemon that accepts a connection and then says nothing is not left to hang the program. */
const GREETING_TIMEOUT_MS = 10_000;
const NS_PER_MS = 1e6;

/** One clock for all sessions: their deadlines share a timer. The sockets decide whether the process lives on. */
const clock: Clock = new RealClock({ keepAlive: false });

export interface Greeted {
  readonly client: IoctlClient;
  readonly greeting: Greeting;
  readonly socketPath: string;
}

/** Connects and greets. Errors: ENOENT, ECONNREFUSED, EACCES (no daemon to be had), EPROTO or EPROTONOSUPPORT (another version), ETIMEDOUT. */
export async function greet(options: ConnectOptions): Promise<Greeted> {
  const socketPath = options.socketPath ?? defaultSocketPath();
  // The daemon bounds what it sends; a client that stopped reading while it sends could lock both.
  const connection = await connect(socketPath, {
    maxFrameBytes: MAX_FRAME_BYTES,
    highWaterBytes: Number.POSITIVE_INFINITY,
  });
  const client = new IoctlClient(connection, `the daemon at ${socketPath}`);
  const timer = clock.at(clock.nowNs() + GREETING_TIMEOUT_MS * NS_PER_MS, () =>
    client.abandon(
      new HlError(
        'ETIMEDOUT',
        `whoever listens at ${socketPath} did not answer HELLO within ${GREETING_TIMEOUT_MS} ms`,
      ),
    ),
  );
  try {
    const greeting = await client.call('HELLO', { version: PROTOCOL_VERSION, program: programName(options.program) });
    if (greeting.version !== PROTOCOL_VERSION) {
      const versions = `the daemon at ${socketPath} speaks protocol ${greeting.version}, this library ${PROTOCOL_VERSION}`;
      throw new HlError('EPROTONOSUPPORT', `${versions}; use a library and a daemon of the same release`, 'HELLO');
    }
    client.greeted(`the daemon (pid ${greeting.daemonPid}) at ${socketPath}`, greeting.maxInFlight);
    return { client, greeting, socketPath };
  } catch (error) {
    await client.close();
    throw error;
  } finally {
    timer.cancel();
  }
}

/** Bytes beyond the limit and control characters are cut rather than refused: a long path must not keep a program from running. */
function programName(given: string | undefined): string {
  const name = given ?? basename(process.argv[1] ?? process.title);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is replaced
  const printable = name.replace(/[\u0000-\u001f\u007f-\u009f]/g, '?');
  return Buffer.from(printable)
    .subarray(0, MAX_PROGRAM_NAME)
    .toString('utf8')
    .replace(/\ufffd+$/, '');
}

/** An open file of a device node. */
export class Session {
  /** `hl0`, `hl_controlD0`. */
  readonly node: string;
  readonly device: number;
  readonly asid: number;
  readonly greeting: Greeting;
  readonly client: IoctlClient;
  readonly segments: Segments;
  readonly clock: Clock = clock;
  #open = true;

  constructor(node: string, greeted: Greeted, opened: Res<'OPEN'>) {
    this.node = node;
    this.device = opened.device;
    this.asid = opened.asid;
    this.greeting = greeted.greeting;
    this.client = greeted.client;
    this.segments = new Segments(this, greeted.socketPath, opened.sideToken);
  }

  ioctl<N extends IoctlName>(name: N, req: Req<N>): Promise<Res<N>> {
    return this.client.call(name, req);
  }

  /** Lets the daemon take a descriptor of this process that a call names by its number. Errors: those of prctl(2). */
  letDaemonReach(): void {
    allowTracer(this.greeting.daemonPid);
  }

  /** Throws EBADF once the program has closed the device: memory mapped through it is gone. A thing is only described when it must be. */
  checkOpen(what: string | { describe(): string }): void {
    if (this.#open) return;
    const name = typeof what === 'string' ? what : what.describe();
    throw new HlError('EBADF', `${name} belongs to ${this.node}, which this program has closed`);
  }

  /** Closes the connection first, so that the daemon never waits for a client that only unmaps. Resolves when the socket is closed. */
  close(): Promise<void> {
    const closed = this.client.close();
    if (this.#open) {
      this.#open = false;
      this.segments.close();
    }
    return closed;
  }
}

export async function openSession(node: string, options: ConnectOptions): Promise<Session> {
  const greeted = await greet(options);
  try {
    return new Session(node, greeted, await greeted.client.call('OPEN', { node }));
  } catch (error) {
    await greeted.client.close();
    throw error;
  }
}
