/**
 * Random bytes on a trip through a device: host memory, HBM, host memory; then compared.
 *
 * Owns: the buffers of one such trip, so that it can be made again and again. What every client does that has to prove
 * that its work is really done.
 */
import { Prng } from '@pedrera/base';
import { type CommandBuffer, type Device, type DeviceMemory, type HostBuffer, Queue } from '@pedrera/thunk';

export interface Lanes {
  readonly up: number;
  readonly down: number;
}

const USUAL_LANES: Lanes = { up: Queue.DMA_0_0, down: Queue.DMA_1_0 };

export class Mirror {
  readonly memory: DeviceMemory;
  readonly #device: Device;
  readonly #lanes: Lanes;
  readonly #source: HostBuffer;
  readonly #target: HostBuffer;
  readonly #upload: CommandBuffer;
  readonly #download: CommandBuffer;

  private constructor(device: Device, lanes: Lanes, parts: MirrorParts) {
    this.#device = device;
    this.#lanes = lanes;
    this.memory = parts.memory;
    this.#source = parts.source;
    this.#target = parts.target;
    this.#upload = parts.upload;
    this.#download = parts.download;
    this.#upload.linDma({ from: this.#source, to: this.memory, size: this.#source.size });
    this.#download.linDma({ from: this.memory, to: this.#target, size: this.#target.size });
  }

  static async make(device: Device, size: number, lanes: Lanes = USUAL_LANES): Promise<Mirror> {
    const [memory, source, target, upload, download] = await Promise.all([
      device.allocHbm(size),
      device.allocHost(size),
      device.allocHost(size),
      device.createCommandBuffer(),
      device.createCommandBuffer(),
    ]);
    return new Mirror(device, lanes, { memory, source, target, upload, download });
  }

  /** Fills the device memory with the bytes of `seed`. */
  async fill(seed: number): Promise<void> {
    this.#source.bytes.set(bytesOf(seed, this.#source.size));
    const upload = await this.#device.submit({ queue: this.#lanes.up, cb: this.#upload });
    await upload.wait();
  }

  /** Fills the device memory and does more behind it, in one command buffer. */
  async fillThen(seed: number, more: (cb: CommandBuffer) => void): Promise<void> {
    this.#source.bytes.set(bytesOf(seed, this.#source.size));
    await using cb = await this.#device.createCommandBuffer();
    cb.linDma({ from: this.#source, to: this.memory, size: this.#source.size });
    more(cb);
    const submission = await this.#device.submit({ queue: this.#lanes.up, cb });
    await submission.wait();
  }

  /** Throws unless the device memory holds the bytes of `seed`. */
  async check(seed: number): Promise<void> {
    this.#target.bytes.fill(0);
    const download = await this.#device.submit({ queue: this.#lanes.down, cb: this.#download });
    await download.wait();
    checkBytes(this.#target.bytes, seed);
  }

  async roundTrip(seed: number): Promise<void> {
    await this.fill(seed);
    await this.check(seed);
  }

  async free(): Promise<void> {
    const parts = [this.memory, this.#source, this.#target];
    await Promise.all([...parts.map((part) => part.free()), this.#upload.destroy(), this.#download.destroy()]);
  }
}

interface MirrorParts {
  readonly memory: DeviceMemory;
  readonly source: HostBuffer;
  readonly target: HostBuffer;
  readonly upload: CommandBuffer;
  readonly download: CommandBuffer;
}

export function bytesOf(seed: number, size: number): Uint8Array {
  return new Prng(seed).bytes(size);
}

export function checkBytes(found: Uint8Array, seed: number): void {
  const wanted = bytesOf(seed, found.length);
  if (Buffer.compare(found, wanted) !== 0) {
    const at = wanted.findIndex((byte, i) => found[i] !== byte);
    throw new Error(`byte ${at} of ${found.length} is ${found[at]}, not ${wanted[at]} (seed ${seed})`);
  }
}
