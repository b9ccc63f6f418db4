/**
 * Where the packets of a command buffer lie: the words of host memory behind a bus address (external queues), or those behind
 * a device address with the rights of the context (internal queues and lower processors). Buffers are read when executed and
 * in place (device.md 2.2); copied are only a packet that reaches from one piece of memory into another, alone, and the next
 * few of a buffer in memory of a process. Executes nothing.
 */

import { FAULT, packetWords, slotOf, slotOffset } from '@pedrera/hw';
import { Access, type AddressDecoder, IS_MEMORY, IS_PROCESS } from './address-decoder.js';
import type { BusMemory } from './bus-memory.js';
import type { CommandProcessor } from './command-processor.js';
import { DONE } from './status.js';

const NO_WORDS: Uint32Array = new Uint32Array(0);
const HEADER_BYTES = 8;

export class CommandView {
  readonly #bus: BusMemory;
  readonly #decoder: AddressDecoder;
  readonly #access = new Access();
  #staging = new Uint32Array(16);
  /** After open() and stage(): the words in which the processor's at and end are indices. */
  words = NO_WORDS;
  /** After a fault: the address that could not be read. */
  faultAddress = 0;

  constructor(bus: BusMemory, decoder: AddressDecoder) {
    this.#bus = bus;
    this.#decoder = decoder;
  }

  /**
   * Puts the rest of the processor's buffer into view, as far as it lies in one piece. Returns DONE or a fault. With nothing
   * in view (at === end) the next packet has to be staged.
   */
  open(processor: CommandProcessor): number {
    return processor.qm.isExternal ? this.#openBus(processor) : this.#openDevice(processor);
  }

  #openBus(processor: CommandProcessor): number {
    const { bufferAddress, bufferDone, bufferBytes } = processor;
    const words = this.#bus.block(slotOf(bufferAddress))?.words;
    const offset = slotOffset(bufferAddress);
    const end = (offset + bufferBytes) / 4;
    // The kernel may have taken the memory away, or put less in its place, since the descriptor was fetched.
    if (words === undefined || end > words.length) {
      this.faultAddress = bufferAddress;
      return FAULT['bus-error'];
    }
    this.words = words;
    processor.at = (offset + bufferDone) / 4;
    processor.end = end;
    processor.continues = false;
    return DONE;
  }

  #openDevice(processor: CommandProcessor): number {
    const access = this.#access;
    const left = processor.bufferBytes - processor.bufferDone;
    const status = this.#decode(processor, processor.bufferDone, left);
    if (status !== DONE) return status;
    const inView = access.offset % 4 === 0 ? Math.min(left, access.after) : 0;
    this.words = access.words;
    processor.at = access.offset >>> 2;
    processor.end = processor.at + 2 * Math.floor(inView / HEADER_BYTES);
    processor.continues = inView < left;
    return DONE;
  }

  /** Copies the packet the processor stands at, wherever its bytes lie, and puts it alone into view. Returns DONE or a fault. */
  stage(processor: CommandProcessor): number {
    const left = processor.bufferBytes - processor.bufferDone;
    let status = this.#copy(processor, 0, HEADER_BYTES);
    if (status !== DONE) return status;
    // An undefined opcode has no size; its header says which it is.
    const bytes = Math.min(left, 4 * (packetWords(this.#staging, 0) || 2));
    if (bytes > 4 * this.#staging.length) {
      const larger = new Uint32Array(bytes / 4);
      larger.set(this.#staging);
      this.#staging = larger;
    }
    status = this.#copy(processor, HEADER_BYTES, bytes);
    if (status !== DONE) return status;
    this.words = this.#staging;
    processor.at = 0;
    processor.end = bytes / 4;
    processor.continues = false;
    return DONE;
  }

  forget(): void {
    this.words = NO_WORDS;
    this.#access.forget();
  }

  /** Copies bytes `from` to `to` of the packet at hand to the same place in the staging words. */
  #copy(processor: CommandProcessor, from: number, to: number): number {
    const access = this.#access;
    const staging = new Uint8Array(this.#staging.buffer);
    for (let at = from; at < to; ) {
      const status = this.#decode(processor, processor.bufferDone + at, to - at);
      if (status !== DONE) return status;
      const count = Math.min(to - at, access.after);
      staging.set(access.bytes.subarray(access.offset, access.offset + count), at);
      at += count;
    }
    return DONE;
  }

  /** Finds the memory behind byte `done` of the buffer. Of memory in a process it takes a copy, of `wanted` bytes or fewer. */
  #decode(processor: CommandProcessor, done: number, wanted: number): number {
    const address = processor.bufferAddress + done;
    const kind = this.#decoder.user(processor.context, address, false, this.#access);
    if (kind === IS_MEMORY) return DONE;
    this.faultAddress = address;
    if (kind === IS_PROCESS) return this.#access.load(wanted);
    // Registers are no place to read packets from.
    return kind < 0 ? FAULT.razwi : kind;
  }
}
