/**
 * A simulated RDMA network card, and the network between the cards of a machine (docs/machine.md).
 *
 * Owns: how a card addresses what it imports, the keys of regions, when queued work goes on. Moves nothing itself
 * (transfer-queue.ts). Must not know open files.
 */
import { errno } from '@pedrera/base';
import { classifyBusAddress } from '@pedrera/hw';
import type { HlDevice } from '../device.js';
import { ANY_SEGMENT, type ImporterDevice, type SgTable } from '../dma-buf/exporter.js';
import type { Piece } from '../mapping.js';
import type { Topology } from '../topology.js';
import type { MemoryRegion } from './memory-region.js';
import { NicBus } from './nic-bus.js';
import type { Run } from './region-memory.js';

export class RdmaNic {
  readonly fabric: RdmaFabric;
  readonly index: number;
  /** Also that of its node. */
  readonly name: string;
  readonly #bus = new NicBus();

  constructor(fabric: RdmaFabric, index: number, name: string) {
    this.fabric = fabric;
    this.index = index;
    this.name = name;
  }

  /** What the card says of itself to an exporter. */
  importer(pid: number): ImporterDevice {
    return { name: this.name, pid, device: undefined, asid: 0, bus: this.#bus, maxSegmentBytes: ANY_SEGMENT };
  }

  /** Where the bytes of a mapping are. */
  runsOf({ segments }: SgTable): Run[] {
    return segments.map((piece) => this.#run(piece));
  }

  #run({ space, address, size }: Piece): Run {
    const place = space === 'bus' ? classifyBusAddress(address) : undefined;
    if (place?.kind === 'peer-hbm') {
      return { memory: this.fabric.device(place.device).memory.hbm, offset: place.address, size };
    }
    const host = place?.kind === 'host' ? this.#bus.behind(place.slot, place.offset) : undefined;
    if (host === undefined) {
      throw new Error(`${this.name} was given the ${space} address 0x${address.toString(16)}, where it finds nothing`);
    }
    return { memory: host.segment.memory, offset: host.offset, size };
  }
}

export interface RdmaFabricOptions {
  readonly devices: readonly HlDevice[];
  readonly topology: Topology;
  /** Runs work once what is waiting has had its turn. */
  readonly later?: (work: () => void) => void;
}

export class RdmaFabric {
  readonly nics: readonly RdmaNic[];
  readonly later: (work: () => void) => void;
  readonly #devices: readonly HlDevice[];
  readonly #topology: Topology;
  readonly #regions = new Map<string, MemoryRegion>();

  constructor({ devices, topology, later = (work) => void setImmediate(work) }: RdmaFabricOptions) {
    this.#devices = devices;
    this.#topology = topology;
    this.later = later;
    this.nics = topology.nics.map((name, index) => new RdmaNic(this, index, name));
  }

  /** The card whose node has this name. */
  nic(name: string): RdmaNic | undefined {
    return this.nics.find((card) => card.name === name);
  }

  device(index: number): HlDevice {
    const device = this.#devices[index];
    if (device === undefined) {
      throw errno('ENXIO', `this machine has no device ${index}`);
    }
    return device;
  }

  connected(a: RdmaNic, b: RdmaNic): boolean {
    return this.#topology.connected(a.index, b.index);
  }

  /** The region a key names now. */
  region(key: string): MemoryRegion | undefined {
    return this.#regions.get(key);
  }

  /** Of MemoryRegion only. */
  name(region: MemoryRegion, key: string): string {
    this.#regions.set(key, region);
    return key;
  }

  unname(key: string): void {
    this.#regions.delete(key);
  }
}
