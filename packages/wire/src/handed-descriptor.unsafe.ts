/**
 * Descriptors that stand for an object of this process in the tables of others.
 *
 * Owns: one is an end of a socket pair. The operating system counts its duplicates, in whatever process and under way between two, and
 * closing the last one is an event at the end that is kept here. Which object a descriptor stands for is told by the cookie of its socket,
 * a number the kernel gives out once: no other descriptor, however made, has it.
 * Must not know: the objects.
 */
import { closeSync, fstatSync } from 'node:fs';
import { Socket } from 'node:net';
import { errno } from '@pedrera/base';
import { failure, native, O } from './native.unsafe.js';

const COOKIE_BYTES = 8;
const POLLFD_BYTES = 8;
const REVENTS = 6;

/** What tells sockets apart; undefined for what is no socket, or no descriptor at all. */
export function socketIdentity(fd: number): string | undefined {
  const cookie = Buffer.alloc(COOKIE_BYTES);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(COOKIE_BYTES);
  if (native().libc.getsockopt(fd, O.SOL_SOCKET, O.SO_COOKIE, cookie, length) !== 0) return undefined;
  // Older kernels number the sockets of each network namespace apart.
  return `${fstatSync(fd, { bigint: true }).ino}:${cookie.readBigUInt64LE()}`;
}

export class HandedDescriptor {
  readonly identity: string;
  readonly #kept: Socket;
  /** Number of #kept, as long as that is open. */
  readonly #keptFd: number;
  readonly #onClosed: (() => void)[] = [];
  #given: number;
  #closed = false;

  private constructor(kept: number, given: number, identity: string) {
    this.#given = given;
    this.identity = identity;
    this.#keptFd = kept;
    this.#kept = new Socket({ fd: kept, readable: true, writable: true });
    this.#kept.on('error', () => {});
    this.#kept.once('close', () => this.#tell());
    // Whatever somebody writes to the descriptor is nobody's.
    this.#kept.resume();
  }

  static create(): HandedDescriptor {
    const { libc } = native();
    const pair = Buffer.alloc(8);
    if (libc.socketpair(O.AF_UNIX, O.SOCK_STREAM | O.SOCK_CLOEXEC, 0, pair) !== 0)
      throw failure('socketpair', 'a descriptor');
    const [kept, given] = [pair.readInt32LE(0), pair.readInt32LE(4)];
    const identity = socketIdentity(given);
    if (identity === undefined) {
      closeSync(kept);
      closeSync(given);
      throw errno('ENOSYS', 'this machine does not number its sockets (SO_COOKIE)');
    }
    return new HandedDescriptor(kept, given, identity);
  }

  /** To be sent to others. Throws HlError EBADF once it was let go. */
  get fd(): number {
    if (this.#given < 0) throw errno('EBADF', 'the descriptor was given away');
    return this.#given;
  }

  /** Others have their duplicates: from here on theirs are the only ones. */
  letGo(): void {
    if (this.#given < 0) return;
    closeSync(this.#given);
    this.#given = -1;
  }

  /** Calls `fn` once, when nobody has the descriptor any more, or it was closed here. */
  onClosed(fn: () => void): void {
    this.#onClosed.push(fn);
  }

  /** Looks whether nobody has it any more, and then tells so at once: the event of it may be on its way still. */
  look(): void {
    if (this.#given >= 0 || !this.#isHungUp()) return;
    this.close();
    this.#tell();
  }

  /** Makes it readable, for whoever polls it. */
  makeReadable(): void {
    if (!this.#closed) this.#kept.write('.');
  }

  /** The object is gone. Duplicates stay open, and stand for nothing. */
  close(): void {
    this.letGo();
    this.#closed = true;
    this.#kept.destroy();
  }

  /** The number of what is being taken down may be somebody else's already. */
  #isHungUp(): boolean {
    if (this.#kept.destroyed) return true;
    const request = Buffer.alloc(POLLFD_BYTES);
    request.writeInt32LE(this.#keptFd, 0);
    return native().libc.poll(request, 1, 0) === 1 && (request.readInt16LE(REVENTS) & O.POLLHUP) !== 0;
  }

  #tell(): void {
    for (const fn of this.#onClosed.splice(0)) fn();
  }
}
