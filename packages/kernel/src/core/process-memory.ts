/**
 * Memory of a client process that it never handed over, only named: what a C program maps with USERPTR (uapi.md 5.4).
 *
 * Owns: what counts as addressable at MAP, and the daemon's own look into such memory, for inspection. The device reaches
 * it by itself. Must not know mappings.
 */
import { errno, HlError } from '@pedrera/base';
import { type ProcessArea, ProcessAreas, processVmRead, processVmWrite } from '@pedrera/wire';

/** The driver pins for writing; of what is private and not writable it gets a copy (uapi.md 5.4). */
function reasonAgainst({ readable, writable, shared }: ProcessArea): string | undefined {
  if (!readable) {
    return 'memory the process itself may not read';
  }
  return !writable && shared ? 'shared memory the process itself may not write' : undefined;
}

/**
 * Errors: EFAULT unless all of [address, address + size) is memory of the process that its pages could be had of, and
 * that this machine lets the device reach.
 */
export function checkAddressable(pid: number, address: number, size: number): void {
  const what = `[0x${address.toString(16)}, +${size}) of process ${pid}`;
  let areas: ProcessAreas | undefined;
  try {
    areas = ProcessAreas.open(pid);
    for (let at = address; at < address + size; ) {
      const area = areas.at(at);
      if (area === undefined) {
        throw errno('EFAULT', `${what}: there is no memory at 0x${at.toString(16)}`);
      }
      const reason = reasonAgainst(area);
      if (reason !== undefined) {
        throw errno('EFAULT', `${what}: 0x${at.toString(16)} is ${reason}`);
      }
      at = area.end;
    }
    readProcess(pid, address, 1);
    readProcess(pid, address + size - 1, 1);
  } catch (error) {
    throw error instanceof HlError && error.code !== 'EFAULT' ? errno('EFAULT', `${what}: ${error.message}`) : error;
  } finally {
    areas?.close();
  }
}

/** Errors: EFAULT where there is no such memory any more, EPERM, ESRCH. */
export function readProcess(pid: number, address: number, size: number): Uint8Array {
  const bytes = Buffer.allocUnsafeSlow(size);
  checkAll(processVmRead(pid, address, bytes), pid, address, size);
  return bytes;
}

export function writeProcess(pid: number, address: number, bytes: Uint8Array): void {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  checkAll(processVmWrite(pid, address, copy), pid, address, bytes.length);
}

function checkAll(done: number, pid: number, address: number, size: number): void {
  if (done < size) {
    throw errno('EFAULT', `process ${pid} has no memory at 0x${(address + done).toString(16)}`);
  }
}
