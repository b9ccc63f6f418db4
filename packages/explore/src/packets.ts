/** Packets of command buffers, as scenarios say them. Owns their dwords; must not know where they go. */
import {
  encodeFence,
  encodeLinDma,
  encodeMsgLong,
  encodeNop,
  fenceRdataAddress,
  monitorArm,
  monitorRegisters,
} from '@pedrera/hw';

/** The dwords of a command buffer. */
export type Program = Uint32Array;

export type Packet = (words: Uint32Array, at: number) => number;

export function program(...packets: readonly Packet[]): Program {
  const words = new Uint32Array(1024);
  const end = packets.reduce((at, packet) => packet(words, at), 0);
  return words.slice(0, end);
}

export const nop: Packet = (words, at) => encodeNop(words, at);

export function message(address: number, value: number): Packet {
  return (words, at) => encodeMsgLong(words, at, { eb: true, rb: true, mb: true, address, value });
}

export function copy(src: number, dst: number, size: number): Packet {
  return (words, at) => encodeLinDma(words, at, { src, dst, size, eb: true, rb: true, mb: true });
}

export function fill(dst: number, size: number, pattern: number): Packet {
  return (words, at) =>
    encodeLinDma(words, at, {
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

/** Stops the stream until its fence counter was written to. */
export function fence(id: number): Packet {
  return (words, at) => encodeFence(words, at, { id, target: 1, dec: 1 });
}

/** Writes to a fence counter of a stream, which lets it go on. */
export function release(queue: number, id: number): Packet {
  return message(fenceRdataAddress(queue, id), 1);
}

/** Arms a monitor that writes to the queue's fence counter once the sync object is `value` or more. */
export function watchSob(where: {
  readonly dcore: number;
  readonly sob: number;
  readonly monitor: number;
  readonly queue: number;
  readonly fence: number;
  readonly value: number;
}): Packet {
  const { dcore, sob, monitor, queue, value } = where;
  const registers = monitorRegisters(dcore, monitor);
  const target = fenceRdataAddress(queue, where.fence);
  const arm = monitorArm({ group: Math.floor(sob / 8), mask: ~(1 << (sob % 8)) & 0xff, mode: 'ge', value });
  const parts = [
    message(registers.addressLow, target % 2 ** 32),
    message(registers.addressHigh, Math.floor(target / 2 ** 32)),
    message(registers.data, 1),
    message(registers.arm, arm),
  ];
  return (words, at) => parts.reduce((next, part) => part(words, next), at);
}
