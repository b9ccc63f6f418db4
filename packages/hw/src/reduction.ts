/**
 * How a DMA core is told to combine what it writes with what SRAM holds: the command in WR_AWUSER_31_11 (device.md 5.2).
 * Where the layout comes from is in docs/decisions/0006.
 *
 * Owns: the codes and their places in the register. Must not know how anything is added.
 */

/** Weak ordering, AXI user bit 11: set at power-on, and again whenever a context is created (device.md 4.5). */
export const AWUSER_WEAK_ORDER = 0x1;

/** AXI user bits 21:13, which are bits 10:2 of the register. */
const COMMAND_SHIFT = 2;
const COMMAND_ENABLE = 0x1;
const TYPE_SHIFT = 1;
const OP_SHIFT = 5;
const ROUNDING_SHIFT = 7;

export const REDUCTION_OP = { add: 0, sub: 1, min: 2, max: 3 } as const;
export type ReductionOp = keyof typeof REDUCTION_OP;

export const REDUCTION_TYPE = {
  int8: 0,
  int16: 1,
  int32: 2,
  uint8: 3,
  uint16: 4,
  uint32: 5,
  bf16: 6,
  f32: 7,
} as const;
export type ReductionType = keyof typeof REDUCTION_TYPE;
/** Codes from here on mean something to later devices only. */
export const REDUCTION_TYPE_COUNT = 8;

/** Bytes of an element, by type code. */
export const REDUCTION_ELEMENT_BYTES: readonly number[] = [1, 2, 4, 1, 2, 4, 2, 4];

export const REDUCTION_ROUNDING = { nearest: 0, zero: 1, up: 2, down: 3 } as const;
export type ReductionRounding = keyof typeof REDUCTION_ROUNDING;

export interface ReductionCommand {
  readonly op: ReductionOp;
  readonly type: ReductionType;
  readonly rounding?: ReductionRounding;
}

/** The register's value for this command; without one, for plain writes. */
export function reductionAwuser(command?: ReductionCommand): number {
  if (command === undefined) {
    return AWUSER_WEAK_ORDER;
  }
  const { op, type, rounding = 'nearest' } = command;
  const bits =
    COMMAND_ENABLE |
    (REDUCTION_TYPE[type] << TYPE_SHIFT) |
    (REDUCTION_OP[op] << OP_SHIFT) |
    (REDUCTION_ROUNDING[rounding] << ROUNDING_SHIFT);
  return AWUSER_WEAK_ORDER | (bits << COMMAND_SHIFT);
}

/** Parts of the register's value. */
export const isReduction = (awuser: number): boolean => ((awuser >>> COMMAND_SHIFT) & COMMAND_ENABLE) !== 0;
export const reductionTypeCode = (awuser: number): number => (awuser >>> (COMMAND_SHIFT + TYPE_SHIFT)) & 0xf;
export const reductionOpCode = (awuser: number): number => (awuser >>> (COMMAND_SHIFT + OP_SHIFT)) & 0x3;
export const reductionRoundingCode = (awuser: number): number => (awuser >>> (COMMAND_SHIFT + ROUNDING_SHIFT)) & 0x3;
/** Bits that are neither ordering, snooping (AXI user bit 12) nor the command: nobody knows what they do. */
export const AWUSER_UNKNOWN_BITS = 0xffff_f800;
