/**
 * What a packet may name as the source or target of data, and the checks that are possible before the device sees it.
 *
 * Owns: resolving a region and an offset into a device address, and refusing what cannot be meant.
 * Must not know: packets, or how a region came to be.
 */
import { HlError } from '@pedrera/base';
import type { Session } from './session.js';

/**
 * A run of device addresses of one open file: a host buffer, device memory, an imported buffer, a lease of SRAM.
 * A device address means nothing to any other open file, not even to one of the same device (device.md 1.3).
 */
export abstract class DeviceRegion {
  /** Bytes. */
  readonly size: number;
  /** The open file whose device addresses these are. */
  readonly session: Session;
  #freed = false;

  constructor(session: Session, size: number) {
    this.session = session;
    this.size = size;
  }

  /** Where the device finds it; EINVAL when the device does not. */
  abstract get deviceAddress(): number;

  /** `host buffer of 4096 bytes`. */
  abstract describe(): string;

  /** Throws HlError: EFAULT when it was freed, EBADF when its device was closed. */
  check(): void {
    if (this.#freed) throw new HlError('EFAULT', `${this.describe()} was used after it was freed`);
    this.session.checkOpen(this);
  }

  /** True the first time. */
  protected markFreed(): boolean {
    const first = !this.#freed;
    this.#freed = true;
    return first;
  }
}

/** A region, or a device address that the program vouches for. */
export type Endpoint = DeviceRegion | number;

export interface Extent {
  readonly offset: number;
  readonly size: number;
}

/**
 * The device address of `extent` of an endpoint. `role` names the argument in errors: `linDma from`.
 * Errors: EINVAL for an extent outside the region, a region of another open file, or an address that is no number of 64 bits.
 */
export function resolve(endpoint: Endpoint, extent: Extent, session: Session, role: string): number {
  const { offset, size } = extent;
  checkCount(offset, `${role}: offset`);
  if (typeof endpoint === 'number') {
    checkCount(endpoint, `${role}: device address`);
    return endpoint + offset;
  }
  endpoint.check();
  if (endpoint.session !== session) {
    const where =
      endpoint.session.device === session.device ? `another open of ${session.node}` : endpoint.session.node;
    throw new HlError(
      'EINVAL',
      `${role}: ${endpoint.describe()} belongs to ${where}; export it there and import it on ${session.node}`,
    );
  }
  if (offset + size > endpoint.size) {
    throw new HlError('EINVAL', `${role}: bytes [${offset}, +${size}) run past the end of ${endpoint.describe()}`);
  }
  return endpoint.deviceAddress + offset;
}

/** The size meant when none is given: what is left of the first region behind its offset. */
export function remaining(endpoint: Endpoint, offset: number, role: string): number {
  if (typeof endpoint === 'number')
    throw new HlError('EINVAL', `${role}: a size is needed, for an address does not tell its own`);
  return Math.max(0, endpoint.size - offset);
}

/** Throws EINVAL unless `value` is a whole number from 0 to 2^53 - 1. */
export function checkCount(value: number, what: string): void {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new HlError('EINVAL', `${what}: ${value} is not a whole number from 0 to 2^53 - 1`);
}
