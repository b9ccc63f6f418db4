/**
 * The device's firmware as the driver asks it: power, clocks, energy, temperatures, throttling, versions (uapi.md 2.4,
 * device.md 8.4). What it measures follows the work the silicon did: bytes and packets, over time.
 *
 * Owns: the model's constants, the measurements, whether the device CPU answers. Must not know who asks, or files.
 */
import { type Clock, errno } from '@pedrera/base';
import { type Device, type DeviceCounters, EVENT } from '@pedrera/hw';
import { CLK_THROTTLE } from '@pedrera/uapi';
import { HEARTBEAT_VALUE } from './heartbeat.js';
import type { Settings } from './settings.js';

/**
 * Energy of the work, chosen so that a model that moves some GB/s uses a good part of the card's power: nobody's measured
 * values. Watts above the idle power are bytes a second times the first plus packets a second times the second.
 */
const NJ_PER_BYTE = 10;
const NJ_PER_PACKET = 20;
/** Power is a mean over at least this long. */
const MIN_WINDOW_NS = 1e6;
const IDLE_CLOCK_MHZ = 400;
/** Part of the full clock that is left while throttled. */
const THROTTLED_CLOCK = 0.75;
const AMBIENT_C = 35;
const C_PER_WATT = 0.15;

/** By PLL index (uapi.md 2.7): four outputs in MHz. Plausible values of the model, no card's. */
const PLLS: readonly (readonly [number, number, number, number])[] = [
  [1200, 600, 300, 150],
  [800, 400, 200, 100],
  [1600, 800, 400, 200],
  [1000, 500, 250, 125],
  [1300, 650, 325, 162],
  [1600, 800, 400, 200],
  [1600, 800, 400, 200],
  [1600, 800, 400, 200],
  [1600, 800, 400, 200],
  [1000, 500, 250, 125],
];

const FIRMWARE_VERSIONS = {
  cpucp: 'Pedrera firmware model 1',
  kernel: 'Pedrera 1 (no kernel behind it)\n',
  cpld: 0,
  fuse: 'none',
  preboot: 'none',
  uboot: 'none',
  thermal: 'none',
  fwOs: 'none',
  infineon: 0,
} as const;

export interface FirmwareOptions {
  readonly hardware: Pick<Device, 'testFirmware' | 'snapshot'>;
  readonly clock: Clock;
  readonly settings: Settings;
  /** Raises an event of the device. */
  readonly raise: (event: number) => void;
}

export interface FirmwareReadings {
  readonly powerMw: number;
  readonly temperatureC: number;
  readonly clockMhz: number;
  readonly maxClockMhz: number;
  readonly utilizationPercent: number;
}

/** One reason for lower clocks: when it began, how long it lasted (uapi.md 2.4, op 13). */
interface Period {
  active: boolean;
  startNs: number;
  endNs: number;
}

class Throttle {
  readonly #clock: Clock;
  readonly power: Period = { active: false, startNs: 0, endNs: 0 };
  readonly thermal: Period = { active: false, startNs: 0, endNs: 0 };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get active(): boolean {
    return this.power.active || this.thermal.active;
  }

  get mask(): number {
    return (this.power.active ? CLK_THROTTLE.POWER : 0) | (this.thermal.active ? CLK_THROTTLE.THERMAL : 0);
  }

  /** In order power, thermal. */
  get startsUs(): number[] {
    return [this.power, this.thermal].map(({ startNs }) => Math.floor(startNs / 1000));
  }

  /** Of one that goes on: until now. */
  get durationsNs(): number[] {
    const now = this.#clock.nowNs();
    return [this.power, this.thermal].map(({ active, startNs, endNs }) => Math.round((active ? now : endNs) - startNs));
  }

  event(id: number): void {
    const period = id === EVENT.FIX_POWER_ENV_S || id === EVENT.FIX_POWER_ENV_E ? this.power : this.thermal;
    const starts = id === EVENT.FIX_POWER_ENV_S || id === EVENT.FIX_THERMAL_ENV_S;
    if (starts) {
      period.active = true;
      period.startNs = this.#clock.nowNs();
    } else if (period.active) {
      period.active = false;
      period.endNs = this.#clock.nowNs();
    }
  }
}

export class Firmware {
  readonly versions = FIRMWARE_VERSIONS;
  readonly throttle: Throttle;
  readonly #options: FirmwareOptions;
  /** Resets so far: who waited for an answer across one knows nothing of the CPU that runs now. */
  #lives = 0;
  /** The device CPU did not answer once; only a hard reset brings it back (uapi.md 2.4). */
  #dead = false;
  #last: Pick<DeviceCounters, 'packets' | 'dmaBytes'> & { bus: BusBytes } = { packets: 0, dmaBytes: 0, bus: NO_BYTES };
  #lastNs: number;
  /** Millijoules since the device exists. */
  #energyMj = 0;
  #window: { sinceNs: number; energyMj: number; bus: BusBytes };
  #powerMw: number;
  #busy = false;
  #bus: BusBytes = NO_BYTES;
  #throughput: BusBytes = NO_BYTES;
  /** This model, not an injected event, said that power is throttled. */
  #overPower = false;

  constructor(options: FirmwareOptions) {
    this.#options = options;
    this.throttle = new Throttle(options.clock);
    this.#lastNs = options.clock.nowNs();
    this.#window = { sinceNs: this.#lastNs, energyMj: 0, bus: NO_BYTES };
    this.#powerMw = options.settings.dcPowerMw;
  }

  get dead(): boolean {
    return this.#dead;
  }

  /** The driver takes the device CPU for dead from now on: no question reaches it before a hard reset. */
  giveUp(): void {
    this.#dead = true;
  }

  /** After a hard reset the CPU runs again; the silicon counts from where it says. */
  revive(): void {
    this.#dead = false;
    this.#lives++;
  }

  /** Any question. Errors: ETIMEDOUT when the device CPU does not answer, EIO from then on. */
  async answer(): Promise<void> {
    if (this.#dead) {
      throw errno('EIO', 'the device CPU is dead; a hard reset revives it');
    }
    const { hardware, clock, settings } = this.#options;
    const life = this.#lives;
    if ((await hardware.testFirmware(HEARTBEAT_VALUE)) !== HEARTBEAT_VALUE) {
      await new Promise<void>((resolve) => void clock.at(clock.nowNs() + settings.firmwareTimeoutNs, resolve));
      this.#dead ||= life === this.#lives;
      throw errno('ETIMEDOUT', `the device CPU did not answer within ${settings.firmwareTimeoutNs / 1e9} s`);
    }
    await this.measure();
  }

  /** What the questions below answer, without asking the device CPU: for inspection, which waits for nobody. */
  readings(): FirmwareReadings {
    const { current: clockMhz, max: maxClockMhz } = this.#clockMhz();
    const powerMw = this.#power();
    return {
      powerMw,
      temperatureC: this.#temperature(),
      clockMhz,
      maxClockMhz,
      utilizationPercent: this.#utilization(powerMw),
    };
  }

  async powerMw(): Promise<number> {
    await this.answer();
    return this.#power();
  }

  #power(): number {
    const { fixedPowerMw, maxPowerMw } = this.#options.settings;
    return fixedPowerMw ?? Math.round(Math.min(this.#powerMw, maxPowerMw));
  }

  /** Percent of what lies between idle and full power (uapi.md 2.4, op 6). Any error is EINVAL there. */
  async utilization(): Promise<number> {
    let power: number;
    try {
      power = await this.powerMw();
    } catch {
      throw errno('EINVAL', 'the firmware did not say how much power the device uses');
    }
    return this.#utilization(power);
  }

  #utilization(power: number): number {
    const { dcPowerMw, maxPowerMw } = this.#options.settings;
    const range = Math.max(1, maxPowerMw - dcPowerMw);
    return Math.floor(((Math.min(Math.max(power, dcPowerMw), maxPowerMw) - dcPowerMw) * 100) / range);
  }

  async clockMhz(): Promise<{ current: number; max: number }> {
    await this.answer();
    return this.#clockMhz();
  }

  #clockMhz(): { current: number; max: number } {
    const { maxClockMhz: max, fixedClockMhz } = this.#options.settings;
    const full = this.#busy ? max : Math.min(IDLE_CLOCK_MHZ, max);
    return { max, current: fixedClockMhz ?? Math.round(this.throttle.active ? full * THROTTLED_CLOCK : full) };
  }

  /** Millijoules. */
  async totalEnergyMj(): Promise<number> {
    await this.answer();
    return Math.floor(this.#energyMj);
  }

  /** Bytes a second over the bus, as the device sees the direction; a simulated link never replays. */
  async pciCounters(): Promise<{ rx: number; tx: number; replays: number }> {
    await this.answer();
    return { rx: Math.round(this.#throughput.read), tx: Math.round(this.#throughput.written), replays: 0 };
  }

  /** Errors: EINVAL for an index the firmware does not list. */
  async pllMhz(index: number): Promise<readonly number[]> {
    const outputs = PLLS[index];
    if (outputs === undefined) {
      throw errno('EINVAL', `PLL ${index}; the firmware lists ${PLLS.length}`);
    }
    await this.answer();
    return outputs;
  }

  /** Rows of HBM that were replaced, or wait to be: the model's memory has no bad ones. */
  async badRows(): Promise<{ replaced: number; pending: number }> {
    await this.answer();
    return { replaced: 0, pending: 0 };
  }

  async temperatureC(): Promise<number> {
    await this.answer();
    return this.#temperature();
  }

  #temperature(): number {
    const { fixedTemperatureC } = this.#options.settings;
    return fixedTemperatureC ?? Math.round(AMBIENT_C + (C_PER_WATT * this.#powerMw) / 1000);
  }

  /** Takes in what the device has done since the last time. Cheap; the heartbeat calls it too. */
  async measure(): Promise<void> {
    this.take((await this.#options.hardware.snapshot()).counters);
  }

  /** The same for whoever has the device's counters already. */
  take(counters: DeviceCounters): void {
    const { clock, settings } = this.#options;
    const now = clock.nowNs();
    const bus = busBytes(counters);
    const packets = since(counters.packets, this.#last.packets);
    const bytes = since(counters.dmaBytes, this.#last.dmaBytes);
    this.#bus = {
      read: this.#bus.read + since(bus.read, this.#last.bus.read),
      written: this.#bus.written + since(bus.written, this.#last.bus.written),
    };
    this.#last = { packets: counters.packets, dmaBytes: counters.dmaBytes, bus };
    const idleMj = ((now - this.#lastNs) * settings.dcPowerMw) / 1e9;
    this.#energyMj += idleMj + (bytes * NJ_PER_BYTE + packets * NJ_PER_PACKET) / 1e6;
    this.#lastNs = now;
    const window = now - this.#window.sinceNs;
    if (window >= MIN_WINDOW_NS) {
      this.#closeWindow(now, window / 1e9);
    }
  }

  #closeWindow(now: number, seconds: number): void {
    const { settings } = this.#options;
    const before = this.#window;
    this.#powerMw = (this.#energyMj - before.energyMj) / seconds;
    // More than rounding above the idle power: something was done in this window.
    this.#busy = this.#powerMw > settings.dcPowerMw * (1 + 1e-9);
    this.#throughput = {
      read: (this.#bus.read - before.bus.read) / seconds,
      written: (this.#bus.written - before.bus.written) / seconds,
    };
    this.#window = { sinceNs: now, energyMj: this.#energyMj, bus: this.#bus };
    const over = this.#powerMw > settings.maxPowerMw;
    if (over !== this.#overPower) {
      this.#overPower = over;
      this.#options.raise(over ? EVENT.FIX_POWER_ENV_S : EVENT.FIX_POWER_ENV_E);
    }
  }
}

interface BusBytes {
  readonly read: number;
  readonly written: number;
}

const NO_BYTES: BusBytes = { read: 0, written: 0 };

/** The silicon counts from power-on; what is smaller than before was counted since a reset. */
function since(now: number, before: number): number {
  return now >= before ? now - before : now;
}

function busBytes(counters: DeviceCounters): BusBytes {
  return { read: counters.busReadBytes, written: counters.busWrittenBytes };
}
