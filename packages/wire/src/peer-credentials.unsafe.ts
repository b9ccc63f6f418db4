/**
 * Who is at the other end of a Unix socket, as the operating system says it.
 *
 * Owns: SO_PEERCRED.
 * Must not know: what anybody is allowed to do.
 */
import { failure, native, O } from './native.unsafe.js';

/** The process that connected (or, seen from a client, that listens), at the time it did. */
export interface PeerCredentials {
  readonly pid: number;
  readonly uid: number;
  readonly gid: number;
}

const UCRED_BYTES = 12;

/** Throws HlError (ENOTCONN, EBADF) for a descriptor that is no connected Unix socket. */
export function peerCredentials(socketFd: number): PeerCredentials {
  const credentials = Buffer.alloc(UCRED_BYTES);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(UCRED_BYTES);
  if (native().libc.getsockopt(socketFd, O.SOL_SOCKET, O.SO_PEERCRED, credentials, length) !== 0) {
    throw failure('getsockopt(SO_PEERCRED)', `descriptor ${socketFd}`);
  }
  return { pid: credentials.readInt32LE(0), uid: credentials.readUInt32LE(4), gid: credentials.readUInt32LE(8) };
}
