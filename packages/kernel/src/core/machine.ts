/**
 * The whole simulated machine: its devices and what lives above all of them.
 *
 * Owns: the device list, the dma-bufs (they cross devices), the settings. Must not know connections.
 */
import { type Clock, errno, type LeakTracker } from '@pedrera/base';
import type { HlDevice } from './device.js';
import { DmaBufRegistry } from './dma-buf.js';
import type { NodeKind } from './open-file.js';
import type { Policy } from './policy.js';
import { type Settings, settingsWith } from './settings.js';

export interface MachineOptions {
  readonly devices: readonly HlDevice[];
  readonly policy: Policy;
  readonly clock: Clock;
  readonly tracker: LeakTracker;
  /** Host memory one client may hold. */
  readonly hostMemoryLimit: number;
  /** What every device starts with. */
  readonly settings?: Partial<Settings>;
}

const NODE_NAME = /^hl(_controlD)?(0|[1-9][0-9]{0,2})$/;

export class Machine {
  readonly devices: readonly HlDevice[];
  readonly policy: Policy;
  readonly clock: Clock;
  readonly tracker: LeakTracker;
  readonly hostMemoryLimit: number;
  readonly settings: Settings;
  readonly dmaBufs: DmaBufRegistry;
  readonly startedNs: number;

  constructor(options: MachineOptions) {
    this.devices = options.devices;
    this.policy = options.policy;
    this.clock = options.clock;
    this.tracker = options.tracker;
    this.hostMemoryLimit = options.hostMemoryLimit;
    this.settings = settingsWith(options.settings);
    this.dmaBufs = new DmaBufRegistry(options.tracker);
    this.startedNs = options.clock.nowNs();
  }

  /** 'hl0' or 'hl_controlD0'. Errors: ENOENT for any other name, ENXIO for a device that is not there (uapi.md 1.2). */
  node(name: string): { device: HlDevice; node: NodeKind } {
    const match = NODE_NAME.exec(name);
    if (match === null) {
      throw errno('ENOENT', `no device node is called ${JSON.stringify(name)}; nodes are hl0 and hl_controlD0`);
    }
    const device = this.devices[Number(match[2])];
    if (device === undefined) {
      throw errno(
        'ENXIO',
        `${name}: this machine has ${this.devices.length} devices, hl0 to hl${this.devices.length - 1}`,
      );
    }
    return { device, node: match[1] === undefined ? 'primary' : 'control' };
  }
}
