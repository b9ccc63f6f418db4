/**
 * The daemon's sessions without sockets: a connection is a pair of functions.
 *
 * Owns: such connections, and what the sessions' log says of bugs. Must not know when the machine behind them works.
 */
import { type Connection, encodeFrame, FRAME_HEADER_BYTES, type FrameTap, type PeerCredentials } from '@pedrera/wire';
import type { Logger } from 'pino';
import type { Machine } from '../core/machine.js';
import { dispatch } from './dispatch.js';
import type { Session } from './session.js';
import { SessionTable } from './session-table.js';

/** A client's end: what a socket would carry, as values. */
export interface LocalConnection {
  send(message: unknown[]): void;
  /** Descriptors that arrived, by tag. They stay the kernel's: map, do not close. */
  readonly descriptors: ReadonlyMap<number, number>;
  readonly closed: boolean;
  /** Hangs up, which is close(2) of the file. */
  close(): void;
}

export class LocalSessions {
  /** What the log says of bugs: lines of level error, as JSON. */
  readonly complaints: string[] = [];
  readonly #table: SessionTable;

  constructor(machine: Machine) {
    this.#table = new SessionTable(machine, complainsTo(this.complaints), '');
  }

  /** `heard` gets each message the kernel sends. */
  connect(heard: (message: readonly unknown[]) => void, peer: PeerCredentials): LocalConnection {
    const descriptors = new Map<number, number>();
    let closed = false;
    const close = () => {
      if (!closed) {
        closed = true;
        this.#table.remove(session);
      }
    };
    let tap: FrameTap | null = null;
    const show = (direction: 'in' | 'out', message: readonly unknown[]) => {
      if (tap !== null) {
        const frame = encodeFrame(message);
        tap(direction, frame, FRAME_HEADER_BYTES, frame.length);
      }
    };
    const end: Pick<Connection, 'tap' | 'send' | 'sendDescriptor' | 'close' | 'destroy' | 'peer'> = {
      peer: () => peer,
      tap: (given) => {
        tap = given;
      },
      send: (message) => {
        if (!closed) {
          show('out', message);
          heard(message);
        }
      },
      sendDescriptor: (tag, fd) => void descriptors.set(tag, fd),
      close,
      destroy: close,
    };
    const session: Session = this.#table.add(end as Connection);
    return {
      descriptors,
      get closed() {
        return closed;
      },
      send: (message) => {
        if (!closed) {
          show('in', message);
          dispatch(session, message);
        }
      },
      close,
    };
  }

  /** Ends every connection and waits until all they held is released. */
  drain(): Promise<void> {
    return this.#table.drain();
  }
}

/** What sessions use of a logger, and cheap: whoever makes a thousand kernels a minute waits for each logger. */
function complainsTo(lines: string[]): Logger {
  const silent = () => {};
  const log: Pick<Logger, 'child'> &
    Record<'debug' | 'info' | 'warn' | 'error', (fields: object, msg: string) => void> = {
    child: () => log as never,
    debug: silent,
    info: silent,
    warn: silent,
    error(fields, msg) {
      const { err, ...rest } = fields as { err?: unknown };
      const error = err instanceof Error ? { message: err.message, stack: err.stack } : err;
      lines.push(JSON.stringify({ ...rest, err: error, msg }));
    },
  };
  return log as unknown as Logger;
}
