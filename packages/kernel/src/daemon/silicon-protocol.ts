/** What the main thread and a device's thread tell each other besides shared memory. */
import type { Device } from '@pedrera/hw';

type Methods =
  | 'addBusRegion'
  | 'removeBusRegion'
  | 'createContext'
  | 'setRights'
  | 'destroyContext'
  | 'map'
  | 'unmap'
  | 'createRing'
  | 'clearSyncObjects'
  | 'readRegister'
  | 'writeRegister'
  | 'readSram'
  | 'writeSram'
  | 'snapshot'
  | 'walk'
  | 'setTrace'
  | 'setFaultRules'
  | 'engineStatus'
  | 'testFirmware'
  | 'reset'
  | 'hangEngine'
  | 'close';

/** One call of the Device interface; a snapshot is answered packed. `answer` 0: none is wanted. */
export type ControlMessage = {
  [M in Methods]: { readonly method: M; readonly args: Parameters<Device[M]>; readonly answer: number };
}[Methods];

/** The one answer the thread gives without having been asked: it is up. */
export const POWERED_UP = 0;

/** An answer; `error` if the call was refused, which is a mistake of the caller's. null is an interrupt: look into the FIFO. */
export type FromSilicon = { readonly answer: number; readonly value: unknown; readonly error?: string } | null;

export interface SiliconData {
  readonly index: number;
  readonly hbmFds: readonly number[];
  readonly collapseRepeatedDma: boolean;
  readonly doorbells: readonly { readonly fifo: SharedArrayBuffer; readonly control: SharedArrayBuffer }[];
  readonly interrupts: SharedArrayBuffer;
  readonly fabricIn: readonly { readonly peer: number; readonly buffer: SharedArrayBuffer }[];
  readonly fabricOut: readonly { readonly peer: number; readonly buffer: SharedArrayBuffer }[];
}
