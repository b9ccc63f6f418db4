/** How the state of a device looks in a file (uapi.md 1.6). Owns the words; the state is the device's. */
import { DEVICE_STATUS } from '@pedrera/uapi';
import type { HlDevice } from '../core/device.js';

const TEXTS = new Map<number, string>([
  [DEVICE_STATUS.OPERATIONAL, 'Operational'],
  [DEVICE_STATUS.IN_RESET, 'In reset'],
  [DEVICE_STATUS.MALFUNCTION, 'Disabled'],
  [DEVICE_STATUS.NEEDS_RESET, 'Needs reset'],
  [DEVICE_STATUS.IN_DEVICE_CREATION, 'In device creation'],
  [DEVICE_STATUS.IN_RESET_AFTER_DEVICE_RELEASE, 'In reset after device release'],
]);

export function statusText({ status }: HlDevice): string {
  return TEXTS.get(status) ?? 'Unknown';
}

export function inReset({ status }: HlDevice): boolean {
  return status === DEVICE_STATUS.IN_RESET || status === DEVICE_STATUS.IN_RESET_AFTER_DEVICE_RELEASE;
}
