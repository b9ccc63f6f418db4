/**
 * A program: packets in memory that the device reads when it runs them, for internal queues, which take no command buffers (device.md 2.2).
 *
 * Owns: where in a host buffer the packets lie, and the buffer itself if it was made for them.
 * Must not know: packets (packet-writer.ts) or submission.
 */
import { HlError } from '@pedrera/base';
import { allocHostBuffer, type HostBuffer } from './host-buffer.js';
import { PacketWriter } from './packet-writer.js';
import { checkCount } from './region.js';
import type { Session } from './session.js';

export interface ProgramPlace {
  /** Where in the buffer it begins, a multiple of 8; its start unless given. */
  readonly offset?: number;
  /** Bytes; what is left of the buffer unless given. */
  readonly size?: number;
}

/**
 * Submit it as `{ queue, program }`, have another program run it (`upper.cpDma({ from: lower })`), or copy it into SRAM or HBM with a DMA
 * (`cb.linDma({ from: program.memory, fromOffset: program.offset, size: program.used, to })`) and submit that memory. It is read when it runs,
 * and may be freed or written to again only after that.
 */
export class Program extends PacketWriter {
  readonly memory: HostBuffer;
  /** In the buffer. */
  readonly offset: number;
  protected readonly what = 'the program';
  readonly #owned: boolean;

  constructor(memory: HostBuffer, place: Required<ProgramPlace>, owned: boolean) {
    const { buffer, byteOffset } = memory.bytes;
    super(memory.session, place.size, new Uint32Array(buffer, byteOffset + place.offset, Math.floor(place.size / 4)));
    this.memory = memory;
    this.offset = place.offset;
    this.#owned = owned;
  }

  /** Device address of the first packet. */
  get address(): number {
    this.check();
    return this.memory.deviceAddress + this.offset;
  }

  /** Throws HlError: EFAULT after the memory was freed, EBADF after the device was closed. */
  override check(): void {
    this.memory.check();
  }

  /** Frees the memory if it was allocated for this program; a buffer of the caller's stays the caller's. */
  async free(): Promise<void> {
    if (this.#owned) await this.memory.free();
  }

  /** Does nothing once the device is closed or the daemon gone: it is freed then. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.session.client.alive) await this.free();
  }
}

/** Errors: those of allocHostBuffer. */
export async function createProgram(session: Session, size: number): Promise<Program> {
  checkCount(size, 'createProgram: size');
  return new Program(await allocHostBuffer(session, size), { offset: 0, size }, true);
}

/** Errors: EINVAL for a place outside the buffer, or a buffer that the device does not reach. */
export function programIn(session: Session, memory: HostBuffer, place: ProgramPlace): Program {
  memory.check();
  const { offset = 0 } = place;
  checkCount(offset, 'programIn: offset');
  const { size = memory.size - offset } = place;
  if (memory.session !== session)
    throw new HlError(
      'EINVAL',
      `programIn: ${memory.describe()} belongs to another open file (${memory.session.node})`,
    );
  if (offset % 8 !== 0 || size < 8 || offset + size > memory.size)
    throw new HlError('EINVAL', `programIn: [${offset}, +${size}) is no place for packets in ${memory.describe()}`);
  return new Program(memory, { offset, size }, false);
}
