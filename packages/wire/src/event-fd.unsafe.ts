/**
 * Event counters of the operating system (eventfd): how a program is told that something happened without asking.
 *
 * Owns: making, recognising, signalling and reading one. Must not know: what the event means, or whose descriptor it was.
 */
import { closeSync, read, readlinkSync, readSync, writeSync } from 'node:fs';
import { errno } from '@pedrera/base';
import { failure, native, O } from './native.unsafe.js';

/** What the operating system calls the thing behind such a descriptor. */
const LINK = 'anon_inode:[eventfd]';
const COUNTER_BYTES = 8;
const MAX_INITIAL = 0xffff_ffff;

/** Whether an open descriptor of this process is an event counter. */
export function isEventFd(fd: number): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`) === LINK;
  } catch {
    return false;
  }
}

export class EventFd {
  readonly #one = Buffer.alloc(COUNTER_BYTES);
  readonly #poll = Buffer.alloc(8);
  #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
    this.#one.writeBigUInt64LE(1n);
    this.#poll.writeInt32LE(fd, 0);
    this.#poll.writeInt16LE(O.POLLOUT, 4);
  }

  /**
   * A counter of one's own, to give to somebody who signals it. Close-on-exec; reading never blocks unless told so, for next().
   */
  static create(initial = 0, { blocking = false }: { readonly blocking?: boolean } = {}): EventFd {
    if (!(Number.isInteger(initial) && initial >= 0 && initial <= MAX_INITIAL))
      throw errno('EINVAL', `an event counter starts at 0 to ${MAX_INITIAL}, not ${initial}`);
    const fd = native().libc.eventfd(initial, blocking ? O.EFD_CLOEXEC : O.EFD_CLOEXEC | O.EFD_NONBLOCK);
    if (fd < 0) throw failure('eventfd', 'an event counter');
    return new EventFd(fd);
  }

  /** Somebody else's counter, received; `fd` is taken over. Throws HlError EINVAL, and leaves `fd` open, for anything else. */
  static fromFd(fd: number): EventFd {
    if (!isEventFd(fd)) throw errno('EINVAL', `descriptor ${fd} is no eventfd`);
    return new EventFd(fd);
  }

  /** Throws HlError EBADF after close. */
  get fd(): number {
    if (this.#fd < 0) throw errno('EBADF', 'the event counter is closed');
    return this.#fd;
  }

  /**
   * Counts one event. A counter at its end stays there: its owner has 2^64 - 2 events to read, and whoever signals must not
   * be made to wait for that (a descriptor that came from elsewhere may block).
   */
  signal(): void {
    const { fd } = this;
    if (native().libc.poll(this.#poll, 1, 0) !== 1 || (this.#poll.readInt16LE(6) & O.POLLOUT) === 0) return;
    writeSync(fd, this.#one);
  }

  /** The events since the last read, and zero from then on; for a counter made by create(). */
  take(): bigint {
    const value = Buffer.alloc(COUNTER_BYTES);
    try {
      readSync(this.fd, value);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0n;
      throw error;
    }
    return value.readBigUInt64LE();
  }

  /**
   * The events since the last read, as soon as there is one; for a blocking counter. It keeps a thread of Node's pool until then, which a
   * process cannot end without: whoever waits signals the counter when the process exits, and does not close it before.
   */
  next(): Promise<bigint> {
    const value = Buffer.alloc(COUNTER_BYTES);
    return new Promise((resolve, reject) => {
      read(this.fd, value, 0, COUNTER_BYTES, null, (error) => {
        if (error === null) resolve(value.readBigUInt64LE());
        else reject(error);
      });
    });
  }

  close(): void {
    if (this.#fd < 0) return;
    closeSync(this.#fd);
    this.#fd = -1;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
