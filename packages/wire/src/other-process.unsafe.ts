/**
 * What one process may take from another: a descriptor, and the bytes at its addresses.
 *
 * Owns: pidfd_getfd, process_vm_readv and process_vm_writev, and the permission a process gives for them.
 * Must not know: why anybody would, or who the other process is. Every call is checked by the operating system, which asks the same as
 * of a debugger: the same user, and where Yama guards that, the consent of allowTracer().
 */
import { closeSync, existsSync } from 'node:fs';
import { errno, HlError } from '@pedrera/base';
import { failure, native, O } from './native.unsafe.js';

const YAMA = '/proc/sys/kernel/yama/ptrace_scope';
const CONSENT =
  'the machine lets processes reach into each other only by consent (prctl PR_SET_PTRACER) or not at all (container profile)';

/** struct iovec: base and length. */
const IOVEC_BYTES = 16;
/** Bytes one call moves at most (MAX_RW_COUNT of the kernel). */
const MAX_BYTES_PER_CALL = 0x7fff_f000;

/** Adds to an error what a person can do about it. */
function explained(error: HlError): HlError {
  if (error.code === 'EPERM' || error.code === 'EACCES') return errno('EPERM', `${error.detail}: ${CONSENT}`);
  if (error.code === 'ENOSYS')
    return errno('ENOSYS', `${error.detail}: this kernel is older than the call (Linux 5.6)`);
  return error;
}

/** A descriptor for a process, which names it for good: the number cannot pass to another process. Throws HlError ESRCH when there is none. */
export function pidfdOpen(pid: number): number {
  const fd = native().libc.pidfd_open(pid);
  if (fd < 0) throw explained(failure('pidfd_open', `process ${pid}`));
  return fd;
}

/**
 * A duplicate of what the process knows as descriptor `fd`; close-on-exec, and the caller's to close.
 * Throws HlError: EBADF when the process has no such descriptor, ESRCH when it is gone, EPERM where the machine forbids it, ENOSYS.
 */
export function pidfdGetfd(pid: number, fd: number): number {
  const process = pidfdOpen(pid);
  try {
    const taken = native().libc.pidfd_getfd(process, fd);
    if (taken < 0) throw explained(failure('pidfd_getfd', `descriptor ${fd} of process ${pid}`));
    return taken;
  } finally {
    closeSync(process);
  }
}

/**
 * Lets `pid` reach into this process with the calls of this file. False where nothing has to be allowed, because the machine asks for
 * no consent. Throws HlError EINVAL for a process that is not there.
 */
export function allowTracer(pid: number): boolean {
  if (native().libc.prctl(O.PR_SET_PTRACER, pid) === 0) return true;
  const error = failure('prctl(PR_SET_PTRACER)', `process ${pid}`);
  if (!existsSync(YAMA)) return false;
  throw error;
}

// One scratch block of two iovecs a thread, outside the JavaScript heap, so that a transfer allocates nothing.
let local: Buffer | undefined;
let remote: Buffer | undefined;

/** Moves until all is done or the other side's memory ends; the bytes moved. */
function transfer(write: boolean, pid: number, address: number, bytes: Uint8Array): number {
  local ??= Buffer.allocUnsafeSlow(IOVEC_BYTES);
  remote ??= Buffer.allocUnsafeSlow(IOVEC_BYTES);
  const { libc, addressOf } = native();
  const move = write ? libc.process_vm_writev : libc.process_vm_readv;
  const base = addressOf(bytes);
  let done = 0;
  while (done < bytes.length) {
    const count = Math.min(bytes.length - done, MAX_BYTES_PER_CALL);
    local.writeBigUInt64LE(base + BigInt(done), 0);
    local.writeBigUInt64LE(BigInt(count), 8);
    remote.writeBigUInt64LE(BigInt(address) + BigInt(done), 0);
    remote.writeBigUInt64LE(BigInt(count), 8);
    const moved = move(pid, local, 1, remote, 1, 0);
    if (moved < 0) {
      const error = failure(write ? 'process_vm_writev' : 'process_vm_readv', `process ${pid}`);
      if (error.code === 'EFAULT') break;
      throw explained(error);
    }
    if (moved === 0) break;
    done += moved;
  }
  return done;
}

/**
 * Copies what lies at `address` in a process into `bytes`. Returns how much could be copied: less than asked where that memory ends or
 * may not be read, 0 where there is none. Preconditions: `bytes` is memory outside the JavaScript heap (a mapping, a SharedArrayBuffer,
 * Buffer.allocUnsafeSlow). Throws HlError: ESRCH when the process is gone, EPERM where the machine forbids it.
 */
export function processVmRead(pid: number, address: number, bytes: Uint8Array): number {
  return transfer(false, pid, address, bytes);
}

/** The other way round, with the same answers. Memory that the process itself may not write is not written. */
export function processVmWrite(pid: number, address: number, bytes: Uint8Array): number {
  return transfer(true, pid, address, bytes);
}

/**
 * The memory of one process, for as long as that very process lives: once it has ended there is nothing there any more, even if its
 * number was given to another. The calls are those above.
 */
export class ProcessMemory {
  readonly pid: number;
  readonly #poll = Buffer.alloc(8);
  #pidfd: number;

  /** Throws HlError ESRCH when there is no such process. */
  constructor(pid: number) {
    this.pid = pid;
    this.#pidfd = pidfdOpen(pid);
    this.#poll.writeInt32LE(this.#pidfd, 0);
    this.#poll.writeInt16LE(O.POLLIN, 4);
  }

  /** The process has not ended. */
  get alive(): boolean {
    // A pidfd becomes readable at the end of its process.
    return this.#pidfd >= 0 && native().libc.poll(this.#poll, 1, 0) === 0;
  }

  /** As processVmRead(); 0 also when the process has ended, or the machine forbids it. */
  read(address: number, bytes: Uint8Array): number {
    return this.#alive(() => processVmRead(this.pid, address, bytes));
  }

  /** As processVmWrite(), with the answers of read(). */
  write(address: number, bytes: Uint8Array): number {
    return this.#alive(() => processVmWrite(this.pid, address, bytes));
  }

  close(): void {
    if (this.#pidfd < 0) return;
    closeSync(this.#pidfd);
    this.#pidfd = -1;
  }

  #alive(move: () => number): number {
    if (!this.alive) return 0;
    try {
      return move();
    } catch (error) {
      if (error instanceof HlError) return 0;
      throw error;
    }
  }
}
