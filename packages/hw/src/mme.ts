/**
 * The descriptor of a matrix engine: registers of its control block, and what their fields mean (device.md 6.2; field names as
 * in the vendor's public Gaudi headers). S is the shared operand (activations), L the local one (weights), O the output.
 */

/** Offsets in the control block. Of an array, the first register. */
export const MME_DESCRIPTOR = {
  BASE_HIGH_S: 0x08,
  BASE_HIGH_L: 0x0c,
  BASE_HIGH_O: 0x10,
  BASE_LOW_S: 0x14,
  BASE_LOW_L: 0x18,
  BASE_LOW_O: 0x1c,
  HEADER_LOW: 0x20,
  HEADER_HIGH: 0x24,
  KERNEL_SIZE_MINUS_1: 0x28,
  ASSOCIATED_DIMS_LOW: 0x2c,
  ASSOCIATED_DIMS_HIGH: 0x30,
  NUM_ITERATIONS_MINUS_1: 0x34,
  OUTER_LOOP: 0x38,
  TENSOR_S: 0x3c,
  ORIGIN_S: 0x88,
  TENSOR_L: 0xac,
  ORIGIN_L_LOCAL: 0xf8,
  ORIGIN_L_REMOTE: 0x11c,
  TENSOR_O: 0x140,
  ORIGIN_O_LOCAL: 0x18c,
  ORIGIN_O_REMOTE: 0x1b0,
  SB_REPEAT: 0x1d4,
  RATE_LIMITER: 0x1d8,
  SYNC_OBJECT_ADDR_LOW_LOCAL: 0x1dc,
  SYNC_OBJECT_ADDR_LOW_REMOTE: 0x1e0,
  SYNC_OBJECT_ADDR_HIGH: 0x1e4,
  SYNC_OBJECT_DATA: 0x1e8,
  AXI_USER_DATA: 0x1ec,
  PADDING_VALUE_S: 0x204,
  PADDING_VALUE_L: 0x208,
} as const;
/** Behind its last register. */
export const MME_DESCRIPTOR_END = 0x228;

/** Offsets inside TENSOR_*, and inside ORIGIN_*, which is one core's place in that tensor. */
export const MME_TENSOR = {
  VALID_ELEMENTS: 0x00,
  LOOP_STRIDE: 0x14,
  ROI_SIZE: 0x28,
  SPATIAL_STRIDES: 0x38,
  SPATIAL_SIZE_MINUS_1: 0x48,
} as const;
export const MME_ORIGIN = { ROI_BASE: 0x00, START_OFFSET: 0x14 } as const;

export const MME_TENSOR_DIMENSIONS = 5;
/** Rows and columns of the matrix one core works on at a time, of elements of 32 bits. */
export const MME_MATRIX_F32 = 32;

/**
 * HEADER_LOW of a forward convolution of f32: S transposed, S and O advance, sums over the loops 0 to 2, rounded to nearest,
 * stored. Beside it, bit 7 (S lowered: the kernel's width is part of the dense dimension) and bit 30 (tell the sync objects)
 * may be set.
 */
export const MME_HEADER_CONVOLUTION_F32 = 0x3f0b_0729;
export const MME_HEADER_LOWER_S = 0x80;
export const MME_HEADER_SIGNAL = 0x4000_0000;
/** HEADER_HIGH of it: rows of S are partial in the last iteration. */
export const MME_HEADER_HIGH = 0xc000_0010;
/** Bits of HEADER_HIGH: the last block of columns is not a whole one, by core, for L and for O. */
export const MME_PARTIAL = { L_LOCAL: 0x200, L_REMOTE: 0x8000, O_LOCAL: 0x20_0000, O_REMOTE: 0x800_0000 } as const;

/**
 * What the loops walk over: kernel width (S 1, L 2, O 1), height (S 2, L 3, O 2), depth (S 3, L 4, O 3), blocks of columns
 * (L 0, O 0). Three bits each, two loops a register; the outer loop walks over nothing.
 */
export const MME_CONVOLUTION_DIMS_LOW = 0x9a_0051;
export const MME_CONVOLUTION_DIMS_HIGH = 0x5_00e3;
export const MME_NO_OUTER_LOOP = 0x16d;

/** SB_REPEAT: both operands are loaded, nothing is repeated; a lowered S is not loaded again for the kernel's width. */
export const MME_SB_REPEAT = 0xc000_c000;
export const MME_SB_REPEAT_LOWERED = 0xc000_c100;
