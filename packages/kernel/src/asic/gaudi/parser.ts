/**
 * The packet parser for external queues (uapi.md 4.4): validates a copied command buffer and appends the tail.
 *
 * Owns: what a user may put into a command buffer, and the two packets that report completion (device.md 2.3).
 * Must not know handles or submissions; it sees dwords only.
 */
import { errno } from '@pedrera/base';
import {
  completionAddress,
  completionWord,
  encodeMsgProt,
  encodeNop,
  msiAddress,
  OPCODE,
  opcodeOf,
  packetByOpcode,
  userVerdict,
} from '@pedrera/hw';

/** Two MSG_PROT packets of 16 bytes. */
const TAIL_BYTES = 32;
/** The tail must not straddle a line of this size. */
const LINE_BYTES = 128;
const OPCODES = 32;

/** Fixed size of each packet in bytes, 0 where no packet is defined. A flat table: large buffers hold 262,144 packets. */
const PACKET_BYTES = Uint8Array.from({ length: OPCODES }, (_, opcode) => packetByOpcode(opcode)?.spec.bytes ?? 0);
/** Packets that are permitted whatever their fields say; the others are asked about one by one. */
const ALWAYS_ALLOWED = Uint8Array.from({ length: OPCODES }, (_, opcode) => {
  const spec = packetByOpcode(opcode)?.spec;
  return spec?.userAllowed === 'yes' && spec.refusedWhen === undefined ? 1 : 0;
});

export interface ParsedBuffer {
  /** The tail's first packet then waits for the engine (engine barrier). */
  readonly usesDma: boolean;
}

const WITH_DMA: ParsedBuffer = { usesDma: true };
const WITHOUT_DMA: ParsedBuffer = { usesDma: false };

function tailOffset(userBytes: number): number {
  const lineEnd = Math.ceil(userBytes / LINE_BYTES) * LINE_BYTES;
  return userBytes + TAIL_BYTES > lineEnd ? lineEnd : userBytes;
}

/** Bytes the patched copy needs: the user's, padding up to the line end if the tail would straddle it, the tail. */
export function patchedSize(userBytes: number): number {
  return tailOffset(userBytes) + TAIL_BYTES;
}

/**
 * Walks the packets in words[first, first + sizeBytes / 4). Per packet: id known, then fits, then permitted, so that a
 * truncated forbidden packet is EINVAL. First error wins.
 *
 * Errors: EINVAL (unknown id, past the end, WAIT), EPERM (a packet only the driver may use).
 */
export function parseCommandBuffer(words: Uint32Array, first: number, sizeBytes: number): ParsedBuffer {
  let usesDma = false;
  let offset = 0;
  while (offset < sizeBytes) {
    if (offset + 8 > sizeBytes) {
      throw errno('EINVAL', `the packet header at byte ${offset} reaches past the end (${sizeBytes} bytes)`);
    }
    const at = first + (offset >>> 2);
    const opcode = opcodeOf(words[at + 1] as number);
    const bytes = PACKET_BYTES[opcode] as number;
    if (bytes === 0) {
      throw errno('EINVAL', `invalid packet id 0x${opcode.toString(16)} at byte ${offset}`);
    }
    if (offset + bytes > sizeBytes) {
      throw errno('EINVAL', `${nameOf(opcode)} at byte ${offset} reaches past the end (${sizeBytes} bytes)`);
    }
    if (ALWAYS_ALLOWED[opcode] === 0) {
      const verdict = userVerdict(words, at);
      if (verdict !== 'yes') {
        throw errno(verdict, `${nameOf(opcode)} at byte ${offset} is not for users of an external queue`);
      }
    }
    if (opcode === OPCODE.LIN_DMA) {
      usesDma = true;
    }
    offset += bytes;
  }
  return usesDma ? WITH_DMA : WITHOUT_DMA;
}

function nameOf(opcode: number): string {
  return packetByOpcode(opcode)?.name ?? `packet 0x${opcode.toString(16)}`;
}

/**
 * The two packets behind each command buffer of one ring: completion word, then interrupt. Encoded once; a submission
 * only sets the word, its address and the barrier.
 */
export class CompletionTail {
  readonly #words = new Uint32Array(TAIL_BYTES / 4);
  readonly #nop = new Uint32Array(2);
  /** Low dword of the address of completion-queue entry 0; the ring never crosses a 4 GiB line. */
  readonly #addressLow: number;
  readonly #controlWithEngineBarrier: number;

  constructor(busSlot: number, vector: number) {
    const address = completionAddress(busSlot, 0);
    const interrupt = encodeMsgProt(this.#words, 0, { value: 0, address, mb: true, eb: true });
    this.#controlWithEngineBarrier = this.#words[1] as number;
    encodeMsgProt(this.#words, 0, { value: 0, address, mb: true });
    encodeMsgProt(this.#words, interrupt, { value: 1, address: msiAddress(vector), mb: true });
    this.#addressLow = this.#words[2] as number;
    encodeNop(this.#nop, 0);
  }

  /** Writes padding and tail behind the user's packets. Returns the patched size in bytes. */
  append(words: Uint32Array, first: number, userBytes: number, ringSlot: number, { usesDma }: ParsedBuffer): number {
    const start = tailOffset(userBytes);
    for (let at = first + (userBytes >>> 2), end = first + (start >>> 2); at < end; at += 2) {
      words[at] = this.#nop[0] as number;
      words[at + 1] = this.#nop[1] as number;
    }
    const tail = first + (start >>> 2);
    for (let i = 0; i < TAIL_BYTES / 4; i++) {
      words[tail + i] = this.#words[i] as number;
    }
    words[tail] = completionWord(ringSlot);
    words[tail + 2] = this.#addressLow + 4 * ringSlot;
    if (usesDma) {
      words[tail + 1] = this.#controlWithEngineBarrier;
    }
    return start + TAIL_BYTES;
  }
}
