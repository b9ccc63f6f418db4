/**
 * Paths of Unix sockets as the operating system wants them.
 *
 * Owns: struct sockaddr_un and the length bound that comes with it.
 * Must not know: which path is the daemon's.
 */
import { errno } from '@pedrera/base';
import { O } from './native.unsafe.js';

/** sun_path has 108 bytes, one of them for the terminating zero. */
export const MAX_SOCKET_PATH_BYTES = 107;

/** Throws HlError ENAMETOOLONG or EINVAL for a path no socket can have. */
export function checkSocketPath(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (bytes === 0 || path.includes('\0')) throw errno('EINVAL', `${JSON.stringify(path)} is not a socket path`);
  if (bytes > MAX_SOCKET_PATH_BYTES) {
    throw errno(
      'ENAMETOOLONG',
      `the socket path ${path} has ${bytes} bytes; the operating system allows ${MAX_SOCKET_PATH_BYTES}; set PEDRERA_SOCKET to a shorter one`,
    );
  }
}

/** struct sockaddr_un. */
export function socketAddress(path: string): Buffer {
  checkSocketPath(path);
  const address = Buffer.alloc(2 + MAX_SOCKET_PATH_BYTES + 1);
  address.writeUInt16LE(O.AF_UNIX, 0);
  address.write(path, 2);
  return address;
}
