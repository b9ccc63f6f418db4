/**
 * One recording under way: what it takes, and who waits for it.
 *
 * Owns: the filter, the store of records, the one read that may wait, the end. Must not know what is recorded, or the wire.
 */
import { type Clock, errno, type Timer } from '@pedrera/base';
import { MAX_TRACE_READ, MAX_TRACE_WAIT_MS, MAX_TRACED_FRAME, TRACE_KIND, TraceWriter } from '@pedrera/uapi';

export interface RecordingOptions {
  /** Bits of TRACE_KIND. */
  readonly kinds: number;
  /** 0: all processes. */
  readonly pid: number;
  /** Memory for records that were not read. */
  readonly bytes: number;
}

export interface TakenRecords {
  readonly bytes: Uint8Array;
  readonly lost: number;
  readonly ended: boolean;
}

interface WaitingRead {
  readonly least: number;
  readonly answer: (records: TakenRecords) => void;
  timer: Timer | undefined;
}

const NS_PER_MS = 1e6;
/** What is to be replayed has every frame that an answer to a read can carry. */
const LONGEST_WHOLE_FRAME = MAX_TRACE_READ - 1024;

export class Recording {
  readonly id: number;
  /** Whoever began it: it ends with them. */
  readonly owner: object;
  readonly kinds: number;
  readonly pid: number;
  readonly writer: TraceWriter;
  ended = false;
  readonly #clock: Clock;
  #reading: WaitingRead | undefined;

  constructor(id: number, owner: object, clock: Clock, { kinds, pid, bytes }: RecordingOptions) {
    this.id = id;
    this.owner = owner;
    this.kinds = kinds;
    this.pid = pid;
    this.#clock = clock;
    const whole = (kinds & TRACE_KIND.CONTENTS) !== 0;
    this.writer = new TraceWriter(bytes, whole ? LONGEST_WHOLE_FRAME : MAX_TRACED_FRAME);
  }

  takes(kind: number, pid: number): boolean {
    return !this.ended && (this.kinds & kind) !== 0 && (this.pid === 0 || this.pid === pid);
  }

  /** After each record: somebody may have waited for it. */
  wrote(): void {
    const reading = this.#reading;
    if (reading !== undefined && this.writer.unread >= reading.least) {
      this.#answer(reading);
    }
  }

  /** Errors: EINVAL for a longer wait than is allowed, EBUSY while another read waits. */
  read(least: number, waitMs: number): TakenRecords | Promise<TakenRecords> {
    if (waitMs > MAX_TRACE_WAIT_MS) {
      throw errno('EINVAL', `a read waits for at most ${MAX_TRACE_WAIT_MS} ms, not ${waitMs}`);
    }
    if (this.#reading !== undefined) {
      throw errno('EBUSY', `another read of recording ${this.id} is waiting`);
    }
    if (this.ended || waitMs === 0 || this.writer.unread >= least) {
      return this.#take();
    }
    return new Promise((resolve) => {
      const reading: WaitingRead = { least: Math.max(1, least), answer: resolve, timer: undefined };
      reading.timer = this.#clock.at(this.#clock.nowNs() + waitMs * NS_PER_MS, () => this.#answer(reading));
      this.#reading = reading;
    });
  }

  /** Nothing more is recorded; what is there can still be read. */
  end(): void {
    if (!this.ended) {
      this.ended = true;
      this.writer.close(this.#clock.nowNs());
      if (this.#reading !== undefined) {
        this.#answer(this.#reading);
      }
    }
  }

  #answer(reading: WaitingRead): void {
    reading.timer?.cancel();
    this.#reading = undefined;
    // Later: records of this same turn go along.
    queueMicrotask(() => reading.answer(this.#take()));
  }

  #take(): TakenRecords {
    const bytes = this.writer.take();
    return { bytes, lost: this.writer.lost, ended: this.ended && this.writer.unread === 0 };
  }
}
