/**
 * Questions about the device (INFO, uapi.md 2.4). Both nodes answer them; the counters of a context are 0 on the control node.
 *
 * Must not know: what the answers are used for.
 */
import type { Res } from '@pedrera/uapi';
import type { Session } from './session.js';
import type { DcoreId } from './sync.js';

export class DeviceInfo {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  /** What the device is: memory bases and sizes in bytes, ids, masks of engines (uapi.md 2.5). */
  hwIp(): Promise<Res<'INFO_HW_IP_INFO'>> {
    return this.#session.ioctl('INFO_HW_IP_INFO', {});
  }

  /** `status` is one of DEVICE_STATUS (uapi.md 1.6). Answered during a reset too. */
  deviceStatus(): Promise<Res<'INFO_DEVICE_STATUS'>> {
    return this.#session.ioctl('INFO_DEVICE_STATUS', {});
  }

  /** Whether all engines are idle, and which are not: bit n of the mask is engine n (uapi.md 2.8). EBUSY during a reset. */
  idle(): Promise<Res<'INFO_HW_IDLE'>> {
    return this.#session.ioctl('INFO_HW_IDLE', {});
  }

  /** Bytes of HBM: free on the device, and held by this context. EBUSY during a reset. */
  dramUsage(): Promise<Res<'INFO_DRAM_USAGE'>> {
    return this.#session.ioctl('INFO_DRAM_USAGE', {});
  }

  /** Submissions dropped, by reason: of the whole device and of this context. */
  csCounters(): Promise<Res<'INFO_CS_COUNTERS'>> {
    return this.#session.ioctl('INFO_CS_COUNTERS', {});
  }

  /** The first sync object and monitor of a sync manager that this context may use (device.md 4.4). */
  syncManager(dcore: DcoreId): Promise<Res<'INFO_SYNC_MANAGER'>> {
    return this.#session.ioctl('INFO_SYNC_MANAGER', { dcore });
  }

  /** Device time and host time (CLOCK_MONOTONIC_RAW) in nanoseconds, taken together. EBUSY during a reset. */
  timeSync(): Promise<Res<'INFO_TIME_SYNC'>> {
    return this.#session.ioctl('INFO_TIME_SYNC', {});
  }

  /** Resets since the daemon started. */
  resetCount(): Promise<Res<'INFO_RESET_COUNT'>> {
    return this.#session.ioctl('INFO_RESET_COUNT', {});
  }

  /** How often the primary node was opened, and how long the last open lasted. */
  openStats(): Promise<Res<'INFO_OPEN_STATS'>> {
    return this.#session.ioctl('INFO_OPEN_STATS', {});
  }
}
