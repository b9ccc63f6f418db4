/** What a queue manager's error registers tell, one register a command processor. */

/** Bits of GLBL_STS1 (device.md 2.4). */
export const STS1 = {
  PQ_READ: 1 << 0,
  CQ_READ: 1 << 1,
  CP_READ: 1 << 2,
  UNDEFINED_OPCODE: 1 << 3,
  STOP: 1 << 4,
  MSG_WRITE: 1 << 5,
  WREG: 1 << 6,
  FENCE_OVERFLOW: 1 << 8,
  FENCE_UNDERFLOW: 1 << 12,
} as const;
