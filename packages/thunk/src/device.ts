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
import { type DmaBuf, openDmaBuf, receiveDmaBuf } from './dma-buf.js';
import { type DeviceEvents, deviceEvents, type EventOptions } from './events.js';
import { allocHostBuffer, type HostBuffer, type HostBufferOptions } from './host-buffer.js';
import { DeviceInfo } from './info.js';
import { type AnyResult, multiWaitGate, waitAny } from './multi-wait.js';
import { createProgram, type Program, type ProgramPlace, programIn } from './program.js';
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
  type CollectiveEngineId,
  collectiveWait,
  type Reservation,
  reserveSignals,
  type Signal,
  type SignalOptions,
  signal,
  waitForSignal,
} from './signals.js';
import { StagedSubmission, type StageOptions } from './staged.js';
import {
  CS_CODE,
  decodeSubmission,
  encodeSubmission,
  type Submission,
  type SubmissionContext,
  SubmitBatchError,
  type SubmitRequest,
  submit,
  type WaitOptions,
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
import { openSyncFile, type SyncFile, syncFileOf } from './sync-file.js';
import { type SyncedOptions, type SyncedSubmission, submitSynced } from './synced.js';
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
  readonly #multiWaits: WaitGate;

  constructor(session: Session) {
    this.#session = session;
    this.info = new DeviceInfo(session);
    const waits = new WaitGate(session.greeting.maxInFlight / 2, session.clock);
    this.#submissions = { session, completions: new Completions(session), waits };
    this.#multiWaits = multiWaitGate(this.#submissions);
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

  /** Host memory for packets that internal queues run; `size` in bytes, a page unless given. */
  createProgram(size: number = 4096): Promise<Program> {
    return createProgram(this.#session, size);
  }

  /** The same in a host buffer of the caller's, so that several programs share one. */
  programIn(memory: HostBuffer, place: ProgramPlace = {}): Program {
    return programIn(this.#session, memory, place);
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
  submit(request: SubmitRequest): Promise<Submission> {
    return submit(this.#submissions, request);
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

  /** Work handed in part by part that completes as one. */
  stage(options: StageOptions = {}): StagedSubmission {
    return new StagedSubmission(this.#submissions, options);
  }

  /** Resolves when the first of up to 32 submissions of this device is complete. Errors: those of `Submission.wait`, ENOMEM (see waitAny). */
  waitAny(submissions: readonly Submission[], options: WaitOptions = {}): Promise<AnyResult> {
    return waitAny(this.#submissions, this.#multiWaits, submissions, options);
  }

  /** Has a host-facing queue (`DMA_0_*`, `DMA_1_*`) give a signal when everything before it there is done (uapi.md 4.9). */
  signal(queue: number, options: SignalOptions = {}): Promise<Signal> {
    return signal(this.#submissions, queue, options);
  }

  /** Stops a host-facing queue until a signal was given; the host is not asked then. Complete at once when it was given before (uapi.md 4.10). */
  waitForSignal(queue: number, awaited: Signal, options: SignalOptions = {}): Promise<Submission> {
    return waitForSignal(this.#submissions, queue, awaited, options);
  }

  /**
   * Stops every NIC queue and one of `engine`, all on the stream of `queue`, until a signal was given; `queue` goes on when all of them have.
   * EINVAL when no NIC port is enabled (`pedrera start --nic-ports 0x3ff`).
   */
  collectiveWait(
    queue: number,
    awaited: Signal,
    engine: CollectiveEngineId,
    options: SignalOptions = {},
  ): Promise<Submission> {
    return collectiveWait(this.#submissions, queue, awaited, engine, options);
  }

  /** Reserves `count` signals of a host-facing queue, which packets of a staged submission then give one by one (uapi.md 4.11). */
  reserveSignals(queue: number, count: number): Promise<Reservation> {
    return reserveSignals(this.#submissions, queue, count);
  }

  /**
   * Events of the device as they come: `for await (const { names } of device.events())`. Those pending come first. Ends with `close()`; throws
   * ENODEV when the daemon is gone or a reset revoked this open file.
   */
  events(options: EventOptions = {}): AsyncGenerator<DeviceEvents, void> {
    return deviceEvents(this.#session, options);
  }

  /** A dma-buf of device memory, to be imported elsewhere by its token. */
  exportDmaBuf(memory: Exportable): Promise<SharedBuffer> {
    return exportDmaBuf(this.#submissions, memory);
  }

  /** A dma-buf of `count` leased sync objects from the `first`-th on; whoever imports it can signal them from its own command buffers. */
  exportSync(lease: SyncLease, first?: number, count?: number): Promise<SharedBuffer> {
    return exportSync(this.#submissions, lease, first, count);
  }

  /** Maps what another context, process or device exported. */
  importDmaBuf(from: string | SharedBuffer): Promise<ImportedBuffer> {
    return importDmaBuf(this.#session, typeof from === 'string' ? from : from.token);
  }

  /** A dma-buf by its token, to attach and map in steps and to look at its fences. */
  openDmaBuf(token: string): Promise<DmaBuf> {
    return openDmaBuf(this.#submissions, token);
  }

  /** The same for a descriptor that this process inherited or received (`SharedBuffer.processDescriptor`). It stays the caller's, and open. */
  receive(descriptor: number): Promise<DmaBuf> {
    return receiveDmaBuf(this.#submissions, descriptor);
  }

  /** Stands for the completion of work, to be handed to other processes by its token, waited for and merged (uapi.md 6.5). */
  exportSyncFile(submission: Submission): Promise<SyncFile> {
    return syncFileOf(this.#submissions, submission);
  }

  openSyncFile(token: string): Promise<SyncFile> {
    return openSyncFile(this.#submissions, token);
  }

  /** Submits work that waits for who else uses its buffers, and whom others then wait for (uapi.md 6.4). */
  submitSynced(request: SubmitRequest, options: SyncedOptions): Promise<SyncedSubmission> {
    return submitSynced(this.#submissions, request, options);
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
