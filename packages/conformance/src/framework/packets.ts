/**
 * Packets of a command buffer, one after the other, through the hardware contract's encoders.
 *
 * Owns: the dwords. Must not know where they go.
 */
import {
  encodeFence,
  encodeMsgLong,
  encodeNop,
  encodePacket,
  fenceRdataAddress,
  monitorArm,
  monitorRegisters,
  type PacketInput,
  type PacketName,
  sobAddress,
  sobValue,
} from '@pedrera/hw';

const MAX_WORDS = 0x1f_ffe0 / 4;

export class Packets {
  #words = new Uint32Array(1024);
  #length = 0;

  /** The packets as dwords. */
  get words(): Uint32Array {
    return this.#words.subarray(0, this.#length);
  }

  add<N extends PacketName>(name: N, input: PacketInput<N>): this {
    this.#room(16);
    this.#length = encodePacket(this.#words, this.#length, name, input);
    return this;
  }

  nop(count = 1): this {
    this.#room(2 * count);
    for (let i = 0; i < count; i++) {
      this.#length = encodeNop(this.#words, this.#length);
    }
    return this;
  }

  /** Any dwords. */
  raw(...words: number[]): this {
    this.#room(words.length);
    this.#words.set(words, this.#length);
    this.#length += words.length;
    return this;
  }

  msgLong(address: number, value: number): this {
    this.#room(4);
    this.#length = encodeMsgLong(this.#words, this.#length, { eb: true, rb: true, mb: true, address, value });
    return this;
  }

  fence(id: number, target = 1): this {
    this.#room(2);
    this.#length = encodeFence(this.#words, this.#length, { id, target, dec: target });
    return this;
  }

  /** Adds one to a fence counter of a stream. */
  release(queue: number, fence: number, count = 1): this {
    return this.msgLong(fenceRdataAddress(queue, fence), count);
  }

  addToSob(dcore: number, sob: number, value = 1): this {
    return this.msgLong(sobAddress(dcore, sob), sobValue('add', value));
  }

  setSob(dcore: number, sob: number, value: number): this {
    return this.msgLong(sobAddress(dcore, sob), sobValue('set', value));
  }

  /** Arms a monitor that releases the queue's fence once the sync object's value is reached, or with 'eq' exactly met. */
  watchSob(
    where: { dcore: number; sob: number; monitor: number; queue: number; fence: number },
    value: number,
    mode: 'ge' | 'eq' = 'ge',
  ): this {
    const { dcore, sob, monitor, queue, fence } = where;
    const registers = monitorRegisters(dcore, monitor);
    const target = fenceRdataAddress(queue, fence);
    const arm = monitorArm({ group: Math.floor(sob / 8), mask: ~(1 << (sob % 8)) & 0xff, mode, value });
    return this.msgLong(registers.addressLow, target % 2 ** 32)
      .msgLong(registers.addressHigh, Math.floor(target / 2 ** 32))
      .msgLong(registers.data, 1)
      .msgLong(registers.arm, arm);
  }

  copy(src: number, dst: number, size: number): this {
    return this.add('LIN_DMA', { src, dst, size, eb: true, rb: true, mb: true });
  }

  fill(dst: number, size: number, pattern: number): this {
    return this.add('LIN_DMA', {
      dst,
      size,
      memSet: 1,
      patternLow: pattern,
      patternHigh: pattern,
      eb: true,
      rb: true,
      mb: true,
    });
  }

  #room(words: number): void {
    if (this.#length + words > this.#words.length) {
      const larger = new Uint32Array(
        Math.min(MAX_WORDS + 1024, Math.max(2 * this.#words.length, this.#length + words)),
      );
      larger.set(this.#words);
      this.#words = larger;
    }
  }
}

export function packets(): Packets {
  return new Packets();
}
