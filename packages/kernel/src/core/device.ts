/**
 * One accelerator as the kernel sees it: its parts, and what its contexts and files share.
 *
 * Owns: the device's memory and lease books, its counters and debugfs switches, who is told of what happens. The rest is in
 * the parts: contexts and opens in device-contexts.ts, reset and heartbeat in device-life.ts, interrupts and faults in
 * device-reports.ts, events in device-events.ts. Must not know connections, ioctls, or how the hardware behind the Device
 * interface works.
 */
import { type Clock, errno, type LeakTracker } from '@pedrera/base';
import type { Device } from '@pedrera/hw';
import type { SharedMemory } from '@pedrera/wire';
import { Bus } from './bus.js';
import { Captures } from './captures.js';
import type { Context } from './context.js';
import { Coresight } from './coresight.js';
import { CsCounters } from './counters.js';
import { DeviceContexts } from './device-contexts.js';
import { DeviceEvents, type EventPayload } from './device-events.js';
import { DeviceLife } from './device-life.js';
import { DeviceMemory } from './device-memory.js';
import { DeviceReports } from './device-reports.js';
import { rightsOf } from './device-rights.js';
import { DurationHistogram } from './duration-histogram.js';
import { EventLog } from './event-log.js';
import { FinishedWork } from './finished-work.js';
import { Firmware } from './firmware.js';
import { Leases } from './leases.js';
import type { OpenFile } from './open-file.js';
import type { Policy } from './policy.js';
import type { ResetCause } from './reset.js';
import { type Settings, settingsWith } from './settings.js';
import { StateDumps } from './state-dumps.js';
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
  readonly settings: Settings;
  /** Everything that has the device open, both nodes. */
  readonly files = new Set<OpenFile>();
  /** First errors since the last open; under `shared` each context has its own too. */
  readonly captures = new Captures();
  readonly contexts: DeviceContexts;
  readonly life: DeviceLife;
  readonly events: DeviceEvents;
  readonly reports: DeviceReports;
  readonly firmware: Firmware;
  readonly coresight = new Coresight();
  readonly stateDumps: StateDumps;
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
  /** Since the device exists. */
  readonly submissions = { started: 0, completed: 0, failed: 0 };
  /** From being put on their queues to their end, however they ended. */
  readonly submissionTimes = new DurationHistogram();

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
    this.stateDumps = new StateDumps(hardware, options.log);
    this.contexts = new DeviceContexts(this);
    this.events = new DeviceEvents(this);
    this.reports = new DeviceReports(this);
    const raise = (event: number) => this.raiseEvent(event);
    this.firmware = new Firmware({ hardware, clock, settings: this.settings, raise });
    this.life = new DeviceLife(this, options.kill);
    this.hardware.onInterrupt = () => this.drainInterrupts();
  }

  // --- state (uapi.md 1.6, 7): what everybody asks of device.life ---------------------------------------------------------

  /** A value of DEVICE_STATUS. */
  get status(): number {
    return this.life.status;
  }

  get operational(): boolean {
    return this.life.operational;
  }

  get statusText(): string {
    return this.life.statusText;
  }

  /** Returns at once; ignored while a reset runs. */
  requestReset(cause: ResetCause): void {
    this.life.requestReset(cause);
  }

  /** Opening the control node. Errors: EPERM in every state but the operational one. */
  checkControlOpen(): void {
    if (!this.operational) {
      throw errno('EPERM', `hl_controlD${this.index} cannot be opened: ${this.statusText}`);
    }
  }

  /** Of all engines, as the driver tests it (uapi.md 7.7). */
  async isIdle(): Promise<boolean> {
    return (await this.hardware.engineStatus()).every(({ idle }) => idle);
  }

  // --- what happens ----------------------------------------------------------------------------------------------------

  /** Handles what the device reported since the last call. Cheap when there is nothing. */
  drainInterrupts(): void {
    this.hardware.drainInterrupts(this.reports);
  }

  get hwEvents(): Uint32Array {
    return this.events.counters;
  }

  get hwEventsAggregate(): Uint32Array {
    return this.events.aggregate;
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

  // --- memory and rights --------------------------------------------------------------------------------------------------

  /** Under `exclusive` what the kernel has at all. */
  get patchedBytesPerContext(): number {
    return Math.min(this.policy.patchedBytes, this.settings.kernelMemoryBytes);
  }

  /** Bytes of HBM that are taken: counted under `exclusive`, where nothing is given out, allocated under `shared`. */
  get hbmUsed(): number {
    return this.policy.ownsDevice ? this.dramUsed : this.memory.used;
  }

  /**
   * Counts device memory as allocated (or, below zero, as freed). Under `exclusive` nothing checks what is freed, so counts
   * can fall below zero (uapi.md 5.3). One that would no longer be exact stops there.
   */
  countDram(context: Context, bytes: number): void {
    context.dramUsed = clampCount(context.dramUsed + bytes);
    this.dramUsed = clampCount(this.dramUsed + bytes);
  }

  /** The context has ended. Under `exclusive` Gaudi forgets all that was ever counted (uapi.md 5.10). */
  forgetDram(context: Context): void {
    this.dramUsed = this.policy.ownsDevice ? 0 : this.dramUsed - context.dramUsed;
  }

  updateRights(context: Context): void {
    this.hardware.setRights(context.asid, rightsOf(context, this.policy));
  }
}

function clampCount(bytes: number): number {
  return Math.min(Math.max(bytes, Number.MIN_SAFE_INTEGER), Number.MAX_SAFE_INTEGER);
}
