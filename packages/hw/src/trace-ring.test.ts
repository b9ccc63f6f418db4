/** The trace ring: what goes in comes out, what finds no room is counted, and nobody waits. */
import { describe, expect, it } from 'vitest';
import { createTraceRing, DEVICE_TRACE_KIND, type DeviceTraceRecord, TraceReader, TraceWriter } from './trace-ring.js';

function ring(records: number) {
  const buffer = createTraceRing(records);
  return { writer: new TraceWriter(buffer), reader: new TraceReader(buffer), buffer };
}

function drained(reader: TraceReader, limit?: number): DeviceTraceRecord[] {
  const records: DeviceTraceRecord[] = [];
  reader.drain((record) => void records.push({ ...record }), limit);
  return records;
}

function sob(writer: TraceWriter, value: number): void {
  writer.write(DEVICE_TRACE_KIND.sob, value, value, 1, 0, false, false, 7, value, 0, 0);
}

describe('trace ring', () => {
  it('keeps-every-field', () => {
    const { writer, reader } = ring(4);
    const address = 0x2_7fc0_0000_0000;
    writer.write(
      DEVICE_TRACE_KIND['job end'],
      2 ** 52 + 1,
      17.5,
      1023,
      113,
      true,
      true,
      4095,
      2 ** 32 - 1,
      address,
      64,
    );
    writer.write(DEVICE_TRACE_KIND.fault, 1, 1, 1, -1, false, false, -1, 2, 0, 0);
    expect(drained(reader)).toEqual([
      {
        kind: 'job end',
        timeNs: 2 ** 52 + 1,
        sinceNs: 17.5,
        asid: 1023,
        queue: 113,
        lower: true,
        cut: true,
        index: 4095,
        value: 2 ** 32 - 1,
        address,
        bytes: 64,
      },
      expect.objectContaining({ kind: 'fault', queue: -1, index: -1, lower: false, cut: false }),
    ]);
    expect(reader.size).toBe(0);
  });

  it('counts-what-finds-no-room', () => {
    const { writer, reader } = ring(3);
    for (let value = 0; value < 6; value++) sob(writer, value);
    expect([reader.size, reader.lost]).toEqual([4, 2]);
    expect(drained(reader, 1).map(({ value }) => value)).toEqual([0]);
    sob(writer, 6);
    sob(writer, 7);
    expect(drained(reader).map(({ value }) => value)).toEqual([1, 2, 3, 6]);
    expect(reader.lost).toBe(3);
  });

  it('goes-round-many-times', () => {
    const { writer, reader } = ring(8);
    const seen: number[] = [];
    for (let value = 0; value < 1000; value++) {
      sob(writer, value);
      if (value % 5 === 0) seen.push(...drained(reader).map(({ value: v }) => v));
    }
    seen.push(...drained(reader).map(({ value }) => value));
    expect(seen).toEqual(Array.from({ length: 1000 }, (_, value) => value));
    expect(reader.lost).toBe(0);
  });

  it('a-taker-that-throws-loses-only-what-it-was-given', () => {
    const { writer, reader } = ring(8);
    for (let value = 0; value < 3; value++) sob(writer, value);
    const refuse = () => {
      throw new Error('no');
    };
    expect(() => reader.drain(refuse)).toThrow('no');
    expect(drained(reader).map(({ value }) => value)).toEqual([1, 2]);
  });

  it('hands-over-one-object-and-the-number-of-its-kind', () => {
    const { writer, reader } = ring(4);
    sob(writer, 1);
    sob(writer, 2);
    const seen: (readonly [DeviceTraceRecord, number])[] = [];
    reader.drain((record, kind) => void seen.push([record, kind]));
    expect(seen[0]?.[0]).toBe(seen[1]?.[0]);
    expect(seen.map(([, kind]) => kind)).toEqual([DEVICE_TRACE_KIND.sob, DEVICE_TRACE_KIND.sob]);
  });

  it('a-second-writer-goes-on-where-the-first-stopped', () => {
    const { writer, reader, buffer } = ring(4);
    sob(writer, 1);
    sob(new TraceWriter(buffer), 2);
    expect(drained(reader).map(({ value }) => value)).toEqual([1, 2]);
  });

  it('refuses-memory-of-another-size', () => {
    expect(() => new TraceReader(new SharedArrayBuffer(64 + 3 * 48))).toThrow('power of two');
  });
});
