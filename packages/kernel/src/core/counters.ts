/**
 * Why submissions were refused (uapi.md 4.17). Owns the counting, for one context or one device.
 */

export type DropReason = 'outOfMem' | 'parsing' | 'queueFull' | 'deviceInReset' | 'maxCsInFlight' | 'validation';

export class CsCounters {
  outOfMem = 0;
  parsing = 0;
  queueFull = 0;
  deviceInReset = 0;
  maxCsInFlight = 0;
  validation = 0;

  count(reason: DropReason): void {
    this[reason]++;
  }
}
