/**
 * The first errors since the device was opened (uapi.md 7.6), as INFO gives them out.
 *
 * Owns: the three records and whether each is still to be written. Must not know what caused an error.
 */

export interface CsTimeoutRecord {
  readonly timestampNs: number;
  readonly seq: number;
}

export const RAZWI_TYPE = { PAGE_FAULT: 0, ACCESS_ERROR: 1, NONE: 0xff } as const;
export const NO_ENGINE = 0xffff;

export interface RazwiRecord {
  readonly timestampNs: number;
  readonly address: number;
  /** Engine ids (uapi.md 2.8); NO_ENGINE when nobody was seen. */
  readonly engineId1: number;
  readonly engineId2: number;
  readonly type: number;
}

export interface UndefinedOpcodeRecord {
  readonly timestampNs: number;
  /** Newest queue entries, newest first: one row, or one a stream when the lower command processor hit it. */
  readonly streams: readonly (readonly number[])[];
  readonly cqAddress: number;
  readonly cqSize: number;
  readonly engineId: number;
  readonly streamId: number;
}

/** Written once after arm(); readable until it is written again, also after the next open (uapi.md 1.2). */
class FirstOf<T> {
  record: T | undefined;
  #armed = false;

  arm(): void {
    this.#armed = true;
  }

  /** True when this was the first since arm(). */
  write(make: () => T): boolean {
    if (!this.#armed) {
      return false;
    }
    this.#armed = false;
    this.record = make();
    return true;
  }
}

export class Captures {
  readonly csTimeout = new FirstOf<CsTimeoutRecord>();
  readonly razwi = new FirstOf<RazwiRecord>();
  readonly undefinedOpcode = new FirstOf<UndefinedOpcodeRecord>();

  /** A successful open of the primary node. Nothing is captured before the first one. */
  arm(): void {
    this.csTimeout.arm();
    this.razwi.arm();
    this.undefinedOpcode.arm();
  }
}
