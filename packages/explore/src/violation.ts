/** What a schedule can do wrong. Owns the kinds; must not know how one is found. */

export type ViolationKind =
  /** Nothing can move any more, and somebody still waits. */
  | 'lost-wake-up'
  /** Something was given back while somebody could still reach it. */
  | 'use-after-free'
  /** Something outlived everybody who could use it. */
  | 'leak'
  /** Bytes, an address or an object of somebody else. */
  | 'wrong-mapping'
  /** An answer the contract does not allow here, or none, or two. */
  | 'answer'
  /** A count below zero, or beyond what there is. */
  | 'count'
  /** An exception nobody meant to throw. */
  | 'internal'
  /** It never comes to rest. */
  | 'livelock';

export class Violation extends Error {
  readonly kind: ViolationKind;

  constructor(kind: ViolationKind, message: string) {
    super(message);
    this.name = 'Violation';
    this.kind = kind;
  }
}

/** Whatever was thrown, as a violation. */
export function asViolation(error: unknown): Violation {
  if (error instanceof Violation) {
    return error;
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return new Violation('internal', text);
}
