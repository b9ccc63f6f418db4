/**
 * One accelerator as the kernel sees it: who may open it, which contexts it has, what they share.
 *
 * Owns: ASIDs, the device's memory and lease books, the policy, open statistics, interrupts on their way to contexts.
 * Must not know connections, ioctls, or how the hardware behind the Device interface works.
 */
import { type Clock, errno, type LeakTracker } from '@pedrera/base';
import {
  type Device,
  type DeviceFaultHit,
  DRAM_USER_BASE,
  DRAM_USER_SIZE,
  type FaultRecord,
  type InterruptSink,
  packetByOpcode,
  queueName,
  type SyncLease,
} from '@pedrera/hw';
import { DEVICE_STATUS } from '@pedrera/uapi';
import type { SharedMemory } from '@pedrera/wire';
import { takeStateDump } from '../vfs/state-dump.js';
import { Bus } from './bus.js';
import { Captures } from './captures.js';
import { Context } from './context.js';
import { Coresight } from './coresight.js';
import { CsCounters } from './counters.js';
import { DeviceEvents, type EventPayload } from './device-events.js';
import { DeviceMemory } from './device-memory.js';
import { clearSyncObjects, ownedSync, rightsOf } from './device-rights.js';
import { DurationHistogram } from './duration-histogram.js';
import { EventLog } from './event-log.js';
import { faultingPacket } from './fault-packet.js';
import { FinishedWork } from './finished-work.js';
import { Firmware } from './firmware.js';
import { Heartbeat } from './heartbeat.js';
import { Leases } from './leases.js';
import type { OpenFile } from './open-file.js';
import type { Policy } from './policy.js';
import { type ResetCause, ResetMachine } from './reset.js';
import { resetSteps } from './reset-steps.js';
import { type Settings, settingsWith } from './settings.js';
import type { Submission } from './submission.js';
import { FIXED_SYNC_NUMBERS, SyncStream } from './sync-stream.js';
import { type DevicePlace, placeOf, plainMachine } from './topology.js';
import { Trace } from './trace/trace.js';

/** What the device tells the log. */
export interface DeviceLog {
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface HlDeviceOptions {
  readonly hardware: Device;
  readonly hbm: SharedMemory;
  readonly policy: Policy;
  readonly clock: Clock;
  readonly tracker: LeakTracker;
  readonly log: DeviceLog;
  /** The device's own copy is made of these and the defaults. */
  readonly settings?: Partial<Settings>;
  /** Where it sits; without it, as in a machine nobody described. */
  readonly place?: DevicePlace;
  /** Sends SIGKILL; used with settings.killOnReset only. */
  readonly kill?: (pid: number) => void;
}

/** As many state dumps are kept (uapi.md 7.9). */
const STATE_DUMPS = 5;

/** A burst of faults says nothing after the first few; they are counted, not all logged. */
const LOGGED_FAULTS_PER_CONTEXT = 8;

export class HlDevice {
  readonly index: number;
  readonly place: DevicePlace;
  readonly hardware: Device;
  readonly policy: Policy;
  readonly clock: Clock;
  readonly tracker: LeakTracker;
  readonly memory: DeviceMemory;
  readonly leases = new Leases();
  readonly bus: Bus;
  /** Signals and waits of the one context of an owned device; their counts go on from one context to the next. */
  readonly syncStream: SyncStream;
  /** Waits for several submissions that are under way (uapi.md 4.15). */
  multiCsWaits = 0;
  /** Drops since the daemon started, all contexts together. */
  readonly counters = new CsCounters();
  /** Bytes of MEMORY ALLOC, all contexts together. */
  dramUsed = 0;
  openCounter = 0;
  lastOpenDurationMs = 0;
  /** Of the last successful open of the primary node. */
  lastOpenNs = 0;
  readonly settings: Settings;
  /** Everything that has the device open, both nodes. */
  readonly files = new Set<OpenFile>();
  /** First errors since the last open; under `shared` each context has its own too. */
  readonly captures = new Captures();
  readonly events: DeviceEvents;
  readonly firmware: Firmware;
  readonly coresight = new Coresight();
  /** State dumps, newest first. */
  readonly dumps: string[] = [];
  /** debugfs stop_on_err, skip_reset_on_timeout. */
  stopOnErr = true;
  skipResetOnTimeout = false;
  /** NIC ports whose link is down, a bit each. */
  linksDown = 0;
  /** A scrub of device memory started through debugfs runs: opens are put off (uapi.md 1.2). */
  scrubbing = false;
  readonly log: DeviceLog;
  /** Its own until a machine takes the device in. */
  eventLog: EventLog;
  trace: Trace;
  /** Of contexts that are gone. */
  readonly finishedWork = new FinishedWork();
  /** Submissions and interrupts since the device exists. */
  readonly submissions = { started: 0, completed: 0, failed: 0 };
  /** From being put on their queues to their end, however they ended. */
  readonly submissionTimes = new DurationHistogram();
  interrupts = 0;

  readonly #reset: ResetMachine;
  readonly #heartbeat: Heartbeat;
  /** start() was called: the heartbeat goes on after each reset. */
  #started = false;
  #ending = false;
  #suspended = false;
  #dumping: Promise<void> | undefined;
  readonly #contexts = new Map<number, Context>();
  readonly #freeAsids: number[] = [];
  #nextAsid = 1;
  /** An open is looking at the device. */
  #opening = false;
  /** Opens waiting until the context before them is gone. */
  #waitingOpens: (() => void)[] = [];
  /** Files whose context is not closed yet. */
  #activeContexts = 0;
  readonly #interruptSink: InterruptSink;

  constructor(options: HlDeviceOptions) {
    const { hardware, clock } = options;
    this.index = hardware.index;
    this.place = options.place ?? placeOf(plainMachine(hardware.index + 1), hardware.index);
    this.hardware = hardware;
    this.policy = options.policy;
    this.clock = clock;
    this.tracker = options.tracker;
    this.settings = settingsWith(options.settings);
    this.log = options.log;
    this.eventLog = new EventLog(clock);
    this.trace = new Trace(clock);
    this.memory = new DeviceMemory(options.hbm, options.tracker);
    this.bus = new Bus(hardware);
    this.syncStream = new SyncStream(hardware, FIXED_SYNC_NUMBERS);
    this.events = new DeviceEvents(this);
    const raise = (event: number) => this.raiseEvent(event);
    this.firmware = new Firmware({ hardware, clock, settings: this.settings, raise });
    this.#heartbeat = new Heartbeat({
      hardware,
      clock,
      periodNs: () => this.settings.heartbeatPeriodNs,
      onBeat: () => void this.firmware.measure(),
      onMissed: () => this.requestReset({ kind: 'heartbeat' }),
    });
    const up = () => {
      if (this.#started) {
        this.#heartbeat.start();
      }
    };
    this.#reset = new ResetMachine(clock, this.settings, resetSteps(this, { kill: options.kill, up }));
    this.#interruptSink = {
      msi: (asid, vector) => {
        this.interrupts++;
        this.#contexts.get(asid)?.onInterrupt(vector);
      },
      fault: (fault) => this.#onFault(fault),
      faultHit: (hit) => this.#onFaultHit(hit),
    };
    this.hardware.onInterrupt = () => this.drainInterrupts();
  }

  // --- state (uapi.md 1.6, 7) ------------------------------------------------------------------------------------------

  /** A value of DEVICE_STATUS. */
  get status(): number {
    return this.#reset.status;
  }

  /** Under `exclusive` what the kernel has at all. */
  get patchedBytesPerContext(): number {
    return Math.min(this.policy.patchedBytes, this.settings.kernelMemoryBytes);
  }

  get operational(): boolean {
    return this.#reset.status === DEVICE_STATUS.OPERATIONAL;
  }

  /** The device takes no work and reports no events: during a reset, after one that failed, or by debugfs. */
  get stopped(): boolean {
    return this.#reset.inReset || this.#reset.disabled;
  }

  get hardResets(): number {
    return this.#reset.hardResets;
  }

  /** The hard reset that began last. */
  get lastReset(): ResetMachine['last'] {
    return this.#reset.last;
  }

  get needsReset(): boolean {
    return this.#reset.needsReset;
  }
  set needsReset(needed: boolean) {
    this.#reset.needsReset = needed;
  }

  /** debugfs `device`: disable, enable. */
  get disabled(): boolean {
    return this.#reset.disabled;
  }
  set disabled(disabled: boolean) {
    this.#reset.disabled = disabled;
  }

  /**
   * debugfs `device`: suspend takes the device away as a power-down would, with nothing rolled back; resume brings it back
   * with a hard reset.
   */
  get suspended(): boolean {
    return this.#suspended;
  }
  set suspended(suspended: boolean) {
    if (suspended === this.#suspended) {
      return;
    }
    this.#suspended = suspended;
    this.#reset.disabled = true;
    if (suspended) {
      this.#heartbeat.stop();
    } else {
      this.requestReset({ kind: 'manual' });
    }
  }

  get hwEvents(): Uint32Array {
    return this.events.counters;
  }

  get hwEventsAggregate(): Uint32Array {
    return this.events.aggregate;
  }

  /** The device answers: its heartbeat begins. */
  start(): void {
    // The daemon may end before the device is up: a heartbeat begun then would keep the process for two periods.
    if (this.#ending) {
      return;
    }
    this.#started = true;
    this.eventLog.add({ kind: 'device', severity: 'info', device: this.index, text: 'powered up' });
    this.#heartbeat.start();
  }

  /** For the end of the daemon. Resolves when no reset runs. */
  async quiesce(): Promise<void> {
    this.#started = false;
    this.#ending = true;
    this.#heartbeat.stop();
    await this.#reset.settled();
  }

  /** Returns at once; ignored while a reset runs. */
  requestReset(cause: ResetCause): void {
    if (this.#reset.inReset || this.#ending) {
      return;
    }
    this.#heartbeat.stop();
    this.#reset.request(cause);
  }

  raiseEvent(id: number, payload?: EventPayload): void {
    this.events.raise(id, payload);
  }

  /** To every open file, primary and control (uapi.md 1.5). */
  notify(mask: number): void {
    for (const file of this.files) {
      file.notifier.notify(mask);
    }
  }

  /** What one context caused: under `shared` its own file and the control nodes hear of it, nobody else. */
  tell(mask: number, context: Context | undefined): void {
    if (context === undefined || this.policy.ownsDevice) {
      this.notify(mask);
      return;
    }
    for (const file of this.files) {
      if (file.context === undefined || file.context === context) {
        file.notifier.notify(mask);
      }
    }
  }

  /** The records something is to be written to. */
  capturesFor(context: Context | undefined): readonly Captures[] {
    return context === undefined || context.captures === this.captures
      ? [this.captures]
      : [this.captures, context.captures];
  }

  /** The first time-out since the open is recorded and told (uapi.md 4.7). */
  recordTimeout(context: Context, { seq }: Submission, mask: number): void {
    const timestampNs = this.clock.nowNs();
    let first = false;
    for (const captures of this.capturesFor(context)) {
      // The last one decides: the context's own, where it has one.
      first = captures.csTimeout.write(() => ({ timestampNs, seq }));
    }
    if (first) {
      this.tell(mask, context);
    }
  }

  /** Keeps the newest few; see debugfs state_dump. */
  takeStateDump(): Promise<void> {
    // One at a time: a burst of events while one is being taken would show the same.
    this.#dumping ??= this.#takeStateDump().finally(() => {
      this.#dumping = undefined;
    });
    return this.#dumping;
  }

  async #takeStateDump(): Promise<void> {
    try {
      this.dumps.unshift(await takeStateDump(this.hardware));
      this.dumps.length = Math.min(this.dumps.length, STATE_DUMPS);
    } catch (error) {
      this.log.error({ device: this.index, err: error }, 'no state dump could be taken');
    }
  }

  /** Whether a stream of the context stands at an engine that makes no more progress until it is reset. */
  async hasHungStream(context: Context): Promise<boolean> {
    const { streams } = await this.hardware.snapshot();
    return streams.some(({ asid, state }) => asid === context.asid && state === 'hung');
  }

  /** Whose address space it is. */
  pidOf(asid: number): number | undefined {
    return this.#contexts.get(asid)?.pid;
  }

  get contexts(): IterableIterator<Context> {
    return this.#contexts.values();
  }

  get contextCount(): number {
    return this.#contexts.size;
  }

  get activeContexts(): number {
    return this.#activeContexts;
  }

  /** Bytes of HBM that are taken: counted under `exclusive`, where nothing is given out, allocated under `shared`. */
  get hbmUsed(): number {
    return this.policy.ownsDevice ? this.dramUsed : this.memory.used;
  }

  /** A context whose file is closed still runs or is still held (uapi.md 1.7). */
  get inRelease(): boolean {
    return this.#contexts.size > this.#activeContexts;
  }

  /** Handles what the device reported since the last call. Cheap when there is nothing. */
  drainInterrupts(): void {
    this.hardware.drainInterrupts(this.#interruptSink);
  }

  // --- opening and closing (uapi.md 1.2 to 1.4, 1.7) -----------------------------------------------------------------------

  /** Opening the control node. Errors: EPERM in every state but the operational one. */
  checkControlOpen(): void {
    if (!this.operational) {
      throw errno('EPERM', `hl_controlD${this.index} cannot be opened: ${this.statusText}`);
    }
  }

  get statusText(): string {
    const name = Object.entries(DEVICE_STATUS).find(([, value]) => value === this.status)?.[0] ?? 'unknown';
    return `the device is not operational (status ${this.status}, ${name.toLowerCase().replaceAll('_', ' ')})`;
  }

  /**
   * A new context. Errors, in this order: EAGAIN in reset, EPERM when broken; EAGAIN during a scrub; under `exclusive`
   * EAGAIN while the context before is still held, EBUSY while it is open, ENOMEM when the device is not idle. A release
   * that only waits for the device itself is waited for: close() of an idle device is synchronous.
   */
  async openContext(pid: number): Promise<Context> {
    for (;;) {
      this.#checkOpen();
      if (!this.#opening && (!this.policy.ownsDevice || this.#contexts.size === 0)) {
        break;
      }
      const gone = this.#activeContexts === 0 && [...this.#contexts.values()].every(({ refs }) => refs === 0);
      if (!gone) {
        throw this.inRelease
          ? errno('EAGAIN', `the previous context of hl${this.index} still has work or exports in use`)
          : errno('EBUSY', `hl${this.index} is open already and serves one context at a time`);
      }
      await this.contextGone();
    }
    // One open at a time goes on from here; who comes meanwhile looks again when it is decided.
    this.#opening = true;
    try {
      if (this.policy.ownsDevice) {
        await this.#prepareOpen();
      }
      return this.#newContext(pid);
    } finally {
      this.#opening = false;
      this.#wakeOpens();
    }
  }

  /** The job that clears the sync objects needs an idle device (uapi.md 1.3). */
  async #prepareOpen(): Promise<void> {
    if (!(await this.isIdle())) {
      throw errno('ENOMEM', `hl${this.index} is not idle, so no context can be made`);
    }
    this.#checkOpen();
    clearSyncObjects(this.hardware);
  }

  #newContext(pid: number): Context {
    const asid = this.#takeAsid();
    const context = new Context(this, asid, pid);
    this.#contexts.set(asid, context);
    this.#activeContexts++;
    this.hardware.createContext(asid, rightsOf(context, this.policy));
    this.openCounter++;
    this.lastOpenNs = this.clock.nowNs();
    this.captures.arm();
    context.captures.arm();
    return context;
  }

  #checkOpen(): void {
    if (!this.operational) {
      const code = this.status === DEVICE_STATUS.IN_RESET ? 'EAGAIN' : 'EPERM';
      throw errno(code, `hl${this.index} cannot be opened: ${this.statusText}`);
    }
    if (this.scrubbing) {
      throw errno('EAGAIN', `the memory of hl${this.index} is being scrubbed`);
    }
  }

  /** Of all engines, as the driver tests it (uapi.md 7.7). */
  async isIdle(): Promise<boolean> {
    return (await this.hardware.engineStatus()).every(({ idle }) => idle);
  }

  /**
   * The last reference on a context is gone, and its streams are still there: whether engines are busy decides about a
   * reset (uapi.md 1.7). Under `shared` they are other contexts', or are ended with the context.
   */
  async finalStage(): Promise<void> {
    if (this.policy.ownsDevice && this.operational && !(await this.isIdle())) {
      this.requestReset({ kind: 'release' });
    }
  }

  /** The file behind the context is closed. */
  contextClosed(openedForMs: number): void {
    this.#activeContexts--;
    this.lastOpenDurationMs = openedForMs;
  }

  /** The last reference is gone and the device has forgotten the ASID. */
  contextEnded(context: Context): void {
    for (const lease of [...context.leases, ...context.driverLeases]) {
      if (lease !== undefined && !this.policy.ownsDevice) {
        this.leases.returnSync(lease);
      }
    }
    if (context.sramLease !== undefined) {
      this.leases.returnSram(context.sramLease);
    }
    this.coresight.leave(context);
    this.finishedWork.keepLastOf(context);
    if (this.settings.memoryScrub && this.policy.ownsDevice) {
      this.memory.hbm.punchHole(DRAM_USER_BASE, DRAM_USER_SIZE);
    }
    // Gaudi forgets all that was ever counted (uapi.md 5.10).
    this.dramUsed = this.policy.ownsDevice ? 0 : this.dramUsed - context.dramUsed;
    this.#contexts.delete(context.asid);
    this.#freeAsids.push(context.asid);
    this.#wakeOpens();
  }

  /** Resolves when a context has ended, or an open was decided: whoever waits looks again. */
  contextGone(): Promise<void> {
    return new Promise((resolve) => this.#waitingOpens.push(resolve));
  }

  #wakeOpens(): void {
    const waiting = this.#waitingOpens;
    this.#waitingOpens = [];
    for (const resolve of waiting) {
      resolve();
    }
  }

  /** For the end of the daemon: stops contexts whose files are closed and whose work would run on. */
  async endContexts(): Promise<void> {
    const detail = 'the daemon ends';
    await Promise.all([...this.#contexts.values()].map((context) => context.stop({ error: 'EIO', detail })));
  }

  ownedSync(dcore: number): SyncLease | undefined {
    return ownedSync(dcore);
  }

  /**
   * Counts device memory as allocated (or, below zero, as freed). Under `exclusive` nothing checks what is freed, so counts
   * can fall below zero (uapi.md 5.3). One that would no longer be exact stops there.
   */
  countDram(context: Context, bytes: number): void {
    context.dramUsed = clampCount(context.dramUsed + bytes);
    this.dramUsed = clampCount(this.dramUsed + bytes);
  }

  updateRights(context: Context): void {
    this.hardware.setRights(context.asid, rightsOf(context, this.policy));
  }

  #takeAsid(): number {
    const reused = this.#freeAsids.shift();
    if (reused !== undefined) {
      return reused;
    }
    if (this.#nextAsid > this.policy.maxContexts) {
      throw errno('ENOMEM', `all ${this.policy.maxContexts} address spaces of hl${this.index} are taken`);
    }
    return this.#nextAsid++;
  }

  /** A rule of INJECT_ARM struck a packet. */
  #onFaultHit({ rule, asid, queue: id, action }: DeviceFaultHit): void {
    const queue = queueName(id);
    const about = { device: this.index, asid, pid: this.#contexts.get(asid)?.pid, queue };
    this.eventLog.add({ kind: 'inject', severity: 'warning', ...about, text: `rule ${rule}: ${action} on ${queue}` });
  }

  #onFault(fault: FaultRecord): void {
    const context = this.#contexts.get(fault.asid);
    if (context === undefined) {
      return;
    }
    const { address, asid, ringSlot } = fault;
    const queue = queueName(fault.queue);
    const packet = packetByOpcode(fault.opcode)?.name ?? 'a monitor payload';
    const text = `${fault.cause} at 0x${address.toString(16)}, ${packet} on ${queue}`;
    const report = { queue: fault.queue, address, ringSlot: ringSlot < 0 ? undefined : ringSlot, text };
    const seq = context.onFault(report)?.seq;
    this.events.fault(fault, context, text);
    if (context.faults <= LOGGED_FAULTS_PER_CONTEXT) {
      const { index: device } = this;
      const { pid } = context;
      this.log.warn({ device, asid, pid }, text);
      const place = faultingPacket(context, fault);
      const told = place === undefined ? text : `${text}; ${place}`;
      this.eventLog.add({ kind: 'fault', severity: 'error', device, asid, pid, queue, seq, text: told });
    }
  }
}

function clampCount(bytes: number): number {
  return Math.min(Math.max(bytes, Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
}
