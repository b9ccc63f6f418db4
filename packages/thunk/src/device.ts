/**
 * A device that a program has open: the front door of this library.
 *
 * Owns: the methods a program calls, and what they share. Each does its work in the file of its subject.
 * Must not know: the wire.
 */
import { HlError } from '@pedrera/base';
import type { IoctlName, Req, Res } from '@pedrera/uapi';
import { type CommandBuffer, createCommandBuffer } from './command-buffer.js';
import { Completions } from './completions.js';
import {
  allocDeviceMemory,
  type DeviceMemory,
  type DeviceMemoryOptions,
  leaseSram,
  type SramLease,
} from './device-memory.js';
import { allocHostBuffer, type HostBuffer, type HostBufferOptions } from './host-buffer.js';
import { DeviceInfo } from './info.js';
import { type ConnectOptions, type Greeting, openSession, type Session } from './session.js';
import {
  type Exportable,
  exportDmaBuf,
  exportSync,
  type ImportedBuffer,
  importDmaBuf,
  type SharedBuffer,
} from './sharing.js';
import {
  CS_CODE,
  decodeSubmission,
  encodeSubmission,
  type Submission,
  type SubmissionContext,
  SubmitBatchError,
  type SubmitRequest,
} from './submission.js';
import {
  leaseSync,
  type Monitor,
  monitorAt,
  type SyncLease,
  type SyncLeaseRequest,
  type SyncObject,
  syncObjectAt,
} from './sync.js';
import { WaitGate } from './wait-gate.js';

export interface OpenOptions extends ConnectOptions {
  /** `control` may be opened any number of times and only asks questions (uapi.md 1.4); `primary` unless given. */
  readonly node?: 'primary' | 'control';
}

/**
 * Opens `hl<index>`, or `hl_controlD<index>`. The device is closed by `using`, `close()`, or the end of the process, however it ends.
 * Errors: ENOENT or ECONNREFUSED when no daemon runs, ENXIO for a device it does not have, EBUSY when another context is active
 * (exclusive policy), EAGAIN during a reset or while the last context is torn down, EPERM when the device is broken (uapi.md 1.2).
 */
export async function openDevice(index: number = 0, options: OpenOptions = {}): Promise<Device> {
  if (!Number.isInteger(index) || index < 0) throw new HlError('EINVAL', `openDevice: there is no device ${index}`);
  return new Device(await openSession(options.node === 'control' ? `hl_controlD${index}` : `hl${index}`, options));
}

/** Once the daemon is gone every call fails with ENODEV, those under way included; after `close()` with EBADF. None hangs. */
export class Device {
  readonly info: DeviceInfo;
  readonly #session: Session;
  readonly #submissions: SubmissionContext;

  constructor(session: Session) {
    this.#session = session;
    this.info = new DeviceInfo(session);
    const waits = new WaitGate(session.greeting.maxInFlight / 2, session.clock);
    this.#submissions = { session, completions: new Completions(session), waits };
  }

  /** `hl0`, `hl_controlD0`. */
  get node(): string {
    return this.#session.node;
  }

  get index(): number {
    return this.#session.device;
  }

  /** Address-space id of the context; 0 on a control node, which has none. */
  get asid(): number {
    return this.#session.asid;
  }

  /** What the daemon said of itself: pid, policy, number of devices, build. */
  get greeting(): Greeting {
    return this.#session.greeting;
  }

  /** False once the daemon is gone or the device was closed. */
  get alive(): boolean {
    return this.#session.client.alive;
  }

  /** Zeroed host memory, 1 byte to 4 GiB, mapped into this process and, unless told otherwise, for the device. */
  allocHost(size: number, options?: HostBufferOptions): Promise<HostBuffer> {
    return allocHostBuffer(this.#session, size, options);
  }

  /** HBM, mapped into the device's addresses (shared policy). */
  allocHbm(size: number, options?: DeviceMemoryOptions): Promise<DeviceMemory> {
    return allocDeviceMemory(this.#session, size, options);
  }

  /** A range of the on-chip memory, until the device is closed. */
  leaseSram(size: number): Promise<SramLease> {
    return leaseSram(this.#session, size);
  }

  /** A buffer for packets; `size` in bytes, a page unless given, at most 2 MiB - 32. */
  createCommandBuffer(size: number = 4096): Promise<CommandBuffer> {
    return createCommandBuffer(this.#session, size);
  }

  /** A range of sync objects and monitors of one sync manager, until the device is closed. */
  leaseSync(request: SyncLeaseRequest): Promise<SyncLease> {
    return leaseSync(this.#session, request);
  }

  /** A sync object by number, for contexts that own them all (exclusive policy). The device refuses what is not ours. */
  syncObject(dcore: number, index: number): SyncObject {
    return syncObjectAt(this.#session, dcore, index);
  }

  monitor(dcore: number, index: number): Monitor {
    return monitorAt(this.#session, dcore, index);
  }

  /**
   * Queues one command buffer, or several jobs at once, atomically with respect to other submissions (device.md 2.3). Command buffers may be
   * reused as soon as it resolves. Errors: those of CS (uapi.md 4.3), EAGAIN among them: a queue or the context is full, try
   * again when something has finished.
   */
  async submit(request: SubmitRequest): Promise<Submission> {
    const context = this.#submissions;
    const fields = encodeSubmission(context.session, request);
    context.completions.request();
    return decodeSubmission(context, await context.session.client.exchange(CS_CODE, fields), request);
  }

  /**
   * Queues many submissions with one write and one wake-up each way. They are taken in order; one that is refused does not stop those behind it.
   * Rejects with SubmitBatchError, which has the outcome of each, unless all were accepted.
   */
  async submitBatch(requests: readonly SubmitRequest[]): Promise<Submission[]> {
    const context = this.#submissions;
    const fields = requests.map((request) => encodeSubmission(context.session, request));
    context.completions.request();
    const replies = await context.session.client.exchangeAll(CS_CODE, fields);
    let refused = false;
    const outcomes = replies.map((reply, i) => {
      try {
        return decodeSubmission(context, reply, requests[i] as SubmitRequest);
      } catch (error) {
        if (!(error instanceof HlError)) throw error;
        refused = true;
        return error;
      }
    });
    if (refused) throw new SubmitBatchError(outcomes);
    return outcomes as Submission[];
  }

  /** A dma-buf of device memory, to be imported elsewhere by its token. */
  exportDmaBuf(memory: Exportable): Promise<SharedBuffer> {
    return exportDmaBuf(this.#session, memory);
  }

  /** A dma-buf of `count` leased sync objects from the `first`-th on; whoever imports it can signal them from its own command buffers. */
  exportSync(lease: SyncLease, first?: number, count?: number): Promise<SharedBuffer> {
    return exportSync(this.#session, lease, first, count);
  }

  /** Maps what another context, process or device exported. */
  importDmaBuf(from: string | SharedBuffer): Promise<ImportedBuffer> {
    return importDmaBuf(this.#session, typeof from === 'string' ? from : from.token);
  }

  /** Any call of the table, typed by it, with nothing added but the checks of its fields. */
  ioctl<N extends IoctlName>(name: N, req: Req<N>): Promise<Res<N>> {
    return this.#session.ioctl(name, req);
  }

  /**
   * Closes the device and gives up all that was made from it; resolves when the socket is closed. What the daemon then does with work that is
   * still queued depends on its policy (uapi.md 1.7).
   */
  close(): Promise<void> {
    return this.#session.close();
  }

  /** `using`: closes without waiting. */
  [Symbol.dispose](): void {
    void this.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
