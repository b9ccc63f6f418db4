/**
 * The kernel on devices somebody else runs, in time somebody else moves: for whoever decides what happens next.
 *
 * Owns: a machine on given hardware, and its sessions. Must not know what is behind the Device interface, or who calls.
 */
import type { Clock, LeakTracker } from '@pedrera/base';
import type { Device } from '@pedrera/hw';
import type { PeerCredentials, SharedMemory } from '@pedrera/wire';
import { type DeviceLog, HlDevice } from '../core/device.js';
import { Machine } from '../core/machine.js';
import type { MachineDescription } from '../core/machine-file.js';
import { POLICIES, type PolicyName } from '../core/policy.js';
import type { Settings } from '../core/settings.js';
import { type LocalConnection, LocalSessions } from './local-sessions.js';

export interface BareKernelOptions {
  readonly policy: PolicyName;
  readonly hardware: readonly Device[];
  /** Memory of each device, the same the hardware has. */
  readonly hbm: readonly SharedMemory[];
  readonly clock: Clock;
  readonly tracker: LeakTracker;
  readonly hostMemoryLimit: number;
  readonly settings?: Partial<Settings>;
  readonly description?: MachineDescription;
  /** Decides when work of the network cards goes on. */
  readonly later?: (work: () => void) => void;
  /** What the devices say. */
  readonly log: DeviceLog;
}

export class BareKernel {
  readonly machine: Machine;
  readonly #sessions: LocalSessions;

  constructor({ policy: name, hardware, hbm, hostMemoryLimit, log, ...shared }: BareKernelOptions) {
    const policy = POLICIES[name];
    const devices = hardware.map(
      (device, i) => new HlDevice({ hardware: device, hbm: hbm[i] as SharedMemory, policy, log, ...shared }),
    );
    this.machine = new Machine({ devices, policy, hostMemoryLimit, ...shared });
    this.#sessions = new LocalSessions(this.machine);
    for (const device of devices) {
      device.life.start();
    }
  }

  /** What the sessions' log says of bugs. */
  get complaints(): readonly string[] {
    return this.#sessions.complaints;
  }

  connect(heard: (message: readonly unknown[]) => void, peer: PeerCredentials): LocalConnection {
    return this.#sessions.connect(heard, peer);
  }

  /** What the daemon does at its end. The devices have to go on working, and time to pass, until it resolves. */
  async close(): Promise<void> {
    await this.#sessions.drain();
    const { devices } = this.machine;
    await Promise.all(devices.map((device) => device.life.quiesce()));
    await Promise.all(devices.map((device) => device.contexts.stop()));
  }
}
