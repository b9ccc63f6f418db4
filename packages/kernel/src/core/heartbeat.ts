/**
 * Asks the device CPU for a sign of life every period (device.md 8.4).
 *
 * Owns: when it asks, and what counts as no answer. Must not know what happens then.
 */
import type { Clock, Timer } from '@pedrera/base';
import type { Device } from '@pedrera/hw';

/** The value the TEST message carries there and back. */
export const HEARTBEAT_VALUE = 0xfe8c_e7a5;

export interface HeartbeatOptions {
  readonly hardware: Pick<Device, 'testFirmware'>;
  readonly clock: Clock;
  /** Asked anew for each beat; 0: none. */
  readonly periodNs: () => number;
  readonly onBeat: () => void;
  /** Called once; no beat follows before the next start(). */
  readonly onMissed: () => void;
}

export class Heartbeat {
  readonly #options: HeartbeatOptions;
  #timer: Timer | undefined;
  /** Which start() a late answer belongs to. */
  #run = 0;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
  }

  start(): void {
    this.stop();
    this.#schedule(this.#run);
  }

  stop(): void {
    this.#run++;
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  #schedule(run: number): void {
    const { clock, periodNs } = this.#options;
    const period = periodNs();
    if (period > 0) {
      this.#timer = clock.at(clock.nowNs() + period, () => this.#beat(run, period));
    }
  }

  /** The answer has one period's time. */
  #beat(run: number, period: number): void {
    const { clock, hardware, onBeat, onMissed } = this.#options;
    let judged = false;
    const judge = (alive: boolean) => {
      if (judged || run !== this.#run) {
        return;
      }
      judged = true;
      this.#timer?.cancel();
      if (alive) {
        onBeat();
        this.#schedule(run);
      } else {
        this.stop();
        onMissed();
      }
    };
    this.#timer = clock.at(clock.nowNs() + period, () => judge(false));
    hardware.testFirmware(HEARTBEAT_VALUE).then(
      (value) => judge(value === HEARTBEAT_VALUE),
      () => judge(false),
    );
  }
}
