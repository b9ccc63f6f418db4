/**
 * Whether a device can be used, from power-up to the end of the daemon (uapi.md 1.6, 7).
 *
 * Owns: what starts and stops the heartbeat, what asks for a reset and when nobody may any more, suspend and disable. Must not
 * know what a reset does: reset.ts has its order, reset-steps.ts its steps.
 */
import { DEVICE_STATUS } from '@pedrera/uapi';
import type { HlDevice } from './device.js';
import { Heartbeat } from './heartbeat.js';
import { type ResetCause, ResetMachine } from './reset.js';
import { resetSteps } from './reset-steps.js';

export class DeviceLife {
  readonly #device: HlDevice;
  readonly #reset: ResetMachine;
  readonly #heartbeat: Heartbeat;
  /** start() was called: the heartbeat goes on after each reset. */
  #started = false;
  #ending = false;
  #suspended = false;

  /** Preconditions: the device has its hardware, clock, settings and firmware. `kill` sends SIGKILL. */
  constructor(device: HlDevice, kill: ((pid: number) => void) | undefined) {
    const { hardware, clock, settings, firmware } = device;
    this.#device = device;
    this.#heartbeat = new Heartbeat({
      hardware,
      clock,
      periodNs: () => settings.heartbeatPeriodNs,
      onBeat: () => void firmware.measure(),
      onMissed: () => this.requestReset({ kind: 'heartbeat' }),
    });
    const up = () => {
      if (this.#started) {
        this.#heartbeat.start();
      }
    };
    this.#reset = new ResetMachine(clock, settings, resetSteps(device, { kill, up }));
  }

  /** A value of DEVICE_STATUS. */
  get status(): number {
    return this.#reset.status;
  }

  get operational(): boolean {
    return this.#reset.status === DEVICE_STATUS.OPERATIONAL;
  }

  /** For whoever is refused something. */
  get statusText(): string {
    const name = Object.entries(DEVICE_STATUS).find(([, value]) => value === this.status)?.[0] ?? 'unknown';
    return `the device is not operational (status ${this.status}, ${name.toLowerCase().replaceAll('_', ' ')})`;
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

  /** The device answers: its heartbeat begins. */
  start(): void {
    // The daemon may end before the device is up: a heartbeat begun then would keep the process for two periods.
    if (this.#ending) {
      return;
    }
    this.#started = true;
    const { eventLog, index: device } = this.#device;
    eventLog.add({ kind: 'device', severity: 'info', device, text: 'powered up' });
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
}
