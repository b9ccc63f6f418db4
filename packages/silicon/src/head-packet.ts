/**
 * Looks at the packet a command processor stands at, for snapshots and CP_CURRENT_INST. Reads memory as the processor would,
 * and changes nothing.
 */

import { packetWords, slotOf, slotOffset } from '@pedrera/hw';
import { Access, type AddressDecoder, IS_MEMORY, IS_PROCESS } from './address-decoder.js';
import type { BusMemory } from './bus-memory.js';
import type { CommandProcessor } from './command-processor.js';
import { DONE } from './status.js';

/** More than any packet but a WREG_BULK has; of that the registers it begins with are shown. */
const MAX_WORDS = 16;
const HEADER_WORDS = 2;

export class HeadPacket {
  readonly #bus: BusMemory;
  readonly #decoder: AddressDecoder;
  readonly #access = new Access();
  readonly #words = new Uint32Array(MAX_WORDS);

  constructor(bus: BusMemory, decoder: AddressDecoder) {
    this.#bus = bus;
    this.#decoder = decoder;
  }

  /** Its dwords; null when the processor is in no buffer, or the buffer cannot be read any more. */
  words(processor: CommandProcessor): readonly number[] | null {
    const left = processor.bufferBytes - processor.bufferDone;
    if (left <= 0) return null;
    const words = this.#words;
    const available = Math.min(MAX_WORDS, left >>> 2);
    // The header says how many there are; an undefined opcode has no size, and its header says which it is.
    let read = this.#read(processor, 0, Math.min(HEADER_WORDS, available));
    const size = read < HEADER_WORDS ? 0 : Math.min(packetWords(words, 0) || HEADER_WORDS, available);
    if (read < size) read = this.#read(processor, read, size);
    this.#access.forget();
    if (read < HEADER_WORDS) return null;
    const found: number[] = [];
    for (let i = 0; i < Math.min(size, read); i++) found.push(words[i] as number);
    return found;
  }

  /** Those from `first` up to `end`; returns how far it got. */
  #read(processor: CommandProcessor, first: number, end: number): number {
    const address = processor.bufferAddress + processor.bufferDone;
    for (let i = first; i < end; i++) {
      const word = this.#word(processor, address + 4 * i);
      if (word === undefined) return i;
      this.#words[i] = word;
    }
    return end;
  }

  #word(processor: CommandProcessor, address: number): number | undefined {
    if (processor.qm.isExternal) return this.#bus.block(slotOf(address))?.words[slotOffset(address) >>> 2];
    // Looking must not be taken for a fault of the context's.
    const { faultIsWrite } = this.#decoder;
    const kind = this.#decoder.user(processor.context, address, false, this.#access);
    this.#decoder.faultIsWrite = faultIsWrite;
    const isThere = kind === IS_MEMORY || (kind === IS_PROCESS && this.#access.load(4) === DONE);
    if (!isThere || this.#access.after < 4) return undefined;
    const { bytes, offset } = this.#access;
    return new DataView(bytes.buffer, bytes.byteOffset + offset, 4).getUint32(0, true);
  }
}
