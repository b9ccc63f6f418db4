/** Recordings on disk, and what is refused. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { TraceWriter } from '@pedrera/uapi';
import { afterAll, describe, expect, it } from 'vitest';
import { temporaryDirectory } from '../testing/run-cli.js';
import { TraceFile, type TraceFileHeader, TraceFileWriter } from './file.js';

const directory = temporaryDirectory();
afterAll(() => directory[Symbol.dispose]());

const HEADER: TraceFileHeader = {
  schema: 'pedrera.trace-file/1',
  build: '1',
  protocol: 1,
  policy: 'shared',
  devices: 2,
  kinds: 31,
  pid: 0,
  startedNs: 5,
  startedEpochMs: 6,
  program: ['prog', 'é'],
};

function recorded(name: string, count: number): string {
  const file = path.join(directory.path, name);
  const records = new TraceWriter(2 ** 22);
  const writer = new TraceFileWriter(file, HEADER);
  for (let i = 0; i < count; i++) {
    records.clientEnd(i, i, 77);
    if (i % 1000 === 0) writer.append(records.take());
  }
  writer.append(records.take());
  writer.end({ records: count, lost: 4 });
  writer.close();
  return file;
}

describe('a recording', () => {
  it('comes back whole, however long it is', () => {
    // Longer than what is read at once.
    const file = new TraceFile(recorded('whole', 60_000));
    expect(file.header).toEqual(HEADER);
    expect(file.totals).toEqual({ records: 60_000, lost: 4 });
    let next = 0;
    for (const record of file.records()) if (record.number === next) next++;
    expect(next).toBe(60_000);
  });

  it('of nothing is one', () => {
    expect([...new TraceFile(recorded('empty', 0)).records()]).toEqual([]);
  });
});

describe('refused with a sentence', () => {
  const bytes = readFileSync(recorded('good', 100));
  const refused = (name: string, content: Uint8Array) => {
    const file = path.join(directory.path, name);
    writeFileSync(file, content);
    return () => [...new TraceFile(file).records()].length;
  };

  it('a file of somebody else, an empty one, none', () => {
    expect(refused('text', Buffer.from('#!/bin/sh\necho this is a longer text'))).toThrow(
      /text is no recording of pedrera/,
    );
    expect(refused('none', new Uint8Array())).toThrow(/is no recording of pedrera/);
    expect(() => new TraceFile(path.join(directory.path, 'missing'))).toThrow(/ENOENT/);
  });

  it('one of a newer release', () => {
    const newer = Buffer.from(bytes);
    newer.writeUInt32LE(2, 8);
    expect(refused('newer', newer)).toThrow(/written by a newer pedrera \(format 2; this one reads 1\)/);
  });

  it('one that was cut short, anywhere', () => {
    for (const length of [20, 100, 400, bytes.length - 100, bytes.length - 1]) {
      expect(refused('short', bytes.subarray(0, length))).toThrow(/is cut short/);
    }
  });

  it('one that is damaged', () => {
    const damaged = Buffer.from(bytes);
    damaged.writeUInt32LE(7, bytes.length - 32 - 24);
    expect(refused('damaged', damaged)).toThrow(/is damaged/);
    const head = Buffer.from(bytes);
    head.write('!', 16);
    expect(refused('head', head)).toThrow(/the head of .* is damaged/);
  });
});
