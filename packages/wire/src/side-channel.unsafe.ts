/**
 * Open descriptors as messages: a u32 tag (little endian) with one descriptor attached (SCM_RIGHTS).
 *
 * Owns: the memory layout of msghdr and cmsghdr, and the receiving end, a raw socket, because the one of Node drops descriptors.
 * Must not know: what a tag means, or what is behind a descriptor.
 */
import { errno, HlError } from '@pedrera/base';
import { decodeMessage } from './decode.js';
import { encodeFrame } from './encode.js';
import { FrameReader } from './frame.js';
import { EAGAIN, EINTR, failure, native, O } from './native.unsafe.js';
import { socketAddress } from './socket-address.unsafe.js';

const TAG_BYTES = 4;
const POLL_MS = 1000;

// One scratch block: struct msghdr (56 bytes), struct iovec (16), control buffer (24: one cmsghdr with one int), the tag.
// Allocated slow, so its memory is outside the JavaScript heap and does not move; held by the module, so it is never freed.
const IOVEC = 56;
const CONTROL = IOVEC + 16;
const CONTROL_BYTES = 24;
const CMSG_LEN_ONE_FD = 20;
const TAG = CONTROL + CONTROL_BYTES;
const SCRATCH_BYTES = TAG + TAG_BYTES;
let scratch: Buffer | undefined;

/** The scratch block as a fresh msghdr for one tag. */
function messageHeader(tagOffset: number): Buffer {
  scratch ??= Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  const address = native().addressOf(scratch);
  scratch.fill(0, 0, TAG);
  scratch.writeBigUInt64LE(address + BigInt(IOVEC), 16); // msg_iov
  scratch.writeBigUInt64LE(1n, 24); // msg_iovlen
  scratch.writeBigUInt64LE(address + BigInt(CONTROL), 32); // msg_control
  scratch.writeBigUInt64LE(BigInt(CONTROL_BYTES), 40); // msg_controllen
  scratch.writeBigUInt64LE(address + BigInt(TAG + tagOffset), IOVEC); // iov_base
  scratch.writeBigUInt64LE(BigInt(TAG_BYTES - tagOffset), IOVEC + 8); // iov_len
  return scratch;
}

/**
 * Sends `fd` with `tag` on a connected Unix socket. The receiver gets a descriptor of its own; `fd` stays the caller's.
 * Preconditions: nothing is queued in user space for that socket. Never blocks: throws HlError EAGAIN when the receiver does not keep up, EPIPE when it is gone.
 */
export function sendDescriptor(socketFd: number, tag: number, fd: number): void {
  const message = messageHeader(0);
  message.writeUInt32LE(tag, TAG);
  message.writeBigUInt64LE(BigInt(CMSG_LEN_ONE_FD), CONTROL);
  message.writeInt32LE(O.SOL_SOCKET, CONTROL + 8);
  message.writeInt32LE(O.SCM_RIGHTS, CONTROL + 12);
  message.writeInt32LE(fd, CONTROL + 16);
  for (;;) {
    const sent = native().libc.sendmsg(socketFd, message, O.MSG_DONTWAIT | O.MSG_NOSIGNAL);
    if (sent === TAG_BYTES) return;
    if (sent >= 0) throw errno('EIO', `only ${sent} of ${TAG_BYTES} bytes of tag ${tag} were sent`);
    if (native().errno() !== EINTR) throw failure('sendmsg', `descriptor ${fd} with tag ${tag}`);
  }
}

export interface ReceivedDescriptor {
  readonly tag: number;
  /** Close-on-exec, and the receiver's to close. */
  readonly fd: number;
}

/** The client's end of a side connection: a raw socket, used synchronously and only after the other side has sent. */
export class SideChannel {
  #fd: number;
  readonly #path: string;
  #waiting: (() => void) | null = null;

  private constructor(fd: number, path: string) {
    this.#fd = fd;
    this.#path = path;
  }

  /** Throws HlError: ENOENT or ECONNREFUSED when nobody listens, EAGAIN when the daemon has not accepted anyone for a second. */
  static connect(path: string): SideChannel {
    const { libc } = native();
    const address = socketAddress(path);
    const fd = libc.socket(O.AF_UNIX, O.SOCK_STREAM | O.SOCK_CLOEXEC, 0);
    if (fd < 0) throw failure('socket', 'the side channel');
    // Bounds connect and send, which would wait for ever for a daemon that has stopped.
    const second = Buffer.alloc(16);
    second.writeBigInt64LE(BigInt(POLL_MS / 1000));
    libc.setsockopt(fd, O.SOL_SOCKET, O.SO_SNDTIMEO, second, second.length);
    if (libc.connect(fd, address, address.length) !== 0) {
      const error = failure('connect', `the side channel at ${path}`);
      libc.close(fd);
      throw error;
    }
    return new SideChannel(fd, path);
  }

  get fd(): number {
    return this.#fd;
  }

  write(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      const sent = native().libc.send(this.#open(), bytes.subarray(at), bytes.length - at, O.MSG_NOSIGNAL);
      if (sent > 0) at += sent;
      else if (native().errno() !== EINTR) throw failure('send', `the side channel at ${this.#path}`);
    }
  }

  /** Sends one frame and resolves with the message that answers it. Preconditions: no descriptor is on its way yet. */
  async exchange(request: readonly unknown[], maxFrameBytes: number): Promise<unknown[]> {
    const reader = new FrameReader(maxFrameBytes);
    const byte = Buffer.alloc(1);
    this.write(encodeFrame(request, maxFrameBytes));
    for (;;) {
      await this.#readable();
      // Byte by byte: reading past the frame would swallow descriptors. The answer is a dozen bytes long.
      while (this.#receive(byte)) {
        reader.push(Buffer.from(byte));
        if (reader.next()) return decodeMessage(reader.bytes, reader.start, reader.end);
      }
    }
  }

  /**
   * The next descriptor. Blocks the thread, for at most `timeoutMs`, because the daemon sends it before the answer that mentions it.
   * Throws HlError: ETIMEDOUT, ECONNRESET when the daemon is gone, EPROTO for bytes without a descriptor.
   */
  receiveDescriptor(timeoutMs: number = POLL_MS): ReceivedDescriptor {
    let got = 0;
    let fd = -1;
    try {
      while (got < TAG_BYTES) {
        const message = messageHeader(got);
        const n = native().libc.recvmsg(this.#open(), message, O.MSG_DONTWAIT | O.MSG_CMSG_CLOEXEC);
        if (n === 0) throw errno('ECONNRESET', `the daemon closed the side channel at ${this.#path}`);
        if (n < 0) {
          this.#waitOrThrow(timeoutMs);
          continue;
        }
        got += n;
        const truncated = (message.readInt32LE(48) & O.MSG_CTRUNC) !== 0;
        fd = attachedDescriptor(message) ?? fd;
        if (truncated)
          throw errno('EPROTO', 'more than one descriptor was attached to a tag, or the table of open files is full');
      }
      if (fd < 0) throw errno('EPROTO', 'a tag came without a descriptor');
      return { tag: (scratch as Buffer).readUInt32LE(TAG), fd };
    } catch (error) {
      if (fd >= 0) native().libc.close(fd);
      throw error;
    }
  }

  /** Resolves when the daemon has closed it, as it does once all of the client is released. Descriptors that still come are dropped. */
  async ended(): Promise<void> {
    const byte = Buffer.alloc(1);
    try {
      for (;;) {
        await this.#readable();
        while (this.#receive(byte));
      }
    } catch (error) {
      if (!(error instanceof HlError) || error.code !== 'ECONNRESET') throw error;
    }
  }

  close(): void {
    if (this.#fd < 0) return;
    this.#waiting?.();
    native().libc.close(this.#fd);
    this.#fd = -1;
  }

  #open(): number {
    if (this.#fd < 0) throw errno('ENOTCONN', `the side channel at ${this.#path} is closed`);
    return this.#fd;
  }

  #receive(byte: Buffer): boolean {
    const n = native().libc.recv(this.#open(), byte, 1, O.MSG_DONTWAIT);
    if (n === 1) return true;
    if (n === 0) throw errno('ECONNRESET', `the daemon closed the side channel at ${this.#path}`);
    const number = native().errno();
    if (number === EAGAIN || number === EINTR) return false;
    throw failure('recv', `the side channel at ${this.#path}`);
  }

  /** Also resolves when the channel is closed here, whereupon the next call on it says so. */
  #readable(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#waiting = null;
        watch.stop();
        resolve();
      };
      const watch = native().whenReadable(this.#open(), done);
      this.#waiting = done;
    });
  }

  #waitOrThrow(timeoutMs: number): void {
    const number = native().errno();
    if (number === EINTR) return;
    if (number !== EAGAIN) throw failure('recvmsg', `the side channel at ${this.#path}`);
    const descriptor = Buffer.alloc(8);
    descriptor.writeInt32LE(this.#open(), 0);
    descriptor.writeInt16LE(O.POLLIN, 4);
    const ready = native().libc.poll(descriptor, 1, timeoutMs);
    if (ready === 0)
      throw errno('ETIMEDOUT', `no descriptor on the side channel at ${this.#path} within ${timeoutMs} ms`);
    if (ready < 0 && native().errno() !== EINTR) throw failure('poll', `the side channel at ${this.#path}`);
  }
}

function attachedDescriptor(message: Buffer): number | undefined {
  const controlBytes = Number(message.readBigUInt64LE(40));
  if (controlBytes < CMSG_LEN_ONE_FD) return undefined;
  if (message.readInt32LE(CONTROL + 8) !== O.SOL_SOCKET || message.readInt32LE(CONTROL + 12) !== O.SCM_RIGHTS)
    return undefined;
  return message.readInt32LE(CONTROL + 16);
}
