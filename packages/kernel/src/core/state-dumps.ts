/**
 * The state dumps of a device (uapi.md 7.9; debugfs state_dump).
 *
 * Owns: how many are kept, and that one is taken at a time. Must not know what stands in one.
 */
import type { Device } from '@pedrera/hw';
import { takeStateDump } from '../vfs/state-dump.js';
import type { DeviceLog } from './device.js';

/** As many are kept. */
const KEPT = 5;

export class StateDumps {
  /** Newest first. */
  readonly texts: string[] = [];
  readonly #hardware: Device;
  readonly #log: DeviceLog;
  #taking: Promise<void> | undefined;

  constructor(hardware: Device, log: DeviceLog) {
    this.#hardware = hardware;
    this.#log = log;
  }

  take(): Promise<void> {
    // One at a time: a burst of events while one is being taken would show the same.
    this.#taking ??= this.#take().finally(() => {
      this.#taking = undefined;
    });
    return this.#taking;
  }

  async #take(): Promise<void> {
    try {
      this.texts.unshift(await takeStateDump(this.#hardware));
      this.texts.length = Math.min(this.texts.length, KEPT);
    } catch (error) {
      this.#log.error({ device: this.#hardware.index, err: error }, 'no state dump could be taken');
    }
  }
}
