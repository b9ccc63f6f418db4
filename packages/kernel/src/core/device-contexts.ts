/**
 * The contexts of one device: who gets one at an open, and what of the device goes back when one has ended (uapi.md 1.2 to 1.4,
 * 1.7).
 *
 * Owns: ASIDs, the opens that wait for a context to go, open statistics. Must not know files or connections, nor what a
 * context does between its beginning and its end.
 */
import { errno } from '@pedrera/base';
import { DRAM_USER_BASE, DRAM_USER_SIZE } from '@pedrera/hw';
import { DEVICE_STATUS } from '@pedrera/uapi';
import { Context } from './context.js';
import type { HlDevice } from './device.js';
import { clearSyncObjects, rightsOf } from './device-rights.js';

export class DeviceContexts {
  /** Opens of the primary node that succeeded, and when the last one did. */
  opens = 0;
  lastOpenNs = 0;
  /** How long the file that was closed last had been open. */
  lastOpenDurationMs = 0;

  readonly #device: HlDevice;
  readonly #contexts = new Map<number, Context>();
  readonly #freeAsids: number[] = [];
  #nextAsid = 1;
  /** An open is looking at the device. */
  #opening = false;
  /** Opens, and a reset, waiting until a context is gone. */
  #waiting: (() => void)[] = [];
  #withFile = 0;

  constructor(device: HlDevice) {
    this.#device = device;
  }

  get size(): number {
    return this.#contexts.size;
  }

  /** Those whose file is not closed yet. */
  get withFile(): number {
    return this.#withFile;
  }

  get(asid: number): Context | undefined {
    return this.#contexts.get(asid);
  }

  [Symbol.iterator](): IterableIterator<Context> {
    return this.#contexts.values();
  }

  /** A context whose file is closed still runs or is still held (uapi.md 1.7). */
  get inRelease(): boolean {
    return this.#contexts.size > this.#withFile;
  }

  /**
   * A new context. Errors, in this order: EAGAIN in reset, EPERM when broken; EAGAIN during a scrub; under `exclusive`
   * EAGAIN while the context before is still held, EBUSY while it is open, ENOMEM when the device is not idle. A release
   * that only waits for the device itself is waited for: close() of an idle device is synchronous.
   */
  async open(pid: number): Promise<Context> {
    const { index, policy } = this.#device;
    for (;;) {
      this.#checkOpen();
      if (!this.#opening && (!policy.ownsDevice || this.#contexts.size === 0)) {
        break;
      }
      const going = this.#withFile === 0 && [...this.#contexts.values()].every(({ refs }) => refs === 0);
      if (!going) {
        throw this.inRelease
          ? errno('EAGAIN', `the previous context of hl${index} still has work or exports in use`)
          : errno('EBUSY', `hl${index} is open already and serves one context at a time`);
      }
      await this.changed();
    }
    // One open at a time goes on from here; who comes meanwhile looks again when it is decided.
    this.#opening = true;
    try {
      if (policy.ownsDevice) {
        await this.#prepareOpen();
      }
      return this.#newContext(pid);
    } finally {
      this.#opening = false;
      this.#wake();
    }
  }

  /** The file behind a context is closed. */
  fileClosed(openedForMs: number): void {
    this.#withFile--;
    this.lastOpenDurationMs = openedForMs;
  }

  /**
   * The last reference on a context is gone, and its streams are still there: whether engines are busy decides about a
   * reset (uapi.md 1.7). Under `shared` they are other contexts', or are ended with the context.
   */
  async finalStage(): Promise<void> {
    const device = this.#device;
    if (device.policy.ownsDevice && device.operational && !(await device.isIdle())) {
      device.requestReset({ kind: 'release' });
    }
  }

  /** The last reference is gone and the device has forgotten the ASID. */
  ended(context: Context): void {
    const device = this.#device;
    context.leases.giveBack();
    device.coresight.leave(context);
    device.finishedWork.keepLastOf(context);
    if (device.settings.memoryScrub && device.policy.ownsDevice) {
      device.memory.hbm.punchHole(DRAM_USER_BASE, DRAM_USER_SIZE);
    }
    device.forgetDram(context);
    this.#contexts.delete(context.asid);
    this.#freeAsids.push(context.asid);
    this.#wake();
  }

  /** Resolves when a context has ended, or an open was decided: whoever waits looks again. */
  changed(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** For the end of the daemon: stops contexts whose files are closed and whose work would run on. */
  async stop(): Promise<void> {
    const detail = 'the daemon ends';
    await Promise.all([...this.#contexts.values()].map((context) => context.stop({ error: 'EIO', detail })));
  }

  #checkOpen(): void {
    const { index, operational, status, statusText, scrubbing } = this.#device;
    if (!operational) {
      const code = status === DEVICE_STATUS.IN_RESET ? 'EAGAIN' : 'EPERM';
      throw errno(code, `hl${index} cannot be opened: ${statusText}`);
    }
    if (scrubbing) {
      throw errno('EAGAIN', `the memory of hl${index} is being scrubbed`);
    }
  }

  /** The job that clears the sync objects needs an idle device (uapi.md 1.3). */
  async #prepareOpen(): Promise<void> {
    const { index, hardware } = this.#device;
    if (!(await this.#device.isIdle())) {
      throw errno('ENOMEM', `hl${index} is not idle, so no context can be made`);
    }
    this.#checkOpen();
    clearSyncObjects(hardware);
  }

  #newContext(pid: number): Context {
    const device = this.#device;
    const asid = this.#takeAsid();
    const context = new Context(device, asid, pid);
    this.#contexts.set(asid, context);
    this.#withFile++;
    device.hardware.createContext(asid, rightsOf(context, device.policy));
    this.opens++;
    this.lastOpenNs = device.clock.nowNs();
    device.captures.arm();
    context.captures.arm();
    return context;
  }

  #takeAsid(): number {
    const reused = this.#freeAsids.shift();
    if (reused !== undefined) {
      return reused;
    }
    const { index, policy } = this.#device;
    if (this.#nextAsid > policy.maxContexts) {
      throw errno('ENOMEM', `all ${policy.maxContexts} address spaces of hl${index} are taken`);
    }
    return this.#nextAsid++;
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) {
      resolve();
    }
  }
}
