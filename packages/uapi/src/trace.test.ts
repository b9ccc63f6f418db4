/** Records into memory and out again. */
import { HlError } from '@pedrera/base';
import { describe, expect, it } from 'vitest';
import { commandNumber } from './raw.js';
import { entryOf } from './table.js';
import { ENGINE_FLAG, ENGINE_SORTS, RECORD, SYNC_SORTS, TRACE_HEAD_BYTES } from './trace-layout.js';
import { TraceReader, wholeRecordBytes } from './trace-reader.js';
import { TraceWriter } from './trace-writer.js';

const SUBMISSION = { device: 1, asid: 3, pid: 77, seq: 2 ** 40 };

/** Frames are JSON here: how messages are spelled is not what is tested. */
function frame(message: readonly unknown[]): Uint8Array {
  return Buffer.from(JSON.stringify(message));
}

function reader(): TraceReader {
  return new TraceReader((body) => JSON.parse(Buffer.from(body).toString()) as unknown[]);
}

function writeFrame(writer: TraceWriter, type: number, timeNs: number, message: readonly unknown[]): void {
  const bytes = frame(message);
  writer.frame(type, timeNs, 5, bytes, 0, bytes.length);
}

function client(writer: TraceWriter, told: object): void {
  writer.client(1, 5, Buffer.from(JSON.stringify(told)));
}

describe('records', () => {
  it('come back as they were written', () => {
    const writer = new TraceWriter(2 ** 20);
    client(writer, { pid: 77, program: 'prog', node: 'hl1', device: 1, asid: 3, parents: [9], before: true });
    writer.submit(10, SUBMISSION, new Int32Array([2 | (7 << 8), 0]), 1);
    writer.finish(20, SUBMISSION, 5);
    writer.wake(21, SUBMISSION);
    writer.engine(12, {
      sort: ENGINE_SORTS.indexOf('job') | ENGINE_FLAG.CUT,
      device: 1,
      asid: 3,
      queue: 2,
      durationNs: 6,
      index: 7,
      address: 2 ** 48,
      bytes: 64,
    });
    const sync = {
      sort: SYNC_SORTS.indexOf('sob'),
      device: 1,
      asid: 3,
      queue: -1,
      dcore: 2,
      index: 9,
      value: 4,
      address: 0,
    };
    writer.sync(13, sync);
    writer.event(14, { device: null, asid: 0, pid: null, text: Buffer.from('é') });
    writer.contents(15, 5, 0x8000_0000_0000_1000n, 4096, new Uint8Array([1, 2, 3]));
    const digest = { of: 'device memory', handle: 1n, size: 5, digest: new Uint8Array(32).fill(0xab) } as const;
    writer.digest(16, 5, digest);
    writer.clientEnd(17, 5, 77);
    const records = reader().read(writer.take());
    expect(records.map(({ kind }) => kind)).toEqual([
      'client',
      'submit',
      'finish',
      'wake',
      'job',
      'sob',
      'event',
      'contents',
      'digest',
      'client end',
    ]);
    expect(records.map(({ number }) => number)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(records[0]).toMatchObject({ program: 'prog', node: 'hl1', parents: [9], before: true });
    expect(records[1]).toMatchObject({ ...SUBMISSION, timeNs: 10, queues: [2], slots: [7] });
    expect(records[2]).toMatchObject({ error: 'EIO' });
    expect(records[3]).toMatchObject({ client: 5 });
    // The job's submission is the one that took its slot.
    expect(records[4]).toMatchObject({ seq: SUBMISSION.seq, durationNs: 6, value: 7, end: 'cut', address: 2 ** 48 });
    expect(records[5]).toMatchObject({ queue: -1, dcore: 2, index: 9, value: 4 });
    expect(records[6]).toMatchObject({ device: null, asid: 0, pid: null, text: 'é' });
    expect(records[7]).toMatchObject({
      handle: 0x8000_0000_0000_1000n,
      offset: 4096,
      bytes: new Uint8Array([1, 2, 3]),
    });
    expect(records[8]).toMatchObject({ of: 'device memory', digest: 'ab'.repeat(32) });
  });

  it('a slot that was used again: the job belongs to the submission before its end', () => {
    const writer = new TraceWriter(2 ** 20);
    const job = { sort: 0, device: 1, asid: 3, queue: 2, durationNs: 5, index: 7, address: 0, bytes: 0 };
    writer.submit(10, { ...SUBMISSION, seq: 1 }, new Int32Array([2 | (7 << 8)]), 1);
    writer.submit(100, { ...SUBMISSION, seq: 2 }, new Int32Array([2 | (7 << 8)]), 1);
    writer.engine(20, job);
    writer.engine(120, job);
    expect(reader().read(writer.take()).slice(2)).toMatchObject([{ seq: 1 }, { seq: 2 }]);
  });
});

describe('calls', () => {
  const { code } = entryOf('CB_CREATE');

  it('request and reply become one record, with the time between', () => {
    const writer = new TraceWriter(2 ** 20);
    client(writer, { pid: 77, program: 'prog' });
    writeFrame(writer, RECORD.REQUEST, 1000, [1, code, [4096, 0]]);
    writeFrame(writer, RECORD.REQUEST, 1500, [2, code, [0, 0]]);
    writeFrame(writer, RECORD.REPLY, 1600, [2, 22, 'too small']);
    writeFrame(writer, RECORD.REPLY, 3000, [1, 0, [4096]]);
    const [, refused, made] = reader().read(writer.take());
    expect(refused).toMatchObject({
      call: 'CB_CREATE',
      errno: 'EINVAL',
      detail: 'too small',
      durationNs: 100,
      number: 2,
    });
    expect(made).toMatchObject({
      req: { size: 4096, flags: 0 },
      res: { handle: 4096n },
      durationNs: 2000,
      answered: 4,
    });
  });

  it('without an answer: told when the client is gone, or asked for', () => {
    const writer = new TraceWriter(2 ** 20);
    const out = reader();
    writeFrame(writer, RECORD.REQUEST, 1000, [1, code, [4096, 0]]);
    expect(out.read(writer.take())).toEqual([]);
    expect(out.unanswered()).toMatchObject([{ call: 'CB_CREATE', res: null, errno: null, answered: null }]);
    writer.clientEnd(5000, 5, 77);
    expect(out.read(writer.take())).toMatchObject([{ kind: 'call', answered: null }, { kind: 'client end' }]);
    expect(out.unanswered()).toEqual([]);
  });

  it('an answer to what was asked before the recording is left out; frames too long are told by their length', () => {
    const writer = new TraceWriter(2 ** 20, 16);
    writeFrame(writer, RECORD.REPLY, 900, [8, 0, []]);
    writeFrame(writer, RECORD.REQUEST, 1000, [1, code, ['x'.repeat(100)]]);
    writeFrame(writer, RECORD.REPLY, 1100, [1, 0, []]);
    expect(reader().read(writer.take())).toMatchObject([{ req: null, errno: null, res: {}, durationNs: 100 }]);
  });

  it('calls of a C program are named as the node it opened names them', () => {
    const written = (node: string, command: number, bytes: number) => {
      const writer = new TraceWriter(2 ** 20);
      client(writer, { pid: 77, node });
      const request = [1, command, new Uint8Array(bytes), []];
      // JSON has no bytes: this one decoder does.
      const out = new TraceReader(() => request);
      writeFrame(writer, RECORD.REQUEST, 1, []);
      out.read(writer.take());
      return out.unanswered()[0]?.call;
    };
    const drm = 0xc018_6440;
    expect(written('accel0', drm, 24)).toMatch(/^INFO_/);
    expect(written('accel_controlD0', drm, 24)).toMatch(/^INFO_/);
    expect(written('hl0', commandNumber(3, 48), 48)).toBe('CS');
    expect(written('hli', commandNumber(3, 48), 48)).not.toBe('CS');
  });

  it('HELLO and OPEN tell who a client is', () => {
    const writer = new TraceWriter(2 ** 20);
    const out = reader();
    client(writer, { pid: 77 });
    writeFrame(writer, RECORD.REQUEST, 1, [1, entryOf('HELLO').code, [1, 'prog']]);
    writeFrame(writer, RECORD.REPLY, 2, [1, 0, [1, 9, 'shared', 1, 1, 1, '0']]);
    writeFrame(writer, RECORD.REQUEST, 3, [2, code, [4096, 0]]);
    out.read(writer.take());
    expect(out.unanswered()).toMatchObject([{ program: 'prog', pid: 77 }]);
  });
});

describe('a store that is full', () => {
  it('loses records, counts them, and says so in their place', () => {
    const writer = new TraceWriter(200);
    const one = () => writer.clientEnd(1, 5, 77);
    for (let i = 0; i < 20; i++) one();
    expect(writer.records).toBe(8);
    expect(writer.lost).toBe(12);
    const out = reader();
    expect(out.read(writer.take())).toHaveLength(8);
    one();
    const records = out.read(writer.take());
    expect(records).toMatchObject([
      { kind: 'lost', count: 12, number: 8 },
      { kind: 'client end', number: 20 },
    ]);
    one();
    writer.lose(3);
    writer.close(9);
    expect(out.read(writer.take())).toMatchObject([{ kind: 'client end' }, { kind: 'lost', count: 3 }]);
    expect(writer.unread).toBe(0);
  });

  it('hands out whole records, in as many pieces as are asked for', () => {
    const writer = new TraceWriter(2 ** 22);
    // More than one chunk.
    const count = 20_000;
    for (let i = 0; i < count; i++) writer.clientEnd(i, i, 77);
    const out = reader();
    const clients: number[] = [];
    for (let bytes = writer.take(1000); bytes.length > 0; bytes = writer.take(1000)) {
      expect(bytes.length).toBeLessThanOrEqual(1000);
      expect(wholeRecordBytes(bytes)).toBe(bytes.length);
      for (const record of out.read(bytes)) clients.push('client' in record ? record.client : -1);
    }
    expect(clients).toEqual(Array.from({ length: count }, (_, i) => i));
  });
});

describe('a large part of a store', () => {
  it('is given away as it is, and the rest comes behind it', () => {
    const writer = new TraceWriter(2 ** 22);
    const out = reader();
    const clients: number[] = [];
    let written = 0;
    for (const count of [2_000, 20_000, 3, 1_500]) {
      for (let i = 0; i < count; i++) writer.clientEnd(1, written++, 77);
      for (let bytes = writer.take(); bytes.length > 0; bytes = writer.take()) {
        for (const record of out.read(bytes)) clients.push('client' in record ? record.client : -1);
      }
      expect(writer.unread).toBe(0);
    }
    expect(clients).toEqual(Array.from({ length: written }, (_, i) => i));
    expect([writer.records, writer.lost]).toEqual([written, 0]);
  });
});

describe('what is no trace', () => {
  it('is refused, wherever it is cut or changed', () => {
    const writer = new TraceWriter(2 ** 20);
    client(writer, { pid: 77 });
    writer.event(14, { device: 0, asid: null, pid: null, text: Buffer.from('text') });
    const bytes = writer.take();
    for (let end = 1; end < bytes.length; end++) {
      if (wholeRecordBytes(bytes.subarray(0, end)) === end) continue;
      expect(() => reader().read(bytes.subarray(0, end))).toThrow(HlError);
    }
    const long = bytes.slice();
    new DataView(long.buffer).setUint32(TRACE_HEAD_BYTES + 4, 0xffff, true);
    expect(() => reader().read(long)).toThrow(/says it holds 65535 bytes/);
    const later = bytes.slice();
    later[4] = 200;
    // A type that a later release added.
    expect(reader().read(later)).toMatchObject([{ kind: 'event', number: 1 }]);
  });
});
