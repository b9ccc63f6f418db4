/**
 * The errno numbers of the contract and the one place where each is explained.
 *
 * Owns: numbers (Linux, x86-64 and arm64 agree on all of these), names, meanings.
 * Must not know: which call returns which errno; the ioctl table says that.
 */

export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EIO: 5,
  ENXIO: 6,
  E2BIG: 7,
  ENOEXEC: 8,
  EBADF: 9,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EFAULT: 14,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  ENOTDIR: 20,
  EISDIR: 21,
  EINVAL: 22,
  EMFILE: 24,
  ENOTTY: 25,
  ENOSPC: 28,
  ESPIPE: 29,
  EPIPE: 32,
  ERANGE: 34,
  EDEADLK: 35,
  ENAMETOOLONG: 36,
  ENOSYS: 38,
  EPROTO: 71,
  EOVERFLOW: 75,
  EMSGSIZE: 90,
  EPROTONOSUPPORT: 93,
  EOPNOTSUPP: 95,
  EADDRINUSE: 98,
  ECONNRESET: 104,
  ENOBUFS: 105,
  ENOTCONN: 107,
  ESHUTDOWN: 108,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  ECANCELED: 125,
} as const;

export type ErrnoCode = keyof typeof ERRNO;

/** What each errno means everywhere in the stack; a call adds one phrase of its own in the ioctl table. */
export const ERRNO_MEANING: Readonly<Record<ErrnoCode, string>> = {
  EPERM: 'The caller may not do this, on this device or in this state.',
  ENOENT: 'The named object does not exist.',
  ESRCH: 'The process does not exist any more.',
  EINTR: 'The call was interrupted before it finished; it may be repeated.',
  EIO: 'The work was aborted, or the daemon hit a bug of its own.',
  ENXIO: 'There is no such device.',
  E2BIG: 'The argument list is longer than the contract allows.',
  ENOEXEC: 'A forced restore phase failed, so the submission was not executed.',
  EBADF: 'The descriptor is not open, or not of the kind that is needed.',
  EAGAIN: 'A resource is momentarily full or busy; the same call can succeed later.',
  ENOMEM: 'Memory or address space is exhausted, or cannot be provided in the form asked for.',
  EACCES: 'The permissions of a file or socket forbid this.',
  EFAULT: 'An address points outside what the caller may use.',
  EBUSY: 'The device or object is in use or not operational.',
  EEXIST: 'The object exists already.',
  ENODEV: 'The device is gone, or the node does not support the operation.',
  ENOTDIR: 'A part of a path is not a directory.',
  EISDIR: 'A directory where a file was expected.',
  EINVAL: 'An argument is outside its legal values.',
  EMFILE: 'The caller holds as many handles or descriptors as it may.',
  ENOTTY: 'The node does not know this call.',
  ENOSPC: 'The device has no room left for the request.',
  ESPIPE: 'The file cannot be positioned.',
  EPIPE: 'The other side has closed the connection.',
  ERANGE: 'A result does not fit where it should go.',
  EDEADLK: 'Going on would block for ever.',
  ENAMETOOLONG: 'A name or path is longer than allowed.',
  ENOSYS: 'This build does not implement the operation.',
  EPROTO: 'The bytes received do not follow the protocol.',
  EOVERFLOW: 'A value is too large for its field.',
  EMSGSIZE: 'A message is longer than the limit agreed on.',
  EPROTONOSUPPORT: 'The two sides speak different protocol versions.',
  EOPNOTSUPP: 'The operation is part of the contract but this device does not support it.',
  EADDRINUSE: 'The socket path is served by another process.',
  ECONNRESET: 'The connection broke while the call was under way.',
  ENOBUFS: 'Too much is queued for the other side already.',
  ENOTCONN: 'There is no connection.',
  ESHUTDOWN: 'The object or the daemon is shutting down.',
  ETIMEDOUT: 'The submission was stopped by its timeout, or an answer did not come in time.',
  ECONNREFUSED: 'Nobody listens at the socket path.',
  ECANCELED: 'The operation was given up before it took effect.',
};

const CODE_BY_NUMBER: ReadonlyMap<number, ErrnoCode> = new Map(
  (Object.keys(ERRNO) as ErrnoCode[]).map((code) => [ERRNO[code], code]),
);

/** The name of an errno number, positive as in errno(3); undefined for one the contract does not use. */
export function errnoCode(number: number): ErrnoCode | undefined {
  return CODE_BY_NUMBER.get(number);
}
