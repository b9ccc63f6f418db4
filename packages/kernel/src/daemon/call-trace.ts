/**
 * Calls of clients, on their way into recordings: their frames as they are, so that recording decodes nothing.
 *
 * Owns: which connections are listened to, and what recordings are told of clients. Must not know what a call means.
 */
import { readFileSync } from 'node:fs';
import { RECORD, TRACE_KIND } from '@pedrera/uapi';
import { ContentsTrace } from '../core/trace/contents.js';
import type { Recording } from '../core/trace/recording.js';
import type { Trace } from '../core/trace/trace.js';
import type { Session } from './session.js';

/** A client that is deeper below what started it is told without its ancestors beyond. */
const MAX_PARENTS = 32;
/** Field of /proc/PID/stat behind the name, which may contain anything. */
const PARENT_FIELD = 1;

export class CallTrace {
  readonly #trace: Trace;
  readonly #contents: ContentsTrace;
  readonly #sessions: ReadonlySet<Session>;
  /** Connections that record: they are not recorded, or each record would make the next. */
  readonly #recorders = new Set<Session>();
  /** Clients that a recording was told of: it hears of their end, too, whatever they became meanwhile. */
  readonly #told = new Set<Session>();
  #listening = false;

  constructor(trace: Trace, sessions: ReadonlySet<Session>) {
    this.#trace = trace;
    this.#sessions = sessions;
    this.#contents = new ContentsTrace(trace);
    trace.onEnd((recording) => {
      for (const session of sessions) {
        this.#digest(session, recording);
      }
    });
    trace.onChange((begun) => {
      this.#update();
      if (begun !== undefined) {
        for (const session of sessions) {
          if (this.#isClient(session)) {
            this.#tell(session, true, begun);
          }
        }
      }
    });
  }

  connected(session: Session): void {
    if (this.#listening) {
      this.#listen(session);
    }
    if (this.#trace.kinds !== 0) {
      this.#tell(session, false);
    }
  }

  /** It is about to hand in work. */
  submits(session: Session): void {
    if ((this.#trace.kinds & TRACE_KIND.CONTENTS) !== 0 && session.file !== undefined) {
      this.#contents.before(session.id, session.peer.pid, session.file);
    }
  }

  /** It said who it is, or opened a node. */
  introduced(session: Session): void {
    if (this.#trace.kinds !== 0 && this.#isClient(session)) {
      this.#tell(session, false);
    }
  }

  /** Returns what is to be called once all of it is released: only then may the next client find what it had. */
  disconnected(session: Session): () => void {
    const wasTold = this.#told.delete(session);
    if (wasTold) {
      this.#digest(session);
    }
    this.#recorders.delete(session);
    this.#trace.ownerGone(session);
    return () => {
      if (wasTold) {
        this.#trace.clientEnd(session.id, session.peer.pid);
      }
    };
  }

  /** It begins to record: from here on it is none of the clients, unless `begin` throws. */
  recording<T>(session: Session, begin: () => T): T {
    const already = this.#recorders.has(session);
    this.#recorders.add(session);
    try {
      const begun = begin();
      session.connection.tap(null);
      return begun;
    } catch (error) {
      if (!already) {
        this.#recorders.delete(session);
      }
      throw error;
    }
  }

  #tell(session: Session, before: boolean, only?: Recording): void {
    this.#told.add(session);
    this.#trace.client(describe(session), before, only);
  }

  /** Of a file that still has its memory. */
  #digest(session: Session, only?: Recording): void {
    const { id, peer, file } = session;
    if ((this.#trace.kinds & TRACE_KIND.CONTENTS) !== 0 && file !== undefined && !file.released) {
      // What the device has done by now, the kernel may not have heard of yet.
      file.device.drainInterrupts();
      this.#contents.digests(id, peer.pid, file, only);
    }
  }

  #isClient(session: Session): boolean {
    return !this.#recorders.has(session) && session.carriesFor === undefined;
  }

  #update(): void {
    const listening = (this.#trace.kinds & TRACE_KIND.CALLS) !== 0;
    if (listening === this.#listening) {
      return;
    }
    this.#listening = listening;
    for (const session of this.#sessions) {
      if (!listening) {
        session.connection.tap(null);
      } else if (this.#isClient(session)) {
        this.#listen(session);
      }
    }
  }

  #listen(session: Session): void {
    const { id, peer } = session;
    session.connection.tap((direction, bytes, from, to) =>
      this.#trace.frame(direction === 'in' ? RECORD.REQUEST : RECORD.REPLY, id, peer.pid, bytes, from, to),
    );
  }
}

function describe(session: Session) {
  const { id, peer, program, nodeName, file, importer } = session;
  const context = file?.context;
  return {
    id,
    pid: peer.pid,
    program,
    node: nodeName,
    device: file?.device.index ?? importer?.nic.index ?? null,
    asid: context?.asid ?? null,
    parents: parentsOf(peer.pid),
  };
}

/** Empty for a process that is gone. */
function parentsOf(pid: number): number[] {
  const parents: number[] = [];
  try {
    for (let child = pid; child > 1 && parents.length < MAX_PARENTS; child = parents.at(-1) ?? 0) {
      const stat = readFileSync(`/proc/${child}/stat`, 'latin1');
      const behindName = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      parents.push(Number(behindName[PARENT_FIELD]));
    }
  } catch {
    // It has ended, or /proc is not there.
  }
  return parents;
}
