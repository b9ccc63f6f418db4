/**
 * The libc functions this package needs, and how their failures become HlError.
 *
 * Owns: every foreign function signature and every Linux constant used with one.
 * Must not know: what the callers build from them.
 *
 * The foreign-function module is loaded on first use: a program that only exchanges messages never pays for it.
 * Constants are those of Linux on x86-64 and arm64, which agree on all of them; so do the struct layouts (LP64, little endian).
 */
import { createRequire } from 'node:module';
import { type ErrnoCode, errno, errnoCode, type HlError } from '@pedrera/base';
import type * as Koffi from 'koffi';

/** A pointer, as the foreign-function module hands it out. */
export type Pointer = bigint;
/** What may be passed where C wants a pointer to memory: a view is passed by address, without a copy. */
export type Memory = Pointer | Uint8Array | null;

export interface Libc {
  close(fd: number): number;
  fcntl(fd: number, command: number, argument: number): number;
  flock(fd: number, operation: number): number;
  fchmod(fd: number, mode: number): number;
  memfd_create(name: string, flags: number): number;
  ftruncate(fd: number, length: number): number;
  fallocate(fd: number, mode: number, offset: number, length: number): number;
  mmap(address: Memory, length: number, protection: number, flags: number, fd: number, offset: number): Pointer;
  munmap(address: Pointer, length: number): number;
  madvise(address: Pointer, length: number, advice: number): number;
  getpagesize(): number;
  sched_getcpu(): number;
  sched_yield(): number;
  sched_getaffinity(pid: number, size: number, mask: Uint8Array): number;
  sched_setaffinity(pid: number, size: number, mask: Uint8Array): number;
  socket(domain: number, type: number, protocol: number): number;
  socketpair(domain: number, type: number, protocol: number, pair: Uint8Array): number;
  bind(fd: number, address: Uint8Array, length: number): number;
  connect(fd: number, address: Uint8Array, length: number): number;
  listen(fd: number, backlog: number): number;
  setsockopt(fd: number, level: number, option: number, value: Uint8Array, length: number): number;
  getsockopt(fd: number, level: number, option: number, value: Uint8Array, length: Uint8Array): number;
  send(fd: number, bytes: Uint8Array, length: number, flags: number): number;
  recv(fd: number, bytes: Uint8Array, length: number, flags: number): number;
  sendmsg(fd: number, message: Uint8Array, flags: number): number;
  recvmsg(fd: number, message: Uint8Array, flags: number): number;
  poll(descriptors: Uint8Array, count: number, timeoutMs: number): number;
  eventfd(initial: number, flags: number): number;
  ioctl(fd: number, request: number, block: Uint8Array): number;
  prctl(option: number, argument: number): number;
  pidfd_open(pid: number): number;
  pidfd_getfd(pidfd: number, fd: number): number;
  process_vm_readv(
    pid: number,
    local: Uint8Array,
    localCount: number,
    remote: Uint8Array,
    remoteCount: number,
    flags: number,
  ): number;
  process_vm_writev(
    pid: number,
    local: Uint8Array,
    localCount: number,
    remote: Uint8Array,
    remoteCount: number,
    flags: number,
  ): number;
}

export interface Native {
  readonly libc: Libc;
  /** errno of the last call on this thread. */
  errno(): number;
  /** The memory at a pointer as a buffer. Preconditions: mapped for as long as the buffer lives, no other view of the same pointer. */
  view(pointer: Pointer, length: number): ArrayBuffer;
  /** The address of a buffer's bytes. Preconditions: the buffer owns memory outside the JavaScript heap and outlives the use of the address. */
  addressOf(bytes: Uint8Array): Pointer;
  /** Runs `fn` whenever the descriptor is readable or hung up, until `stop()`. */
  whenReadable(fd: number, fn: () => void): { stop(): void };
}

export const O = {
  F_ADD_SEALS: 1033,
  F_GET_SEALS: 1034,
  F_SEAL_SEAL: 1,
  F_SEAL_SHRINK: 2,
  F_SEAL_GROW: 4,
  MFD_CLOEXEC: 1,
  MFD_ALLOW_SEALING: 2,
  FALLOC_FL_KEEP_SIZE: 1,
  FALLOC_FL_PUNCH_HOLE: 2,
  PROT_READ: 1,
  PROT_WRITE: 2,
  MAP_SHARED: 0x01,
  MAP_PRIVATE: 0x02,
  MAP_FIXED: 0x10,
  MAP_ANONYMOUS: 0x20,
  MAP_NORESERVE: 0x4000,
  MADV_POPULATE_WRITE: 23,
  LOCK_EX: 2,
  LOCK_NB: 4,
  AF_UNIX: 1,
  SOCK_STREAM: 1,
  SOCK_CLOEXEC: 0x80000,
  SOL_SOCKET: 1,
  SO_PEERCRED: 17,
  SO_SNDTIMEO: 21,
  SO_COOKIE: 57,
  SCM_RIGHTS: 1,
  MSG_CTRUNC: 0x08,
  MSG_DONTWAIT: 0x40,
  MSG_NOSIGNAL: 0x4000,
  MSG_CMSG_CLOEXEC: 0x40000000,
  POLLIN: 1,
  POLLOUT: 4,
  POLLHUP: 0x10,
  EFD_CLOEXEC: 0x80000,
  EFD_NONBLOCK: 0x800,
  PR_SET_PTRACER: 0x59616d61,
} as const;

/** Calls that not every C library has a function for: by number, the same on both machines. */
const SYSCALLS = { pidfd_open: 434, pidfd_getfd: 438 } as const;

const PROTOTYPES: Readonly<Record<Exclude<keyof Libc, keyof typeof SYSCALLS>, string>> = {
  close: 'int close(int)',
  fcntl: 'int fcntl(int, int, ...)',
  flock: 'int flock(int, int)',
  fchmod: 'int fchmod(int, unsigned int)',
  memfd_create: 'int memfd_create(const char *, unsigned int)',
  ftruncate: 'int ftruncate(int, int64_t)',
  fallocate: 'int fallocate(int, int, int64_t, int64_t)',
  mmap: 'void *mmap(void *, size_t, int, int, int, int64_t)',
  munmap: 'int munmap(void *, size_t)',
  madvise: 'int madvise(void *, size_t, int)',
  getpagesize: 'int getpagesize()',
  sched_getcpu: 'int sched_getcpu()',
  sched_yield: 'int sched_yield()',
  sched_getaffinity: 'int sched_getaffinity(int, size_t, void *)',
  sched_setaffinity: 'int sched_setaffinity(int, size_t, void *)',
  socket: 'int socket(int, int, int)',
  socketpair: 'int socketpair(int, int, int, void *)',
  bind: 'int bind(int, void *, unsigned int)',
  connect: 'int connect(int, void *, unsigned int)',
  listen: 'int listen(int, int)',
  setsockopt: 'int setsockopt(int, int, int, void *, unsigned int)',
  getsockopt: 'int getsockopt(int, int, int, void *, void *)',
  send: 'int64_t send(int, void *, size_t, int)',
  recv: 'int64_t recv(int, void *, size_t, int)',
  sendmsg: 'int64_t sendmsg(int, void *, int)',
  recvmsg: 'int64_t recvmsg(int, void *, int)',
  poll: 'int poll(void *, unsigned long, int)',
  eventfd: 'int eventfd(unsigned int, int)',
  ioctl: 'int ioctl(int, unsigned long, ...)',
  prctl: 'int prctl(int, ...)',
  process_vm_readv: 'int64_t process_vm_readv(int, void *, unsigned long, void *, unsigned long, unsigned long)',
  process_vm_writev: 'int64_t process_vm_writev(int, void *, unsigned long, void *, unsigned long, unsigned long)',
};

/** errno values that callers tell apart. */
export const ENOENT = 2;
export const EINTR = 4;
export const EAGAIN = 11;

/** What mmap returns when it fails. */
export const MAP_FAILED: Pointer = 0xffff_ffff_ffff_ffffn;

let loaded: Native | undefined;

/** Throws HlError ENOSYS where the module has no build for the machine. */
export function native(): Native {
  loaded ??= load();
  return loaded;
}

function load(): Native {
  if (process.platform !== 'linux')
    throw errno('ENOSYS', `shared memory and descriptor passing need Linux; this is ${process.platform}`);
  let koffi: typeof Koffi;
  try {
    koffi = createRequire(import.meta.url)('koffi') as typeof Koffi;
  } catch (error) {
    throw errno(
      'ENOSYS',
      `the foreign-function module "koffi" does not load on ${process.platform} ${process.arch}: ${(error as Error).message}`,
    );
  }
  const self = koffi.load(null);
  const libc: Record<string, (...values: unknown[]) => unknown> = {};
  for (const [name, prototype] of Object.entries(PROTOTYPES))
    libc[name] = self.func(prototype) as (...values: unknown[]) => unknown;
  const fcntl = libc.fcntl as (...values: unknown[]) => unknown;
  libc.fcntl = (fd, command, argument) => fcntl(fd, command, 'int', argument);
  const ioctl = libc.ioctl as (...values: unknown[]) => unknown;
  libc.ioctl = (fd, request, block) => ioctl(fd, request, 'void *', block);
  const prctl = libc.prctl as (...values: unknown[]) => unknown;
  libc.prctl = (option, argument) => prctl(option, 'unsigned long', argument);
  const syscall = self.func('int64_t syscall(int64_t, ...)') as (...values: unknown[]) => unknown;
  libc.pidfd_open = (pid) => syscall(SYSCALLS.pidfd_open, 'int', pid, 'unsigned int', 0);
  libc.pidfd_getfd = (pidfd, fd) => syscall(SYSCALLS.pidfd_getfd, 'int', pidfd, 'int', fd, 'unsigned int', 0);
  return {
    libc: libc as unknown as Libc,
    errno: () => koffi.errno(),
    view: (pointer, length) => koffi.view(pointer, length),
    addressOf: (bytes) => koffi.address(bytes),
    whenReadable(fd, fn) {
      const handle = koffi.node.poll(fd, { readable: true, disconnect: true }, () => fn());
      return { stop: () => handle.close() };
    },
  };
}

/** The HlError for the last failed call: `failure('mmap', '4096 bytes of "hbm0"')`. Call it before any other libc function. */
export function failure(call: string, subject: string): HlError {
  const number = native().errno();
  const code: ErrnoCode | undefined = errnoCode(number);
  return errno(code ?? 'EIO', `${call} failed for ${subject}${code === undefined ? ` (errno ${number})` : ''}`);
}
