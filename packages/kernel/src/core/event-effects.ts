/**
 * What each class of events leads to (uapi.md 7.5).
 *
 * Owns: the table. Must not know how a notification or a reset is done.
 */
import type { EventClass } from '@pedrera/hw';
import { NOTIFIER_EVENT } from '@pedrera/uapi';

export interface EventEffect {
  /** Notifier bits. */
  readonly notify: number;
  /**
   * 'always' resets, and adds DEVICE_RESET to the bits. 'cause' resets when bit 15 of the cause register is set, and adds
   * DEVICE_RESET in any case, as the driver does. 'never' does neither, unless `notify` has the bit.
   */
  readonly reset: 'always' | 'cause' | 'never';
  /** Writes the record of the first illegal access, with nothing in it if that was something else (uapi.md 7.6). */
  readonly writesRazwi: boolean;
  readonly stateDump: boolean;
}

/** A queue manager's error, as the cause register of a TPC shows it. */
export const CAUSE_QM_ERROR = 1 << 15;

const { TPC_ASSERT, DEVICE_RESET, USER_ENGINE_ERR, GENERAL_HW_ERR } = NOTIFIER_EVENT;

function effect(notify: number, more: Partial<EventEffect> = {}): EventEffect {
  return { notify, reset: 'never', writesRazwi: false, stateDump: false, ...more };
}

const RAZWI = { writesRazwi: true } as const;
/** The bit says that a reset follows; none does. */
const ENGINE_ERROR = effect(USER_ENGINE_ERR | DEVICE_RESET, RAZWI);
const USER_ERROR = effect(USER_ENGINE_ERR);
const NOTHING = effect(0);

const EFFECTS: Record<EventClass, EventEffect> = {
  'ecc-double': effect(GENERAL_HW_ERR, { reset: 'always', ...RAZWI }),
  'system-fatal': effect(GENERAL_HW_ERR, { reset: 'always' }),
  'hbm-spi': effect(GENERAL_HW_ERR),
  'ecc-single': effect(GENERAL_HW_ERR, RAZWI),
  'tpc-decode': effect(TPC_ASSERT | USER_ENGINE_ERR, { reset: 'cause', ...RAZWI }),
  'tpc-kernel': effect(USER_ENGINE_ERR, { reset: 'cause', ...RAZWI }),
  'bus-decode': effect(GENERAL_HW_ERR, RAZWI),
  'mmu-page-fault': effect(USER_ENGINE_ERR, RAZWI),
  'mmu-write-permission': effect(USER_ENGINE_ERR, RAZWI),
  response: ENGINE_ERROR,
  razwi: ENGINE_ERROR,
  qm: ENGINE_ERROR,
  'dma-core': ENGINE_ERROR,
  'razwi-driver': effect(USER_ENGINE_ERR, { reset: 'always', ...RAZWI }),
  'firmware-request': effect(GENERAL_HW_ERR, { reset: 'always' }),
  'tpc-monitor': USER_ERROR,
  'dma-monitor': USER_ERROR,
  'nic-sei': USER_ERROR,
  throttle: USER_ERROR,
  gpio: USER_ERROR,
  'sync-manager': effect(USER_ENGINE_ERR, { stateDump: true }),
  'nic-status': NOTHING,
  doorbell: NOTHING,
};

/** Ids without a class are counted and logged, no more. */
export function effectOf(eventClass: EventClass | undefined): EventEffect {
  return eventClass === undefined ? NOTHING : EFFECTS[eventClass];
}

export interface Verdict {
  readonly notify: number;
  readonly reset: boolean;
}

/** `resetsAllowed`: the driver's "hard reset on FW events"; without it such events only notify. */
export function judge({ notify, reset }: EventEffect, cause: number, resetsAllowed: boolean): Verdict {
  if (reset === 'never') {
    return { notify, reset: false };
  }
  if (reset === 'cause' && (cause & CAUSE_QM_ERROR) === 0) {
    return { notify: notify | DEVICE_RESET, reset: false };
  }
  return resetsAllowed ? { notify: notify | DEVICE_RESET, reset: true } : { notify, reset: false };
}
