/**
 * Where the simulated cards sit: their PCI addresses and ids, the numbers of their device nodes, the text of their EEPROM.
 *
 * Owns: those numbers, but for the PCI address, which the machine says. Must not know files.
 */
import type { HlDevice } from '../core/device.js';

/** Habana Labs, and the id of a non-secured Gaudi (uapi.md 2.5). */
export const PCI_VENDOR = 0x1da3;
export const PCI_DEVICE = 0x1000;
/** Processing accelerator. */
export const PCI_CLASS = 0x12_0000;

/** Of all nodes; the real one is whatever is free when the driver loads. */
export const NODE_MAJOR = 511;

export const CARD_NAME = 'HL205';
export const EEPROM_SIZE = 4096;

/** dddd:bb:dd.f, 12 characters (uapi.md 9.1). */
export function pciAddress({ place }: HlDevice): string {
  return place.pci;
}

/** The control node's is one more (uapi.md 1.1). */
export function primaryMinor({ index }: HlDevice): number {
  return 2 * index;
}

/** No card has it: a simulated one is known by where it is plugged in. */
export function serialNumber({ place }: HlDevice): string {
  return `SIM${String(place.module).padStart(5, '0')}`;
}

export function deviceUuid({ place }: HlDevice): string {
  return `${CARD_NAME}-simulated-${place.pci}`;
}

/** What is on the simulated board's EEPROM: which card it is; the rest was never written. */
export function eepromBytes({ place }: HlDevice): Uint8Array {
  const bytes = new Uint8Array(EEPROM_SIZE).fill(0xff);
  bytes.set(Buffer.from(`${CARD_NAME} simulated, module ${place.module}\0`, 'latin1'));
  return bytes;
}
