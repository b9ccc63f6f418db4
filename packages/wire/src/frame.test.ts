/** Borders of frames in a stream cut in every possible way. */
import { HlError } from '@pedrera/base';
import { describe, expect, it } from 'vitest';
import { FrameError, FrameReader } from './frame.js';

const LIMIT = 300_000;

function frame(...body: number[]): Buffer {
  return frameOf(Buffer.from(body));
}

function frameOf(body: Buffer): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt32LE(body.length);
  return Buffer.concat([header, body]);
}

function drain(reader: FrameReader): Buffer[] {
  const bodies: Buffer[] = [];
  while (reader.next()) bodies.push(Buffer.from(reader.bytes.subarray(reader.start, reader.end)));
  return bodies;
}

function refusal(run: () => void): FrameError {
  try {
    run();
  } catch (error) {
    if (error instanceof FrameError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('FrameReader', () => {
  it('one-frame-in-one-chunk is a window of the chunk', () => {
    const reader = new FrameReader(LIMIT);
    const chunk = frame(1, 2, 3);
    reader.push(chunk);
    expect(reader.next()).toBe(true);
    expect(reader.bytes).toBe(chunk);
    expect([reader.start, reader.end]).toEqual([4, 7]);
    expect(reader.next()).toBe(false);
    expect(reader.unfinishedBytes).toBe(0);
  });

  it('many-frames-in-one-chunk', () => {
    const reader = new FrameReader(LIMIT);
    reader.push(Buffer.concat([frame(1), frame(2, 2), frame(3, 3, 3)]));
    expect(drain(reader)).toEqual([Buffer.from([1]), Buffer.from([2, 2]), Buffer.from([3, 3, 3])]);
  });

  it('byte-by-byte', () => {
    const reader = new FrameReader(LIMIT);
    const bodies: Buffer[] = [];
    for (const byte of Buffer.concat([frame(1), frame(2, 2), frame(3, 3, 3)])) {
      reader.push(Buffer.from([byte]));
      bodies.push(...drain(reader));
    }
    expect(bodies).toEqual([Buffer.from([1]), Buffer.from([2, 2]), Buffer.from([3, 3, 3])]);
    expect(reader.unfinishedBytes).toBe(0);
  });

  it('every-pair-of-cuts of a stream of frames', () => {
    const stream = Buffer.concat([frame(1, 2, 3, 4, 5), frame(6), frame(7, 8)]);
    const whole = [Buffer.from([1, 2, 3, 4, 5]), Buffer.from([6]), Buffer.from([7, 8])];
    for (let first = 0; first <= stream.length; first++) {
      for (let second = first; second <= stream.length; second++) {
        const reader = new FrameReader(LIMIT);
        const bodies: Buffer[] = [];
        for (const piece of [stream.subarray(0, first), stream.subarray(first, second), stream.subarray(second)]) {
          reader.push(piece);
          bodies.push(...drain(reader));
        }
        expect(bodies).toEqual(whole);
      }
    }
  });

  it('a-long-frame-in-small-pieces keeps its bytes', () => {
    const body = Buffer.alloc(LIMIT);
    for (let i = 0; i < body.length; i++) body[i] = (i * 31) >> 3;
    const stream = Buffer.concat([frameOf(body), frame(9)]);
    const reader = new FrameReader(LIMIT);
    const bodies: Buffer[] = [];
    for (let at = 0; at < stream.length; at += 7919) {
      reader.push(stream.subarray(at, at + 7919));
      bodies.push(...drain(reader));
    }
    expect(bodies).toHaveLength(2);
    expect(bodies[0]?.equals(body)).toBe(true);
    expect(bodies[1]).toEqual(Buffer.from([9]));
  });

  it('stops-between-frames and goes on later', () => {
    const reader = new FrameReader(LIMIT);
    reader.push(Buffer.concat([frame(1), frame(2)]));
    expect(reader.next()).toBe(true);
    reader.push(frame(3));
    expect(drain(reader)).toEqual([Buffer.from([2]), Buffer.from([3])]);
  });

  it('counts-unfinished-bytes, the header included', () => {
    const reader = new FrameReader(LIMIT);
    reader.push(Buffer.concat([frame(1), frame(1, 2, 3, 4).subarray(0, 6)]));
    expect(drain(reader)).toHaveLength(1);
    expect(reader.unfinishedBytes).toBe(6);
    reader.push(Buffer.from([3, 4]));
    expect(drain(reader)).toEqual([Buffer.from([1, 2, 3, 4])]);
    expect(reader.unfinishedBytes).toBe(0);
  });

  it('length-zero', () => {
    const reader = new FrameReader(LIMIT);
    reader.push(Buffer.alloc(4));
    const error = refusal(() => reader.next());
    expect(error).toBeInstanceOf(HlError);
    expect(error.message).toBe('EPROTO: a frame of 0 bytes; a frame holds one msgpack array');
  });

  it('length-above-the-limit is refused before its bytes come, with both numbers', () => {
    for (const pieces of [
      [Buffer.from([0xff, 0xff, 0xff, 0xff])],
      [Buffer.from([0xff]), Buffer.from([0xff, 0xff, 0xff])],
    ]) {
      const reader = new FrameReader(LIMIT);
      const error = refusal(() => {
        for (const piece of pieces) {
          reader.push(piece);
          reader.next();
        }
      });
      expect(error.code).toBe('EMSGSIZE');
      expect(error.message).toBe('EMSGSIZE: a frame of 4294967295 bytes; the limit is 300000 bytes');
    }
  });

  it('length-at-the-limit', () => {
    const reader = new FrameReader(3);
    reader.push(frame(1, 2, 3));
    expect(drain(reader)).toEqual([Buffer.from([1, 2, 3])]);
    reader.push(frame(1, 2, 3, 4));
    expect(refusal(() => reader.next()).code).toBe('EMSGSIZE');
  });

  it('an-announced-length costs nothing until its bytes come', () => {
    const before = process.memoryUsage().arrayBuffers;
    const readers = Array.from({ length: 64 }, () => new FrameReader(2 ** 30));
    const header = Buffer.alloc(4);
    header.writeUInt32LE(2 ** 30);
    for (const reader of readers) {
      reader.push(header);
      expect(reader.next()).toBe(false);
      expect(reader.unfinishedBytes).toBe(4);
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20);
  });
});
