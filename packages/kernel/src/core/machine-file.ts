/**
 * The description of a machine: which bridges, devices, network cards and links there are (docs/machine.md).
 *
 * Owns: the form of the file and what is wrong with one, in sentences. Must not know what follows from a description, or
 * where the text came from.
 */
import { errno } from '@pedrera/base';

export const MACHINE_SCHEMA = 'pedrera.machine/1';

/** Whether requests between two things below a host bridge may turn round in it: not at all, within it, or across bridges too. */
export type RootP2p = 'none' | 'within' | 'any';

export interface HostBridge {
  readonly name: string;
  readonly numa: number;
  readonly p2p: RootP2p;
}

export interface PciSwitch {
  readonly name: string;
  /** A switch or a host bridge. */
  readonly under: string;
  /** Access control: requests between what hangs below it are sent up to the host bridge. */
  readonly acs: boolean;
}

export interface DeviceDescription {
  readonly name: string;
  readonly module: number;
  /** Like 0000:19:00.0. */
  readonly pci: string;
  readonly under: string;
}

export interface NicDescription {
  readonly name: string;
  /** A bridge it hangs below, or the device it is part of. */
  readonly under: string;
}

/** One end of a cable: a port of a device or of a network card, or a network. */
export interface LinkEnd {
  readonly name: string;
  /** Undefined for a network. */
  readonly port: number | undefined;
}

export interface LinkDescription {
  readonly from: LinkEnd;
  readonly to: LinkEnd;
}

export interface MachineDescription {
  readonly hostBridges: readonly HostBridge[];
  readonly switches: readonly PciSwitch[];
  readonly devices: readonly DeviceDescription[];
  readonly nics: readonly NicDescription[];
  readonly networks: readonly string[];
  readonly links: readonly LinkDescription[];
  /** Pairs of devices or cards that cannot reach each other whatever the bridges say. */
  readonly blocked: readonly (readonly [string, string])[];
}

/** Each is a thread of the daemon. */
const MAX_DEVICES = 16;
const PORTS = 10;
const MAX_NAMES = 256;
const MAX_LINKS = 1024;
const NAME = /^[A-Za-z][A-Za-z0-9_.-]{0,31}$/;
const DEVICE_NODE = /^hl(_controlD)?[0-9]+$/;
const PCI_ADDRESS = /^[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]$/;

function wrong(where: string, what: string): never {
  throw errno('EINVAL', `machine description, ${where}: ${what}`);
}

type Fields = Readonly<Record<string, unknown>>;

function object(value: unknown, where: string, known: readonly string[]): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    wrong(where, 'an object is wanted here');
  }
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) {
      wrong(where, `there is no field ${JSON.stringify(key)}; fields are ${known.join(', ')}`);
    }
  }
  return value as Fields;
}

function list<T>(value: unknown, where: string, most: number, each: (item: unknown, where: string) => T): T[] {
  if (value === undefined) {
    return [];
  }
  if (!Array.isArray(value)) {
    wrong(where, 'a list is wanted here');
  }
  if (value.length > most) {
    wrong(where, `${value.length} entries; the most is ${most}`);
  }
  return value.map((item, i) => each(item, `${where}[${i}]`));
}

function name(value: unknown, where: string): string {
  if (typeof value !== 'string' || !NAME.test(value)) {
    wrong(
      where,
      `${JSON.stringify(value)} is no name: a letter, then up to 31 letters, digits, dots, dashes, underscores`,
    );
  }
  return value;
}

function whole(value: unknown, where: string, most: number, initial: number): number {
  if (value === undefined) {
    return initial;
  }
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > most) {
    wrong(where, `${JSON.stringify(value)} is no whole number from 0 to ${most}`);
  }
  return value;
}

function oneOf<T extends string>(value: unknown, where: string, values: readonly T[], initial: T): T {
  if (value === undefined) {
    return initial;
  }
  const found = values.find((known) => known === value);
  return found ?? wrong(where, `${JSON.stringify(value)} is none of ${values.join(', ')}`);
}

function hostBridge(value: unknown, where: string): HostBridge {
  const fields = object(value, where, ['name', 'numa', 'p2p']);
  return {
    name: name(fields.name, `${where}.name`),
    numa: whole(fields.numa, `${where}.numa`, 255, 0),
    p2p: oneOf(fields.p2p, `${where}.p2p`, ['none', 'within', 'any'], 'none'),
  };
}

function pciSwitch(value: unknown, where: string): PciSwitch {
  const fields = object(value, where, ['name', 'under', 'acs']);
  const { acs = false } = fields;
  if (typeof acs !== 'boolean') {
    wrong(`${where}.acs`, `${JSON.stringify(acs)} is neither true nor false`);
  }
  return { name: name(fields.name, `${where}.name`), under: name(fields.under, `${where}.under`), acs };
}

function device(value: unknown, where: string, index: number): DeviceDescription {
  const fields = object(value, where, ['name', 'module', 'pci', 'under']);
  const { pci = defaultPciAddress(index) } = fields;
  if (typeof pci !== 'string' || !PCI_ADDRESS.test(pci)) {
    wrong(`${where}.pci`, `${JSON.stringify(pci)} is no PCI address; one is 0000:19:00.0`);
  }
  return {
    name: fields.name === undefined ? `hl${index}` : name(fields.name, `${where}.name`),
    module: whole(fields.module, `${where}.module`, 255, index),
    pci,
    under: name(fields.under, `${where}.under`),
  };
}

/** One card a bus, as behind root ports of their own: dddd:bb:dd.f, 12 characters (uapi.md 9.1). */
export function defaultPciAddress(index: number): string {
  return `0000:${(index + 1).toString(16).padStart(2, '0')}:00.0`;
}

function nic(value: unknown, where: string): NicDescription {
  const fields = object(value, where, ['name', 'under', 'in']);
  if ((fields.under === undefined) === (fields.in === undefined)) {
    wrong(where, 'a card is either `under` a bridge or `in` a device');
  }
  const key = fields.in === undefined ? 'under' : 'in';
  return { name: name(fields.name, `${where}.name`), under: name(fields[key], `${where}.${key}`) };
}

function linkEnd(value: unknown, where: string): LinkEnd {
  const [, owner, port] = (typeof value === 'string' ? /^([^:]+)(?::([0-9]{1,2}))?$/.exec(value) : null) ?? [];
  if (owner === undefined) {
    wrong(where, `${JSON.stringify(value)} is no end of a link; one is "hl0:3", or the name of a network`);
  }
  return { name: name(owner, where), port: port === undefined ? undefined : Number(port) };
}

function link(value: unknown, where: string): LinkDescription {
  const fields = object(value, where, ['from', 'to']);
  return { from: linkEnd(fields.from, `${where}.from`), to: linkEnd(fields.to, `${where}.to`) };
}

function pair(value: unknown, where: string): readonly [string, string] {
  if (!Array.isArray(value) || value.length !== 2) {
    wrong(where, 'a pair of names is wanted here');
  }
  return [name(value[0], `${where}[0]`), name(value[1], `${where}[1]`)];
}

/** Reads a description. Errors: EINVAL with a sentence that says where and what. */
export function parseMachine(text: string): MachineDescription {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw errno('EINVAL', `the machine description is not JSON: ${(error as Error).message}`);
  }
  const schema = (value as { schema?: unknown } | null)?.schema;
  if (schema !== MACHINE_SCHEMA) {
    wrong('schema', `${JSON.stringify(schema)}; this release reads ${JSON.stringify(MACHINE_SCHEMA)}`);
  }
  const fields = object(value, 'top level', [
    'schema',
    'hostBridges',
    'switches',
    'devices',
    'nics',
    'networks',
    'links',
    'blocked',
  ]);
  const described: MachineDescription = {
    hostBridges: list(fields.hostBridges, 'hostBridges', MAX_NAMES, hostBridge),
    switches: list(fields.switches, 'switches', MAX_NAMES, pciSwitch),
    devices: devices(fields.devices),
    nics: list(fields.nics, 'nics', MAX_NAMES, nic),
    networks: list(fields.networks, 'networks', MAX_NAMES, name),
    links: list(fields.links, 'links', MAX_LINKS, link),
    blocked: list(fields.blocked, 'blocked', MAX_LINKS, pair),
  };
  checkNames(described);
  checkTree(described);
  checkLinks(described);
  return described;
}

function devices(value: unknown): DeviceDescription[] {
  let index = 0;
  const found = list(value, 'devices', MAX_DEVICES, (item, where) => device(item, where, index++));
  if (found.length === 0) {
    wrong('devices', 'a machine has at least one device');
  }
  for (const key of ['pci', 'module'] as const) {
    found.forEach((one, i) => {
      const twin = found.findIndex((other) => other[key] === one[key]);
      if (twin < i) {
        wrong(`devices[${i}].${key}`, `${one[key]} is that of devices[${twin}] already`);
      }
    });
  }
  return found;
}

function checkNames(machine: MachineDescription): void {
  const taken = new Map<string, string>();
  const claim = (what: string, names: readonly string[]) =>
    names.forEach((one, i) => {
      const holder = taken.get(one);
      if (holder !== undefined) {
        wrong(`${what}[${i}]`, `the name ${one} is taken by ${holder}`);
      }
      taken.set(one, `${what}[${i}]`);
    });
  const namesOf = (things: readonly { readonly name: string }[]) => things.map((thing) => thing.name);
  claim('hostBridges', namesOf(machine.hostBridges));
  claim('switches', namesOf(machine.switches));
  claim('devices', namesOf(machine.devices));
  claim('nics', namesOf(machine.nics));
  claim('networks', machine.networks);
  machine.nics.forEach((card, i) => {
    if (DEVICE_NODE.test(card.name)) {
      wrong(`nics[${i}].name`, `${card.name} is the name of a device's node; a card's node has the card's name`);
    }
  });
  machine.blocked.forEach((names, i) => {
    for (const one of names) {
      if (![...namesOf(machine.devices), ...namesOf(machine.nics)].includes(one)) {
        wrong(`blocked[${i}]`, `${one} is neither a device nor a card`);
      }
    }
  });
}

/** Everything hangs below a bridge, and going up ends at a host bridge. */
function checkTree({ hostBridges, switches, devices: all, nics }: MachineDescription): void {
  const roots = new Set(hostBridges.map((bridge) => bridge.name));
  const parents = new Map(switches.map((one) => [one.name, one.under]));
  const isBridge = (one: string) => roots.has(one) || parents.has(one);
  const there = [...roots, ...parents.keys()].join(', ') || 'none';
  switches.forEach(({ name: own, under }, i) => {
    if (!isBridge(under)) {
      wrong(`switches[${i}].under`, `${under} is no bridge; bridges are ${there}`);
    }
    const above = new Set([own]);
    for (let at: string | undefined = under; at !== undefined; at = parents.get(at)) {
      if (above.has(at)) {
        wrong(`switches[${i}].under`, `${own} is below itself`);
      }
      above.add(at);
    }
  });
  all.forEach(({ under }, i) => {
    if (!isBridge(under)) {
      wrong(`devices[${i}].under`, `${under} is no bridge; bridges are ${there}`);
    }
  });
  nics.forEach(({ under }, i) => {
    if (!isBridge(under) && !all.some((one) => one.name === under)) {
      wrong(`nics[${i}]`, `${under} is neither a bridge nor a device`);
    }
  });
}

function checkLinks({ devices: all, nics, networks, links }: MachineDescription): void {
  const ported = new Set(all.map((one) => one.name));
  for (const card of nics) {
    if (!ported.has(card.under)) {
      ported.add(card.name);
    }
  }
  const plugged = new Map<string, number>();
  const check = ({ name: owner, port }: LinkEnd, where: string, i: number) => {
    if (networks.includes(owner)) {
      if (port !== undefined) {
        wrong(where, `${owner} is a network: it has no ports by number`);
      }
      return;
    }
    if (!ported.has(owner)) {
      const inside = nics.find((card) => card.name === owner);
      wrong(
        where,
        inside === undefined
          ? `nothing with ports is called ${owner}`
          : `the ports of ${owner} are those of ${inside.under}`,
      );
    }
    if (port === undefined || port >= PORTS) {
      wrong(where, `${owner} has the ports 0 to ${PORTS - 1}, as in ${owner}:0`);
    }
    const key = `${owner}:${port}`;
    const other = plugged.get(key);
    if (other !== undefined) {
      wrong(where, `${key} is an end of links[${other}] already`);
    }
    plugged.set(key, i);
  };
  links.forEach(({ from, to }, i) => {
    check(from, `links[${i}].from`, i);
    check(to, `links[${i}].to`, i);
    if (from.port === undefined && to.port === undefined) {
      wrong(`links[${i}]`, 'one of its ends must be a port');
    }
  });
}
