/**
 * Reads a matrix engine's descriptor (device.md 6.2): which convolution it asks for, or that it asks for something this
 * machine does not know. Knows no memory.
 */

import {
  MME_CONVOLUTION_DIMS_HIGH,
  MME_CONVOLUTION_DIMS_LOW,
  MME_HEADER_CONVOLUTION_F32,
  MME_HEADER_HIGH,
  MME_HEADER_LOWER_S,
  MME_HEADER_SIGNAL,
  MME_MATRIX_F32,
  MME_NO_OUTER_LOOP,
  MME_ORIGIN,
  MME_PARTIAL,
  MME_SB_REPEAT,
  MME_SB_REPEAT_LOWERED,
  MME_TENSOR,
  MME_TENSOR_DIMENSIONS,
  MME_DESCRIPTOR as REG,
} from '@pedrera/hw';

/** Products that one output is the sum of, at most: one row of outputs is the least a turn does. */
const MME_MAX_PRODUCTS = 2 ** 14;
/** And of all rows of outputs: some minutes of work. */
const MME_MAX_WORK = 2 ** 28;

/** All in elements. Dimension 0 is the dense one: columns. */
export interface MmeTensor {
  readonly address: number;
  readonly valid: readonly number[];
  readonly loopStride: readonly number[];
  readonly roiSize: readonly number[];
  /** Of dimensions 1 to 4. */
  readonly strides: readonly number[];
  readonly rows: number;
}

/** One core's place in a tensor. `start` is of dimensions 1 to 4. */
export interface MmeOrigin {
  readonly base: readonly number[];
  readonly start: readonly number[];
}

/** What one of the two cores of a pair does: the master ('local') or its slave ('remote'). */
export interface MmeHalf {
  readonly weights: MmeOrigin;
  readonly output: MmeOrigin;
  /** Whether the last block of columns is as wide as ROI_SIZE says, not as the matrix. */
  readonly isPartial: boolean;
  readonly signalAddress: number;
}

export interface Convolution {
  /** Sizes of the kernel's width, height and depth, and of the blocks of columns. */
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly blocks: number;
  /** The kernel's width is part of S's dense dimension, which goes on across the pixels of a row. */
  readonly isLowered: boolean;
  readonly activations: MmeTensor;
  readonly activationsAt: MmeOrigin;
  readonly weights: MmeTensor;
  readonly output: MmeTensor;
  readonly halves: readonly MmeHalf[];
  /** Rows of the output, over all iterations. */
  readonly rows: number;
  /** Products an output is the sum of. */
  readonly products: number;
  /** Bits of the values that stand where a tensor has no element. */
  readonly paddingS: number;
  readonly paddingL: number;
  readonly signals: boolean;
  readonly signalData: number;
}

/** `words` are the registers from the control block's start. Null for what is not modelled. */
export function decodeConvolution(words: Uint32Array): Convolution | null {
  const word = (register: number) => words[register >> 2] as number;
  const isLowered = (word(REG.HEADER_LOW) & MME_HEADER_LOWER_S) !== 0;
  if (!isForwardF32(words, isLowered)) return null;
  const kernel = word(REG.KERNEL_SIZE_MINUS_1);
  const activations = readTensor(words, REG.TENSOR_S, REG.BASE_HIGH_S, REG.BASE_LOW_S);
  const weights = readTensor(words, REG.TENSOR_L, REG.BASE_HIGH_L, REG.BASE_LOW_L);
  const output = readTensor(words, REG.TENSOR_O, REG.BASE_HIGH_O, REG.BASE_LOW_O);
  const width = (kernel & 0xff) + 1;
  const height = ((kernel >>> 8) & 0xff) + 1;
  const depth = ((kernel >>> 16) & 0xff) + 1;
  const convolution: Convolution = {
    width,
    height,
    depth,
    blocks: (kernel >>> 24) + 1,
    isLowered,
    activations,
    activationsAt: readOrigin(words, REG.ORIGIN_S),
    weights,
    output,
    halves: [
      {
        weights: readOrigin(words, REG.ORIGIN_L_LOCAL),
        output: readOrigin(words, REG.ORIGIN_O_LOCAL),
        isPartial: (word(REG.HEADER_HIGH) & MME_PARTIAL.O_LOCAL) !== 0,
        signalAddress: word(REG.SYNC_OBJECT_ADDR_HIGH) * 2 ** 32 + word(REG.SYNC_OBJECT_ADDR_LOW_LOCAL),
      },
      {
        weights: readOrigin(words, REG.ORIGIN_L_REMOTE),
        output: readOrigin(words, REG.ORIGIN_O_REMOTE),
        isPartial: (word(REG.HEADER_HIGH) & MME_PARTIAL.O_REMOTE) !== 0,
        signalAddress: word(REG.SYNC_OBJECT_ADDR_HIGH) * 2 ** 32 + word(REG.SYNC_OBJECT_ADDR_LOW_REMOTE),
      },
    ],
    rows: MME_MATRIX_F32 * word(REG.NUM_ITERATIONS_MINUS_1) + output.rows,
    products: width * height * depth * weights.rows,
    paddingS: word(REG.PADDING_VALUE_S),
    paddingL: word(REG.PADDING_VALUE_L),
    signals: (word(REG.HEADER_LOW) & MME_HEADER_SIGNAL) !== 0,
    signalData: word(REG.SYNC_OBJECT_DATA),
  };
  return isConsistent(convolution) ? convolution : null;
}

function isForwardF32(words: Uint32Array, isLowered: boolean): boolean {
  const word = (register: number) => words[register >> 2] as number;
  const { L_LOCAL, L_REMOTE, O_LOCAL, O_REMOTE } = MME_PARTIAL;
  const high = word(REG.HEADER_HIGH);
  return (
    (word(REG.HEADER_LOW) & ~(MME_HEADER_LOWER_S | MME_HEADER_SIGNAL)) >>> 0 === MME_HEADER_CONVOLUTION_F32 &&
    (high & ~(L_LOCAL | L_REMOTE | O_LOCAL | O_REMOTE)) >>> 0 === MME_HEADER_HIGH &&
    ((high & L_LOCAL) !== 0) === ((high & O_LOCAL) !== 0) &&
    ((high & L_REMOTE) !== 0) === ((high & O_REMOTE) !== 0) &&
    word(REG.ASSOCIATED_DIMS_LOW) === MME_CONVOLUTION_DIMS_LOW &&
    word(REG.ASSOCIATED_DIMS_HIGH) === MME_CONVOLUTION_DIMS_HIGH &&
    word(REG.OUTER_LOOP) === MME_NO_OUTER_LOOP &&
    word(REG.SB_REPEAT) === (isLowered ? MME_SB_REPEAT_LOWERED : MME_SB_REPEAT) &&
    // Reduction of what is written.
    word(REG.AXI_USER_DATA) === 0
  );
}

/** Whether the tensors fit together, and each walk ends. */
function isConsistent(convolution: Convolution): boolean {
  const { activations, activationsAt, weights, output, halves, isLowered, width, products, rows, blocks } = convolution;
  const [, wide, high, deep] = output.loopStride;
  // The output stands still while its sums are made; columns left of the first are not known.
  if (wide !== 0 || high !== 0 || deep !== 0 || (output.loopStride[0] as number) < 0) return false;
  if (activations.rows !== output.rows || output.rows > MME_MATRIX_F32) return false;
  if (products > MME_MAX_PRODUCTS || rows * blocks * products > MME_MAX_WORK) return false;
  if (activations.roiSize[0] !== (isLowered ? width : 1) * weights.rows) return false;
  if ((weights.roiSize[0] as number) <= 0 || (output.roiSize[0] as number) <= 0) return false;
  if (!walks(activations, activationsAt)) return false;
  return halves.every(
    (half) =>
      (half.output.base[0] as number) >= 0 &&
      (half.weights.base[0] as number) >= 0 &&
      walks(weights, half.weights) &&
      walks(output, half.output),
  );
}

/** Whether a step leads at most once around a dimension: nobody knows what else it would do. The last one has no end. */
function walks({ roiSize, strides }: MmeTensor, { start }: MmeOrigin): boolean {
  for (let dimension = 1; dimension < MME_TENSOR_DIMENSIONS - 1; dimension++) {
    const size = roiSize[dimension] as number;
    if (size <= 0 || (strides[dimension - 1] as number) > size || (start[dimension - 1] as number) >= size)
      return false;
  }
  return true;
}

function readTensor(words: Uint32Array, at: number, high: number, low: number): MmeTensor {
  const from = at >> 2;
  const list = (offset: number, count: number) => [
    ...words.subarray(from + (offset >> 2), from + (offset >> 2) + count),
  ];
  return {
    address: (words[high >> 2] as number) * 2 ** 32 + (words[low >> 2] as number),
    valid: list(MME_TENSOR.VALID_ELEMENTS, MME_TENSOR_DIMENSIONS),
    loopStride: list(MME_TENSOR.LOOP_STRIDE, MME_TENSOR_DIMENSIONS).map(signed),
    roiSize: list(MME_TENSOR.ROI_SIZE, MME_TENSOR_DIMENSIONS - 1).map(signed),
    strides: list(MME_TENSOR.SPATIAL_STRIDES, MME_TENSOR_DIMENSIONS - 1),
    rows: (words[from + (MME_TENSOR.SPATIAL_SIZE_MINUS_1 >> 2)] as number) + 1,
  };
}

function readOrigin(words: Uint32Array, at: number): MmeOrigin {
  const base = (at + MME_ORIGIN.ROI_BASE) >> 2;
  const start = (at + MME_ORIGIN.START_OFFSET) >> 2;
  return {
    base: [...words.subarray(base, base + MME_TENSOR_DIMENSIONS)].map(signed),
    start: [...words.subarray(start, start + MME_TENSOR_DIMENSIONS - 1)],
  };
}

function signed(word: number): number {
  return word | 0;
}
