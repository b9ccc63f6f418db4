/**
 * Who can reach whom in a machine: over PCI, for peer-to-peer DMA, and over the network, between RDMA cards.
 *
 * Owns: distances and paths, worked out from the description; without one everything reaches everything. Must not know what
 * is moved, or what follows from a missing route.
 */
import {
  defaultPciAddress,
  type HostBridge,
  type LinkEnd,
  type MachineDescription,
  type PciSwitch,
} from './machine-file.js';

/** Who asks, or is asked for: by its place in the list of devices, or of network cards. */
export type Endpoint =
  | { readonly kind: 'device'; readonly index: number }
  | { readonly kind: 'nic'; readonly index: number };

/** Where a device sits, as sysfs and INFO tell it. */
export interface DevicePlace {
  readonly name: string;
  readonly module: number;
  readonly pci: string;
  readonly numa: number;
}

/** Whether port `port` of device `device` has its link up. */
export type PortState = (device: number, port: number) => boolean;

/** The one card of a machine nobody described. */
const DEFAULT_NIC = 'hli';

/** A machine in which everything hangs below one switch. */
export function plainMachine(devices: number): MachineDescription {
  return {
    hostBridges: [{ name: 'root', numa: 0, p2p: 'any' }],
    switches: [{ name: 'switch', under: 'root', acs: false }],
    devices: Array.from({ length: devices }, (_, index) => ({
      name: `hl${index}`,
      module: index,
      pci: defaultPciAddress(index),
      under: 'switch',
    })),
    nics: [{ name: DEFAULT_NIC, under: 'switch' }],
    networks: [],
    links: [],
    blocked: [],
  };
}

/** The bridges above something, lowest first; the last is a host bridge. */
type Ancestry = readonly (PciSwitch | HostBridge)[];

/** Where device `index` of the described machine sits. */
export function placeOf(machine: MachineDescription, index: number): DevicePlace {
  const found = machine.devices[index];
  if (found === undefined) {
    throw new RangeError(`the machine has no device ${index}`);
  }
  const { name, module, pci } = found;
  const root = ancestryOf(machine, name).at(-1) as HostBridge;
  return { name, module, pci, numa: root.numa };
}

export class Topology {
  readonly description: MachineDescription;
  readonly #portUp: PortState;
  /** By endpoint number: devices first, then cards. */
  readonly #distances: readonly Int16Array[];

  constructor(description: MachineDescription, portUp: PortState) {
    this.description = description;
    this.#portUp = portUp;
    const names = [...description.devices, ...description.nics].map(({ name }) => name);
    this.#distances = names.map((a) => Int16Array.from(names, (b) => distanceBetween(description, a, b)));
  }

  get nics(): readonly string[] {
    return this.description.nics.map(({ name }) => name);
  }

  /** Bridges a peer-to-peer access goes through; 0 within one device; -1 when there is no route. */
  distance(a: Endpoint, b: Endpoint): number {
    return this.#distances[this.#number(a)]?.[this.#number(b)] ?? -1;
  }

  /** What an endpoint is called, for sentences. */
  nameOf({ kind, index }: Endpoint): string {
    return (kind === 'device' ? `hl${index}` : this.description.nics[index]?.name) ?? `${kind} ${index}`;
  }

  /**
   * Whether packets get from one card to another now: within one card always, between two by a link whose ports are up at
   * both ends, or through a network both are plugged into. Ports of a card inside a device are the device's.
   */
  connected(a: number, b: number): boolean {
    const from = this.#portOwner(a);
    const to = this.#portOwner(b);
    if (from === to) {
      return true;
    }
    const reached = new Set(this.#neighbours(from));
    return (
      reached.has(to) ||
      this.#neighbours(to).some((name) => this.description.networks.includes(name) && reached.has(name))
    );
  }

  /** Names on the other ends of links that are up. */
  #neighbours(owner: string): string[] {
    const names: string[] = [];
    for (const { from, to } of this.description.links) {
      if ((from.name === owner || to.name === owner) && this.#endUp(from) && this.#endUp(to)) {
        names.push(from.name === owner ? to.name : from.name);
      }
    }
    return names;
  }

  #endUp({ name, port }: LinkEnd): boolean {
    const device = this.description.devices.findIndex((one) => one.name === name);
    return port === undefined || device < 0 || this.#portUp(device, port);
  }

  #portOwner(nic: number): string {
    const card = this.description.nics[nic];
    const inside = this.description.devices.find(({ name }) => name === card?.under);
    return inside?.name ?? card?.name ?? '';
  }

  #number({ kind, index }: Endpoint): number {
    return kind === 'device' ? index : this.description.devices.length + index;
  }
}

function ancestryOf(machine: MachineDescription, name: string): Ancestry {
  const nic = machine.nics.find((one) => one.name === name);
  const device = machine.devices.find((one) => one.name === (nic?.under ?? name));
  const bridges: (PciSwitch | HostBridge)[] = [];
  for (let at = device?.under ?? nic?.under; at !== undefined; ) {
    const above = at;
    const bridge: PciSwitch | HostBridge | undefined =
      machine.switches.find((one) => one.name === above) ?? machine.hostBridges.find((one) => one.name === above);
    if (bridge === undefined) {
      break;
    }
    bridges.push(bridge);
    at = 'under' in bridge ? bridge.under : undefined;
  }
  return bridges;
}

/** The chip that answers on PCI: a card inside a device is that device. */
function chipOf(machine: MachineDescription, name: string): string {
  const under = machine.nics.find((one) => one.name === name)?.under;
  return machine.devices.some((one) => one.name === under) ? (under as string) : name;
}

/**
 * As the kernel's PCI peer-to-peer rules have it: below a common switch requests turn round there, unless its access
 * control sends them up; in a host bridge only where that is known to work.
 */
function distanceBetween(machine: MachineDescription, a: string, b: string): number {
  const isBlocked = machine.blocked.some(([one, other]) => (one === a && other === b) || (one === b && other === a));
  if (isBlocked) {
    return -1;
  }
  if (chipOf(machine, a) === chipOf(machine, b)) {
    return 0;
  }
  const aboveA = ancestryOf(machine, a);
  const aboveB = ancestryOf(machine, b);
  for (const [up, bridge] of aboveA.entries()) {
    const down = aboveB.indexOf(bridge);
    if (down >= 0 && 'under' in bridge && !bridge.acs) {
      return up + down + 1;
    }
  }
  const rootA = aboveA.at(-1) as HostBridge;
  const rootB = aboveB.at(-1) as HostBridge;
  const turnsRound = rootA === rootB ? rootA.p2p !== 'none' : rootA.p2p === 'any' && rootB.p2p === 'any';
  // Each bridge once, the common host bridge too.
  return turnsRound ? aboveA.length + aboveB.length - (rootA === rootB ? 1 : 0) : -1;
}
