/**
 * The matrix engine at work: carries out a convolution of f32, some rows of outputs at a time, and says so to its sync
 * objects (device.md 6.2). A product is rounded to f32, and so is each sum, in the order of the indices: kernel depth,
 * height, width, channel.
 */

import { FAULT, MME_DESCRIPTOR_END, MME_MATRIX_F32, MME_TENSOR_DIMENSIONS, OPCODE } from '@pedrera/hw';
import type { AddressDecoder } from './address-decoder.js';
import type { CommandProcessor } from './command-processor.js';
import type { Context } from './context.js';
import { type Convolution, decodeConvolution, type MmeHalf, type MmeTensor } from './mme-descriptor.js';
import { floatOfBits, MmeWindow } from './mme-window.js';
import type { Parts } from './parts.js';
import { DONE, STALL, TRANSFER } from './status.js';

/** What a product is charged as in bytes moved: a turn that only computes takes some milliseconds. */
const PRODUCT_COST = 512;
const ROW_COST = 512;

/** How far the rows of a tensor have been walked: offsets in dimensions 1 to 4, from the ROI's base. */
class RowWalk {
  readonly offsets: Float64Array;
  readonly #tensor: MmeTensor;

  constructor(tensor: MmeTensor, start: readonly number[]) {
    this.offsets = Float64Array.from(start);
    this.#tensor = tensor;
  }

  /** Offset in dimension 1 to 4. */
  at(dimension: number): number {
    return this.offsets[dimension - 1] as number;
  }

  next(): void {
    const { roiSize, strides } = this.#tensor;
    const { offsets } = this;
    for (let i = 0; i < offsets.length; i++) {
      const offset = (offsets[i] as number) + (strides[i] as number);
      const size = roiSize[i + 1];
      if (size === undefined || offset < size) {
        offsets[i] = offset;
        return;
      }
      offsets[i] = offset - size;
    }
  }
}

/** A convolution under way. */
export class MmeJob {
  readonly what: Convolution;
  readonly activations: RowWalk;
  /** By half. */
  readonly outputs: readonly RowWalk[];
  /** By half: the offsets of the rows of L, four each. */
  readonly weightRows: readonly Float64Array[];
  row = 0;
  block = 0;
  half = 0;
  /** Set by a fault: what is left is not attempted. */
  isAbandoned = false;
  /** Sync objects written so far. */
  signalled = 0;

  constructor(what: Convolution) {
    this.what = what;
    this.activations = new RowWalk(what.activations, what.activationsAt.start);
    this.outputs = what.halves.map(({ output }) => new RowWalk(what.output, output.start));
    this.weightRows = what.halves.map(({ weights }) => allRows(what.weights, weights.start));
    // Where no block of either core has a column, there is nothing to walk for.
    if (what.halves.every((half) => (half.output.base[0] as number) >= (what.output.valid[0] as number)))
      this.row = what.rows;
  }

  /** To the next block of a core; those of a row share its activations. */
  next(): void {
    if (++this.half < this.what.halves.length) return;
    this.half = 0;
    if (++this.block < this.what.blocks) return;
    this.block = 0;
    this.row++;
    this.activations.next();
    for (const output of this.outputs) output.next();
  }
}

function allRows(tensor: MmeTensor, start: readonly number[]): Float64Array {
  const dimensions = MME_TENSOR_DIMENSIONS - 1;
  const rows = new Float64Array(tensor.rows * dimensions);
  const walk = new RowWalk(tensor, start);
  for (let row = 0; row < tensor.rows; row++) {
    rows.set(walk.offsets, row * dimensions);
    walk.next();
  }
  return rows;
}

export class MmeEngine {
  readonly #activations: MmeWindow;
  readonly #weights: MmeWindow;
  readonly #output: MmeWindow;
  /** What the work so far was charged as, in bytes. */
  spent = 0;
  /** Address of the value that could not be reached, after run() returned a fault. */
  faultAddress = 0;
  /** The activations that a row of outputs is made of, in the order of summation, and that row's sums. */
  #gathered = new Float32Array(0);
  readonly #sums = new Float32Array(MME_MATRIX_F32);
  /** A row of weights. */
  readonly #line = new Float32Array(MME_MATRIX_F32);

  constructor(decoder: AddressDecoder) {
    this.#activations = new MmeWindow(decoder, false);
    this.#weights = new MmeWindow(decoder, false);
    this.#output = new MmeWindow(decoder, true);
  }

  forget(): void {
    this.#activations.forget();
    this.#weights.forget();
    this.#output.forget();
  }

  /** Works for about as long as it takes to move `limit` bytes. DONE, with job.row saying how far it got, or a fault. */
  run(context: Context, job: MmeJob, limit: number): number {
    const { what } = job;
    const end = this.spent + limit;
    let status = DONE;
    let gatheredRow = -1;
    if (this.#gathered.length < what.products) this.#gathered = new Float32Array(what.products);
    while (status === DONE && job.row < what.rows && this.spent < end) {
      const half = what.halves[job.half] as MmeHalf;
      this.spent += ROW_COST;
      const columns = columnsOf(job, half);
      if (columns > 0 && isInside(what.output, half.output.base, job.outputs[job.half] as RowWalk)) {
        if (gatheredRow !== job.row) status = this.#gather(context, job);
        gatheredRow = job.row;
        if (status === DONE) status = this.#multiply(context, job, half, columns);
        if (status === DONE) status = this.#store(context, job, half, columns);
      }
      if (status === DONE) job.next();
    }
    this.forget();
    return status;
  }

  #gather(context: Context, job: MmeJob): number {
    const { what, activations: walk } = job;
    const { activations: tensor, activationsAt, isLowered, width, height, depth } = what;
    const [base0, base1, base2, base3, base4] = activationsAt.base as Five;
    const [valid0, valid1, valid2, valid3, valid4] = tensor.valid as Five;
    const [, stride1, stride2, stride3] = tensor.loopStride as Five;
    const roi = tensor.roiSize[0] as number;
    const channels = what.weights.rows;
    const padding = floatOfBits(what.paddingS);
    const gathered = this.#gathered;
    const window = this.#activations;
    const at4 = base4 + walk.at(4);
    let k = 0;
    for (let z = 0; z < depth; z++) {
      const at3 = base3 + walk.at(3) + z * stride3;
      for (let y = 0; y < height; y++) {
        const at2 = base2 + walk.at(2) + y * stride2;
        const isIn = contains(at2, valid2) && contains(at3, valid3) && contains(at4, valid4);
        for (let x = 0; x < width; x++) {
          // Lowered, the dense dimension goes on over dimension 1, and the kernel's width along it.
          const at1 = base1 + walk.at(1) + (isLowered ? 0 : x * stride1);
          const first = base0 + (isLowered ? at1 + x * channels : 0);
          const end = isLowered ? Math.min(at1 + base0 + roi, valid1, at1 + valid0) : Math.min(base0 + roi, valid0);
          const isRow = isIn && (isLowered || contains(at1, valid1));
          const rest = (isLowered ? 0 : at1) + at2 + at3 + at4;
          const from = isRow ? Math.min(channels, Math.max(0, -first)) : channels;
          const to = Math.max(from, Math.min(channels, end - first));
          gathered.fill(padding, k, k + channels);
          const status = window.read(
            context,
            tensor.address + 4 * (first + from + rest),
            gathered,
            k + from,
            to - from,
          );
          if (status !== DONE) return this.#fault(window, status);
          k += channels;
        }
      }
    }
    this.spent += PRODUCT_COST * k;
    return DONE;
  }

  #multiply(context: Context, job: MmeJob, half: MmeHalf, columns: number): number {
    const { what } = job;
    const { weights: tensor, width, height, depth } = what;
    const [base0, base1, base2, base3, base4] = half.weights.base as Five;
    const [valid0, valid1, valid2, valid3, valid4] = tensor.valid as Five;
    const [stride0, , stride2, stride3, stride4] = tensor.loopStride as Five;
    const rows = job.weightRows[job.half] as Float64Array;
    const padding = floatOfBits(what.paddingL);
    const gathered = this.#gathered;
    const sums = this.#sums;
    const line = this.#line;
    const window = this.#weights;
    const at0 = base0 + job.block * stride0;
    const present = at0 < 0 ? 0 : Math.max(0, Math.min(blockWidth(job, half, tensor), valid0 - at0, columns));
    sums.fill(0);
    let k = 0;
    for (let z = 0; z < depth; z++) {
      for (let y = 0; y < height; y++) {
        for (let x = 0; x < width; x++) {
          for (let row = 0; row < rows.length; row += MME_TENSOR_DIMENSIONS - 1) {
            const at1 = base1 + (rows[row] as number);
            const at2 = base2 + (rows[row + 1] as number) + x * stride2;
            const at3 = base3 + (rows[row + 2] as number) + y * stride3;
            const at4 = base4 + (rows[row + 3] as number) + z * stride4;
            const isIn =
              contains(at1, valid1) && contains(at2, valid2) && contains(at3, valid3) && contains(at4, valid4);
            const there = isIn ? present : 0;
            const value = gathered[k++] as number;
            const address = tensor.address + 4 * (at0 + at1 + at2 + at3 + at4);
            const status = window.read(context, address, line, 0, there);
            if (status !== DONE) return this.#fault(window, status);
            if (there < columns) line.fill(padding, there, columns);
            for (let column = 0; column < columns; column++)
              sums[column] = (sums[column] as number) + Math.fround(value * (line[column] as number));
          }
        }
      }
    }
    this.spent += PRODUCT_COST * columns * k;
    return DONE;
  }

  #store(context: Context, job: MmeJob, half: MmeHalf, columns: number): number {
    const tensor = job.what.output;
    const walk = job.outputs[job.half] as RowWalk;
    let at = (half.output.base[0] as number) + job.block * (tensor.loopStride[0] as number);
    for (let d = 1; d < MME_TENSOR_DIMENSIONS; d++) at += (half.output.base[d] as number) + walk.at(d);
    for (let column = 0; column < columns; column++) {
      const address = tensor.address + 4 * (at + column);
      const status = this.#output.write(context, address, this.#sums[column] as number);
      if (status !== DONE) return this.#fault(this.#output, status);
    }
    return DONE;
  }

  #fault(window: MmeWindow, status: number): number {
    this.faultAddress = window.faultAddress;
    return status;
  }
}

type Five = [number, number, number, number, number];

function contains(offset: number, valid: number): boolean {
  return offset >= 0 && offset < valid;
}

/** Columns of the block at hand that a core has: all the matrix has, but for the last block of one that ends in part of it. */
function blockWidth(job: MmeJob, half: MmeHalf, tensor: MmeTensor): number {
  const isLast = job.block === job.what.blocks - 1;
  const rest = (tensor.roiSize[0] as number) % MME_MATRIX_F32;
  return half.isPartial && isLast && rest !== 0 ? rest : MME_MATRIX_F32;
}

/** Columns of the block at hand that are stored. */
function columnsOf(job: MmeJob, half: MmeHalf): number {
  const { output } = job.what;
  const at = (half.output.base[0] as number) + job.block * (output.loopStride[0] as number);
  return Math.min(blockWidth(job, half, output), (output.valid[0] as number) - at);
}

function isInside({ valid }: MmeTensor, base: readonly number[], walk: RowWalk): boolean {
  for (let d = 1; d < MME_TENSOR_DIMENSIONS; d++)
    if (!contains((base[d] as number) + walk.at(d), valid[d] as number)) return false;
  return true;
}

/** A write to CMD by one of the engine's own command processors. Returns TRANSFER or a fault. */
export function startComputation(processor: CommandProcessor, value: number): number {
  const { qm } = processor;
  const words = qm.engineRegisters?.words;
  if (words === undefined) return FAULT['wrong-engine'];
  // Bit 0 starts; nobody tells what others do.
  const what = value === 1 ? decodeConvolution(words.subarray(0, MME_DESCRIPTOR_END / 4)) : null;
  if (what === null) return FAULT['not-modelled'];
  processor.computation = new MmeJob(what);
  qm.transfers++;
  processor.transferNumber = ++qm.commits;
  return TRANSFER;
}

/** Goes on with the computation the processor is in; moves past its packet when it is done. */
export function continueComputation(parts: Parts, processor: CommandProcessor, job: MmeJob, limit: number): number {
  const { mme, faults, registers } = parts;
  const { context } = processor;
  const { what } = job;
  if (!job.isAbandoned) {
    const status = mme.run(context, job, limit);
    if (status !== DONE) {
      // As for a DMA core: the access is dropped, the rest is not attempted, the machine carries on (device.md 1.5).
      if (!faults.packet(processor, status, mme.faultAddress, OPCODE.WREG_32, true)) return STALL;
      job.isAbandoned = true;
    } else if (job.row < what.rows) {
      return DONE;
    }
  }
  for (; what.signals && job.signalled < what.halves.length; job.signalled++) {
    const address = (what.halves[job.signalled] as MmeHalf).signalAddress;
    const status = registers.writeUser(context, processor, address, what.signalData);
    if (status === STALL) return STALL;
    if (status !== DONE && !faults.packet(processor, status, address, OPCODE.WREG_32)) return STALL;
  }
  if (processor.moveSinceNs >= 0) parts.tracer.moveEnded(processor);
  processor.computation = null;
  processor.qm.transfers--;
  processor.bufferDone += processor.transferPacketBytes;
  return DONE;
}
