/**
 * Where an address of a context leads, for debugging tools: the rules of address-decoder.ts and register-bus.ts, told instead of
 * carried out. Touches no memory and nothing that a context could notice.
 */

import {
  type AddressWalk,
  BUS_SLOT_SIZE,
  CFG_BASE,
  CFG_END,
  classifyBusAddress,
  DRAM_USER_BASE,
  dcoreOfOffset,
  HBM_SIZE,
  HOST_WINDOW_BASE,
  isUserRegister,
  MONITORS_PER_DCORE,
  registerBlock,
  SM_BLOCK_SIZE,
  SM_REGISTERS,
  SOBS_PER_DCORE,
  SRAM_BASE,
  SRAM_END,
  SRAM_USER_BASE,
} from '@pedrera/hw';
import type { BusMemory } from './bus-memory.js';
import type { Context } from './context.js';
import type { SyncManager } from './sync-manager.js';

export function walkAddress(context: Context, address: number, bus: BusMemory, sync: SyncManager): AddressWalk | null {
  if (!(Number.isSafeInteger(address) && address >= 0)) return null;
  if (address >= HOST_WINDOW_BASE) return translated(context, address, bus);
  const { rights } = context;
  if (address < HBM_SIZE) {
    if (!rights.physicalHbm || address < DRAM_USER_BASE) return null;
    return physical('hbm', address, true, HBM_SIZE - address);
  }
  if (address >= SRAM_BASE && address < SRAM_END) {
    const { sram } = rights;
    if (sram === null || address < sram.base || address >= sram.base + sram.size) return null;
    const isDriver = address < SRAM_USER_BASE;
    const end = isDriver ? Math.min(SRAM_USER_BASE, sram.base + sram.size) : sram.base + sram.size;
    return physical('sram', address, !isDriver, end - address);
  }
  if (address < CFG_BASE || address >= CFG_END) return null;
  return hasRegister(context, address - CFG_BASE, sync)
    ? physical('registers', address, true, 4 - (address % 4))
    : null;
}

function physical(space: 'hbm' | 'sram' | 'registers', address: number, writable: boolean, size: number): AddressWalk {
  return { space, address, device: null, translated: false, writable, size };
}

/** Whether the context may write a register at all; what it may write there is the register's business. */
function hasRegister(context: Context, offset: number, sync: SyncManager): boolean {
  const dcore = dcoreOfOffset(offset);
  if (dcore >= 0) {
    const register = offset & (SM_BLOCK_SIZE - 1);
    if (register < SM_REGISTERS.SOB || register >= SM_REGISTERS.END) return false;
    if (register >= SM_REGISTERS.MON_PAY_ADDRL)
      return sync.monitorOwners[dcore * MONITORS_PER_DCORE + ((register & 0x7ff) >> 2)] === context.asid;
    return sync.owners[dcore * SOBS_PER_DCORE + ((register - SM_REGISTERS.SOB) >> 2)] === context.asid;
  }
  return registerBlock(offset) !== 0 || (context.rights.physicalHbm && isUserRegister(offset));
}

function translated(context: Context, address: number, bus: BusMemory): AddressWalk | null {
  const piece = context.space.find(address, false);
  if (piece === undefined) return null;
  const { writable, onBus } = piece;
  const target = piece.target + (address - piece.start);
  const left = piece.end - address;
  if (!onBus) {
    if (target >= HBM_SIZE) return null;
    const size = Math.min(left, HBM_SIZE - target);
    return { space: 'hbm', address: target, device: null, translated: true, writable, size };
  }
  const place = classifyBusAddress(target);
  switch (place?.kind) {
    case 'host': {
      const there = bus.block(place.slot)?.bytes.length ?? bus.process(place.slot)?.size ?? 0;
      const size = Math.min(left, Math.min(there, BUS_SLOT_SIZE) - place.offset);
      return size > 0 ? { space: 'bus', address: target, device: null, translated: true, writable, size } : null;
    }
    case 'peer-hbm': {
      const { device, address: at } = place;
      const size = Math.min(left, HBM_SIZE - at);
      return { space: 'peer', address: at, device, translated: true, writable, size };
    }
    case 'peer-cfg': {
      const { device, offset } = place;
      return { space: 'peer-registers', address: CFG_BASE + offset, device, translated: true, writable, size: left };
    }
    default:
      return null;
  }
}
