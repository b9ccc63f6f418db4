/**
 * What each device can reach at this moment, kept beside the kernel's own books: from the calls as they are made and as the
 * device carries them out. A translation counts from when it is asked for until the device has forgotten it.
 *
 * Owns: translations, leases and bus slots by device, and the rules that memory is given back only when nobody reaches it
 * and nothing is given out twice. Must not know why anything is mapped or freed.
 */
import { type BusRegion, busAddress, type ContextRights, classifyBusAddress, type Mapping, slotOf } from '@pedrera/hw';
import type { Witness } from './device.js';
import { Violation, type ViolationKind } from './violation.js';

interface Reachable {
  readonly asid: number;
  readonly mapping: Mapping;
}

interface DeviceReach {
  readonly mappings: Set<Reachable>;
  readonly rights: Map<number, ContextRights>;
  /** Regions from when they are posted. */
  readonly slots: Map<number, BusRegion>;
}

export class Reach implements Witness {
  readonly #devices: DeviceReach[] = [];
  #violation: Violation | undefined;

  /** Throws what was seen. Not thrown where it is seen: there, the kernel would take it for an error of its own. */
  check(): void {
    if (this.#violation !== undefined) {
      throw this.#violation;
    }
  }

  posted(device: number, name: string, args: readonly unknown[]): void {
    const reach = this.#of(device);
    if (name === 'map') {
      reach.mappings.add({ asid: args[0] as number, mapping: args[1] as Mapping });
    } else if (name === 'createContext' && reach.rights.has(args[0] as number)) {
      this.#found('use-after-free', `device ${device}: ASID ${args[0]} is used again while the device has it`);
    } else if (name === 'createContext' || name === 'setRights') {
      this.#grant(device, args[0] as number, args[1] as ContextRights);
    } else if (name === 'addBusRegion') {
      this.#addSlot(device, args[0] as BusRegion);
    }
  }

  applied(device: number, name: string, args: readonly unknown[]): void {
    const reach = this.#of(device);
    switch (name) {
      case 'unmap':
        this.#forget(reach, (asid, { va }) => {
          const [owner, from, size] = args as [number, number, number];
          return asid === owner && va >= from && va < from + size;
        });
        break;
      case 'destroyContext':
        this.#forget(reach, (asid) => asid === args[0]);
        reach.rights.delete(args[0] as number);
        break;
      case 'reset':
        reach.mappings.clear();
        reach.rights.clear();
        break;
      case 'removeBusRegion':
        this.#removeSlot(device, args[0] as number);
        break;
      default:
    }
  }

  /** HBM of a device goes back to who hands it out. */
  hbmFreed(device: number, address: number, size: number): void {
    for (const [from, { mappings }] of this.#devices.entries()) {
      for (const { asid, mapping } of mappings) {
        const at = hbmOf(from, mapping);
        if (at !== undefined && at.device === device && overlaps(at.address, mapping.size, address, size)) {
          this.#found(
            'use-after-free',
            `HBM of device ${device} at 0x${address.toString(16)} is free, and context ${asid} of device ${from} still reaches it at 0x${mapping.va.toString(16)}`,
          );
        }
      }
    }
  }

  /** Host memory goes back: bytes [offset, +size) of the segment with this descriptor. */
  hostFreed(fd: number, offset: number, size: number): void {
    for (const [device, { mappings, slots }] of this.#devices.entries()) {
      for (const [slot, { memory }] of slots) {
        if (memory.kind !== 'fd' || memory.fd !== fd) {
          continue;
        }
        const address = busAddress(slot, offset - memory.offset);
        for (const { asid, mapping } of mappings) {
          if (mapping.target.space === 'bus' && overlaps(mapping.target.address, mapping.size, address, size)) {
            this.#found(
              'use-after-free',
              `host memory is free (${size} bytes at ${offset} of a segment), and context ${asid} of device ${device} still reaches it at 0x${mapping.va.toString(16)}`,
            );
          }
        }
      }
    }
  }

  /** For the end of a schedule. */
  checkNothingLeft(): void {
    for (const [device, { mappings, rights, slots }] of this.#devices.entries()) {
      const left = [
        mappings.size > 0 ? `${mappings.size} translations` : '',
        rights.size > 0 ? `contexts ${[...rights.keys()].join(', ')}` : '',
        slots.size > 0 ? `bus slots ${[...slots.keys()].join(', ')}` : '',
      ].filter((part) => part !== '');
      if (left.length > 0) {
        throw new Violation('leak', `device ${device} still has ${left.join(', ')}`);
      }
    }
  }

  /** The first one counts. */
  #found(kind: ViolationKind, message: string): void {
    this.#violation ??= new Violation(kind, message);
  }

  #of(device: number): DeviceReach {
    let reach = this.#devices[device];
    if (reach === undefined) {
      reach = { mappings: new Set(), rights: new Map(), slots: new Map() };
      this.#devices[device] = reach;
    }
    return reach;
  }

  #forget({ mappings }: DeviceReach, is: (asid: number, mapping: Mapping) => boolean): void {
    for (const reachable of mappings) {
      if (is(reachable.asid, reachable.mapping)) {
        mappings.delete(reachable);
      }
    }
  }

  #grant(device: number, asid: number, rights: ContextRights): void {
    const all = this.#of(device).rights;
    for (const [other, held] of all) {
      if (other === asid) {
        continue;
      }
      for (const mine of rights.sync) {
        for (const { dcore, firstSob, sobs, firstMonitor, monitors } of held.sync) {
          const shared =
            dcore === mine.dcore &&
            (overlaps(firstSob, sobs, mine.firstSob, mine.sobs) ||
              overlaps(firstMonitor, monitors, mine.firstMonitor, mine.monitors));
          if (shared) {
            this.#found(
              'wrong-mapping',
              `contexts ${asid} and ${other} of device ${device} lease the same objects of dcore ${dcore}`,
            );
          }
        }
      }
      if (
        rights.sram !== null &&
        held.sram !== null &&
        overlaps(rights.sram.base, rights.sram.size, held.sram.base, held.sram.size)
      ) {
        this.#found('wrong-mapping', `contexts ${asid} and ${other} of device ${device} lease the same SRAM`);
      }
    }
    all.set(asid, rights);
  }

  #addSlot(device: number, region: BusRegion): void {
    const { mappings, slots } = this.#of(device);
    if (slots.has(region.slot)) {
      this.#found('use-after-free', `device ${device}: bus slot ${region.slot} is used again while the device has it`);
    }
    for (const { asid, mapping } of mappings) {
      if (mapping.target.space === 'bus' && slotOf(mapping.target.address) === region.slot) {
        this.#found(
          'wrong-mapping',
          `device ${device}: bus slot ${region.slot} gets other memory while context ${asid} has a translation to it`,
        );
      }
    }
    slots.set(region.slot, region);
  }

  #removeSlot(device: number, slot: number): void {
    const { mappings, slots } = this.#of(device);
    slots.delete(slot);
    for (const { asid, mapping } of mappings) {
      if (mapping.target.space === 'bus' && slotOf(mapping.target.address) === slot) {
        this.#found(
          'use-after-free',
          `device ${device}: bus slot ${slot} is gone while context ${asid} has a translation to it at 0x${mapping.va.toString(16)}`,
        );
      }
    }
  }
}

/** Which HBM a translation leads to, if it leads to HBM. */
function hbmOf(device: number, { target }: Mapping): { device: number; address: number } | undefined {
  if (target.space === 'hbm') {
    return { device, address: target.address };
  }
  const where = classifyBusAddress(target.address);
  return where?.kind === 'peer-hbm' ? where : undefined;
}

function overlaps(a: number, aSize: number, b: number, bSize: number): boolean {
  return a < b + bSize && b < a + aSize && aSize > 0 && bSize > 0;
}
