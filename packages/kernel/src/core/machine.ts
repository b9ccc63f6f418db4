/**
 * The whole simulated machine: its devices and what lives above all of them.
 *
 * Owns: the device list, who reaches whom, the network cards, the dma-bufs and fences (they cross devices), the settings. Must
 * not know connections.
 */
import { type Clock, errno, type LeakTracker } from '@pedrera/base';
import { TRACE_KIND } from '@pedrera/uapi';
import type { HlDevice } from './device.js';
import type { ImporterDevice } from './dma-buf/exporter.js';
import { DmaBufRegistry } from './dma-buf/registry.js';
import { EventLog } from './event-log.js';
import { FaultPlan } from './fault-plan.js';
import { FenceDomain } from './fence/fence-domain.js';
import type { MachineDescription } from './machine-file.js';
import type { NodeKind } from './open-file.js';
import type { Policy } from './policy.js';
import { RdmaFabric } from './rdma/nic.js';
import { type Settings, settingsWith } from './settings.js';
import { type Endpoint, plainMachine, Topology } from './topology.js';
import { DeviceTraces } from './trace/device-trace.js';
import { Trace } from './trace/trace.js';

export interface MachineOptions {
  readonly devices: readonly HlDevice[];
  readonly policy: Policy;
  readonly clock: Clock;
  readonly tracker: LeakTracker;
  /** Host memory one client may hold. */
  readonly hostMemoryLimit: number;
  /** What every device starts with. */
  readonly settings?: Partial<Settings>;
  /** Which devices, cards and ways between them there are; without one everything reaches everything. */
  readonly description?: MachineDescription;
  /** Runs work of the network cards once what is waiting has had its turn. */
  readonly later?: (work: () => void) => void;
}

/** The class's own names, and those of the accel subsystem (uapi.md 1.1, device.md 10.2). */
const NODE_NAME = /^(?:hl|accel)(_controlD)?(0|[1-9][0-9]{0,2})$/;

export class Machine {
  readonly devices: readonly HlDevice[];
  readonly policy: Policy;
  readonly clock: Clock;
  readonly tracker: LeakTracker;
  readonly hostMemoryLimit: number;
  readonly settings: Settings;
  readonly topology: Topology;
  readonly rdma: RdmaFabric;
  readonly fences: FenceDomain;
  readonly dmaBufs: DmaBufRegistry;
  readonly faults: FaultPlan;
  /** What happened to devices and clients, for people. */
  readonly eventLog: EventLog;
  /** Who records what goes on. */
  readonly trace: Trace;
  readonly startedNs: number;

  constructor(options: MachineOptions) {
    this.devices = options.devices;
    this.policy = options.policy;
    this.clock = options.clock;
    this.tracker = options.tracker;
    this.hostMemoryLimit = options.hostMemoryLimit;
    this.settings = settingsWith(options.settings);
    const { clock, tracker, devices } = options;
    this.eventLog = new EventLog(clock);
    this.trace = new Trace(clock);
    for (const device of devices) {
      device.eventLog = this.eventLog;
      device.trace = this.trace;
    }
    new DeviceTraces(this.trace, devices);
    this.eventLog.listen((event) => {
      if ((this.trace.kinds & TRACE_KIND.EVENTS) !== 0) {
        this.trace.event(event);
      }
    });
    const warn = (message: string, error?: unknown) =>
      devices[0]?.log.error({ err: error ?? new Error(message) }, message);
    this.fences = new FenceDomain({ clock, tracker, warn });
    const topology = new Topology(
      options.description ?? plainMachine(devices.length),
      (device, port) => (((devices[device]?.linksDown ?? 0) >> port) & 1) === 0,
    );
    this.topology = topology;
    this.rdma = new RdmaFabric({ devices, topology, ...(options.later === undefined ? {} : { later: options.later }) });
    const distance = (importer: ImporterDevice, device: number) =>
      topology.distance(this.#endpoint(importer), { kind: 'device', index: device });
    this.dmaBufs = new DmaBufRegistry({ clock, tracker, fences: this.fences, distance });
    this.faults = new FaultPlan(devices, this.eventLog);
    this.startedNs = options.clock.nowNs();
  }

  /** 'hl0' or 'hl_controlD0', or 'accel0' and 'accel_controlD0' for the same. Errors: ENOENT for any other name, ENXIO for a device that is not there (uapi.md 1.2). */
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

  /** Completions may lie ready while their interrupt is still on its way; of whatever device. */
  drainInterrupts(): void {
    for (const device of this.devices) {
      device.drainInterrupts();
    }
  }

  #endpoint({ device, name }: ImporterDevice): Endpoint {
    return device === undefined
      ? { kind: 'nic', index: this.rdma.nic(name)?.index ?? -1 }
      : { kind: 'device', index: device };
  }
}
