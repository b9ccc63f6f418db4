/**
 * What may be set about a machine: the driver's module parameters, and the times a simulation shortens.
 *
 * Owns: names, units and default values. A device has its own copy, and debugfs changes that one only. Must not know who
 * reads a setting.
 */

export interface Settings {
  /** Time-out of a submission that names none; Infinity: no time-outs at all (uapi.md 4.7). */
  defaultTimeoutNs: number;
  /** How long a submission may wait for fences of others, if its own time-out is no longer or it has none (uapi.md 6.3). */
  dependencyTimeoutNs: number;
  /** NIC ports that exist, a bit each; upstream enables none (uapi.md 2.8). */
  nicPortsMask: number;
  /** A hard reset sends SIGKILL to who opened the primary node, as the driver does; otherwise its file is revoked (uapi.md 7.3). */
  killOnReset: boolean;
  /** A time-out resets the device; otherwise the device needs a reset from then on (uapi.md 4.7). */
  resetOnLockup: boolean;
  /** Fatal events reset the device; otherwise they only notify (uapi.md 7.5). */
  hardResetOnFwEvents: boolean;
  /** 0: no heartbeat (device.md 8.4). */
  heartbeatPeriodNs: number;
  /** How long a firmware query may stay unanswered before the device CPU counts as dead (uapi.md 2.4). */
  firmwareTimeoutNs: number;
  /** Between the end of the work and the end of who had the device open. The driver waits 1 s. */
  resetGraceNs: number;
  /** How long the hardware's own reset takes. The driver waits 2.2 s. */
  resetDurationNs: number;
  /** How long a hard reset waits for what still holds the old context, under `exclusive`. The driver waits 12 minutes. */
  resetReleaseNs: number;
  /** HBM and SRAM of users read `memoryScrubValue` after the last close, under `exclusive` (uapi.md 1.7). */
  memoryScrub: boolean;
  memoryScrubValue: bigint;
  /** Of identical moves in a row a device makes only the last one; a machine's setting, for good (device.md 5.4, 9.5). */
  readonly collapseRepeatedDma: boolean;
  /** What the kernel has for patched command buffers that are queued, for each device (uapi.md 4.3). */
  readonly kernelMemoryBytes: number;
  /** Value of sysfs max_power; utilisation is measured between the two (uapi.md 2.4, op 6). */
  maxPowerMw: number;
  dcPowerMw: number;
  maxClockMhz: number;
  /** Fixed answers of the firmware model instead of measured ones. */
  fixedPowerMw: number | undefined;
  fixedClockMhz: number | undefined;
  fixedTemperatureC: number | undefined;
}

const DEFAULT_SETTINGS: Readonly<Settings> = {
  defaultTimeoutNs: 600e9,
  dependencyTimeoutNs: 60e9,
  nicPortsMask: 0,
  killOnReset: false,
  resetOnLockup: true,
  hardResetOnFwEvents: true,
  heartbeatPeriodNs: 5e9,
  firmwareTimeoutNs: 4e9,
  resetGraceNs: 100e6,
  resetDurationNs: 20e6,
  resetReleaseNs: 10e9,
  memoryScrub: false,
  // The driver's is 0x1122334455667788; sparse memory can be filled with nothing but zero.
  memoryScrubValue: 0n,
  collapseRepeatedDma: false,
  kernelMemoryBytes: 2 ** 31,
  maxPowerMw: 200_000,
  dcPowerMw: 60_000,
  maxClockMhz: 1600,
  fixedPowerMw: undefined,
  fixedClockMhz: undefined,
  fixedTemperatureC: undefined,
};

export function settingsWith(changes: Partial<Settings> = {}): Settings {
  return { ...DEFAULT_SETTINGS, ...changes };
}
