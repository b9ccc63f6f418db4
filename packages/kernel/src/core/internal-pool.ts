/**
 * The driver's pool of command buffers that the device reads through a context's addresses: those of collective slaves
 * (uapi.md 1.3, device.md 7).
 *
 * Owns: 2 MiB at the very start of the host range, mapped at its first use, cut into equal blocks. Must not know what is
 * in a block.
 */
import { errno } from '@pedrera/base';
import { busAddress, type Device, HOST_VA_BASE, HOST_VA_DRIVER_SIZE } from '@pedrera/hw';
import type { Bus } from './bus.js';

const BLOCK_BYTES = 64;

export interface InternalBlock {
  readonly words: Uint32Array;
  /** Index of the block's first dword. */
  readonly firstWord: number;
  /** Where the device reads it. */
  readonly address: number;
}

export class InternalPool {
  readonly #bus: Bus;
  readonly #slot: number;
  readonly #words: Uint32Array;
  readonly #freed: number[] = [];
  #fresh = 0;

  constructor(device: Device, bus: Bus, asid: number) {
    this.#bus = bus;
    const buffer = new SharedArrayBuffer(HOST_VA_DRIVER_SIZE);
    this.#words = new Uint32Array(buffer);
    this.#slot = bus.addShared(buffer);
    const target = { space: 'bus', address: busAddress(this.#slot, 0) } as const;
    device.map(asid, { va: HOST_VA_BASE, size: HOST_VA_DRIVER_SIZE, target, writable: false });
  }

  /** A block of at least `sizeBytes` bytes. Errors: ENOMEM. */
  allocate(sizeBytes: number): InternalBlock {
    if (sizeBytes > BLOCK_BYTES) {
      throw new RangeError(`${sizeBytes} bytes in a block of ${BLOCK_BYTES}`);
    }
    let offset = this.#freed.pop();
    if (offset === undefined) {
      if (this.#fresh === HOST_VA_DRIVER_SIZE) {
        throw errno('ENOMEM', `all ${HOST_VA_DRIVER_SIZE} bytes of the driver's pool of this context are in use`);
      }
      offset = this.#fresh;
      this.#fresh += BLOCK_BYTES;
    }
    return { words: this.#words, firstWord: offset / 4, address: HOST_VA_BASE + offset };
  }

  free(block: InternalBlock): void {
    this.#freed.push(block.firstWord * 4);
  }

  /** Preconditions: the device has forgotten the context. */
  async close(): Promise<void> {
    await this.#bus.removeShared(this.#slot);
  }
}
