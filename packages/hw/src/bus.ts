/**
 * Addresses on the host bus, as the device sees it over PCI (device.md 1.1, "host physical window").
 * Host memory is handed to the device in slots; the BARs of other devices sit above it. Owns the arithmetic only: which
 * memory stands behind a slot is told to the device by Device.addBusRegion.
 */

import { CFG_SIZE, HBM_SIZE, HOST_WINDOW_BASE } from './address-map.js';

/** A slot holds at most this much memory; bus address = slot * BUS_SLOT_SIZE + offset. */
export const BUS_SLOT_SIZE = 2 ** 30;
/** Slots of host memory: 0 .. HOST_SLOT_COUNT - 1. The peers' windows begin right above. */
export const HOST_SLOT_COUNT = 0x1_0000;

/** The HBM windows (BAR 4) of all devices on the bus, the device's own included. */
export const PEER_HBM_BUS_BASE = 0x4000_0000_0000;
export const PEER_HBM_BUS_STRIDE = HBM_SIZE;
/** The register BARs: 32-bit writes only. */
export const PEER_CFG_BUS_BASE = 0x6000_0000_0000;
export const PEER_CFG_BUS_STRIDE = CFG_SIZE;
export const MAX_DEVICES = (PEER_CFG_BUS_BASE - PEER_HBM_BUS_BASE) / PEER_HBM_BUS_STRIDE;
export const PEER_CFG_BUS_END = PEER_CFG_BUS_BASE + MAX_DEVICES * PEER_CFG_BUS_STRIDE;

export function slotOf(busAddr: number): number {
  return Math.floor(busAddr / BUS_SLOT_SIZE);
}

export function slotOffset(busAddr: number): number {
  return busAddr % BUS_SLOT_SIZE;
}

export function busAddress(slot: number, offset: number): number {
  return slot * BUS_SLOT_SIZE + offset;
}

export function peerHbmBusAddress(device: number, hbmAddress: number): number {
  return PEER_HBM_BUS_BASE + device * PEER_HBM_BUS_STRIDE + hbmAddress;
}

/** `offset` counts from CFG_BASE. */
export function peerCfgBusAddress(device: number, offset: number): number {
  return PEER_CFG_BUS_BASE + device * PEER_CFG_BUS_STRIDE + offset;
}

/** The device address of a bus address for accesses that bypass the MMU (MSG_PROT). */
export function privilegedAddress(busAddr: number): number {
  return HOST_WINDOW_BASE + busAddr;
}

export type BusLocation =
  | { readonly kind: 'host'; readonly slot: number; readonly offset: number }
  | { readonly kind: 'peer-hbm'; readonly device: number; readonly address: number }
  | { readonly kind: 'peer-cfg'; readonly device: number; readonly offset: number };

/** What a bus address names, or undefined where nothing answers. */
export function classifyBusAddress(address: number): BusLocation | undefined {
  if (address < 0 || address >= PEER_CFG_BUS_END) return undefined;
  if (address >= PEER_CFG_BUS_BASE) {
    const at = address - PEER_CFG_BUS_BASE;
    return { kind: 'peer-cfg', device: Math.floor(at / PEER_CFG_BUS_STRIDE), offset: at % PEER_CFG_BUS_STRIDE };
  }
  if (address >= PEER_HBM_BUS_BASE) {
    const at = address - PEER_HBM_BUS_BASE;
    return { kind: 'peer-hbm', device: Math.floor(at / PEER_HBM_BUS_STRIDE), address: at % PEER_HBM_BUS_STRIDE };
  }
  return { kind: 'host', slot: slotOf(address), offset: slotOffset(address) };
}
