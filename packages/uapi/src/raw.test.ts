/** The copy rule, pointers, and what a C program finds in its block afterwards. */
import { errno, type HlError, Prng } from '@pedrera/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commandNumber, decodeArgs, encodeArgs } from './raw.js';
import { decodeReply, encodeCall } from './raw-caller.js';
import { sampleFields } from './sample.js';
import { ENTRIES, type Entry, entryOf, type IoctlName } from './table.js';

const RAW_NAMES = ENTRIES.filter(({ abi }) => abi !== undefined).map(({ name }) => name);
const CHUNK = { handle: 0x1000_0000_0000_1000n, queueIndex: 1, size: 64, flags: 0, collectiveEngineId: 0 };
const CS = { chunksRestore: [], chunksExecute: [CHUNK], seq: 0, timeoutSec: 0, flags: 0 };

function called(name: IoctlName, req: object, options: Parameters<typeof encodeCall>[2] = {}) {
  const entry = entryOf(name);
  const bytes = encodeCall(entry, req, options);
  return { entry, bytes, call: decodeArgs(bytes.cmd, bytes.block, bytes.buffers) };
}

/** A request as a C program can express it: what the block has no room for is left out. */
function expressible(entry: Entry, prng: Prng): Record<string, unknown> {
  const req = sampleFields(entry.req, prng);
  if (entry.name === 'MEMORY_MAP_HOST') req.flags = (Number(req.flags) | 4) >>> 0;
  if (entry.name === 'MEMORY_MAP_DEVICE') req.flags = (Number(req.flags) & ~4) >>> 0;
  if (entry.name === 'CS') {
    const flags = Number(req.flags);
    if ((flags & 0x4001) !== 1) req.chunksRestore = [];
    if ((flags & 0x4000) !== 0) req.chunksExecute = [];
    const lists = [req.chunksRestore, req.chunksExecute] as Record<string, unknown>[][];
    for (const chunk of lists.flat()) {
      delete chunk.signalSeqs;
      chunk.collectiveEngineId ??= 0;
    }
    const first = lists[1]?.[0];
    if (first !== undefined && (flags & 0xc) !== 0 && (flags & 0x800) === 0)
      Object.assign(first, { signalSeqs: [], handle: 0n, size: 0 });
  }
  if (entry.name === 'WAIT_CS') {
    if ((Number(req.flags) & 0x6) === 4) {
      req.sequences ??= [];
      req.seq = (req.sequences as number[]).length === 0 ? 0 : 0x7f00_0000_1000;
    } else delete req.sequences;
  }
  return req;
}

describe('op', () => {
  it('beyond-its-number-is-no-op-of-the-next-number', () => {
    const { bytes } = called('CB_INFO', { handle: 0n, flags: 0 });
    // Op 768 of CB has the place in the code space where op 0 of MEMORY begins.
    new DataView(bytes.block.buffer, bytes.block.byteOffset).setUint32(8, 768, true);
    const call = decodeArgs(bytes.cmd, bytes.block, bytes.buffers);
    expect(call.entry).toBeNull();
    expect(call.error?.code).toBe('EINVAL');
  });
});

describe('raw requests', () => {
  it('what a C program says is what the handler gets, for every call', () => {
    fc.assert(
      fc.property(fc.constantFrom(...RAW_NAMES), fc.integer(), (name, seed) => {
        const entry = entryOf(name);
        const req = expressible(entry, new Prng(seed));
        const bytes = encodeCall(entry, req);
        const call = decodeArgs(bytes.cmd, bytes.block, bytes.buffers);
        expect(call.error).toBeNull();
        expect(call.name).toBe(entry.name);
        expect(call.req).toEqual(req);
      }),
      { numRuns: 1000 },
    );
  });

  it('only the number in the command selects; direction and magic are ignored', () => {
    const { bytes } = called('CB_CREATE', { size: 4096, flags: 0 });
    const odd = ((bytes.cmd & 0x3fff_0000) | 0xff00 | 2) >>> 0;
    expect(decodeArgs(odd, bytes.block, []).req).toEqual({ size: 4096, flags: 0 });
    for (const nr of [0, 7, 0x80, 0xff]) {
      const call = decodeArgs(commandNumber(nr, 24), new Uint8Array(24), []);
      expect(call.error?.code).toBe('ENOTTY');
      expect(encodeArgs(call, call.error as HlError).block).toEqual(new Uint8Array(24));
    }
  });

  it('a shorter block is extended with zeros, a longer one cut', () => {
    const block = new Uint8Array(16);
    new DataView(block.buffer).setUint32(12, 512, true);
    expect(decodeArgs(commandNumber(2, 16), block, []).req).toEqual({ size: 512, flags: 0 });
    const long = new Uint8Array(100).fill(0xff, 24);
    const call = decodeArgs(commandNumber(2, 100), long, []);
    expect(call.req).toEqual({ size: 0, flags: 0 });
    const reply = encodeArgs(call, { handle: 5n });
    expect(reply.block).toHaveLength(100);
    expect(reply.block[24]).toBe(0xff);
  });

  it('an empty block means zeros', () => {
    expect(decodeArgs(commandNumber(3, 0), new Uint8Array(), []).req).toMatchObject({ chunksExecute: [], flags: 0 });
  });

  it('fewer bytes than the command announces is a bad pointer', () => {
    expect(decodeArgs(commandNumber(2, 24), new Uint8Array(8), []).error?.code).toBe('EFAULT');
  });

  it('an unknown op is EINVAL, a refused one has its own errno, and neither answers during a reset unless it would', () => {
    const op99 = new Uint8Array(24);
    new DataView(op99.buffer).setUint32(12, 99, true);
    expect(decodeArgs(commandNumber(1, 24), op99, [])).toMatchObject({
      entry: null,
      duringReset: false,
      refused: null,
    });
    expect(decodeArgs(commandNumber(1, 24), op99, []).error?.code).toBe('EINVAL');
    const events = new Uint8Array(24);
    new DataView(events.buffer).setUint32(12, 1, true);
    expect(decodeArgs(commandNumber(1, 24), events, [])).toMatchObject({ name: 'INFO_HW_EVENTS', duringReset: true });
    const debug = decodeArgs(commandNumber(6, 40), new Uint8Array(40), []);
    expect(debug.error?.message).toMatch(/^DEBUG_ETR: EFAULT/);
    expect(debug.refused?.name).toBe('DEBUG_ETR');
  });
});

describe('pointers', () => {
  it('an array that could not be read is EFAULT, with what it was', () => {
    const { bytes } = called('CS', CS);
    for (const buffers of [[], [null], [new Uint8Array(63)]]) {
      const call = decodeArgs(bytes.cmd, bytes.block, buffers);
      expect(call.error?.message).toBe('CS: EFAULT (chunksExecute: 1 elements of 64 bytes are not readable)');
    }
  });

  it('restore chunks are not looked at unless they are forced', () => {
    const restore = { ...CS, chunksRestore: [CHUNK] };
    expect(called('CS', restore).bytes.buffers).toHaveLength(1);
    const forced = called('CS', { ...restore, flags: 1 });
    expect(forced.bytes.buffers).toHaveLength(2);
    expect(forced.call.req).toMatchObject({ chunksRestore: [CHUNK], chunksExecute: [CHUNK] });
  });

  it('too many chunks reach the handler as one too many, unread', () => {
    const { call, bytes } = called('CS', { ...CS, chunksExecute: new Array(600).fill(CHUNK) });
    expect(bytes.buffers).toEqual([]);
    expect(call.error).toBeNull();
    expect((call.req as typeof CS).chunksExecute).toHaveLength(513);
  });

  it('a signal wait carries its one sequence number', () => {
    const chunk = { ...CHUNK, handle: 0n, size: 0, signalSeqs: [77] };
    const wait = called('CS', { ...CS, chunksExecute: [chunk], flags: 4 });
    expect(wait.bytes.buffers).toHaveLength(2);
    expect((wait.call.req as typeof CS).chunksExecute[0]).toMatchObject({ queueIndex: 1, signalSeqs: [77] });
    const two = called('CS', { ...CS, chunksExecute: [{ ...chunk, signalSeqs: [1, 2, 3] }], flags: 4 });
    expect((two.call.req as typeof CS).chunksExecute[0]).toMatchObject({ signalSeqs: [0, 0] });
    const encapsulated = called('CS', { ...CS, flags: 0x804 });
    expect((encapsulated.call.req as typeof CS).chunksExecute[0]).not.toHaveProperty('signalSeqs');
  });

  it('a multi-CS wait carries its list', () => {
    const list = called('WAIT_CS', { seq: 0, timeoutUs: 0n, flags: 4, sequences: [1, 2 ** 40] });
    expect(list.call.req).toMatchObject({ sequences: [1, 2 ** 40] });
    expect(called('WAIT_CS', { seq: 9, timeoutUs: 5n, flags: 0 }).call.req).toEqual({
      seq: 9,
      timeoutUs: 5n,
      flags: 0,
    });
    const many = called('WAIT_CS', { seq: 0, timeoutUs: 0n, flags: 4, sequences: new Array(40).fill(1) });
    expect((many.call.req as { sequences: number[] }).sequences).toHaveLength(33);
  });

  it('INFO without a place for the answer is EINVAL', () => {
    expect(called('INFO_RESET_COUNT', {}, { returnSize: 0 }).call.error?.detail).toBe('return_size is 0');
    const { bytes } = called('INFO_RESET_COUNT', {});
    new DataView(bytes.block.buffer).setBigUint64(0, 0n, true);
    expect(decodeArgs(bytes.cmd, bytes.block, []).error?.detail).toBe('return_pointer is 0');
  });
});

describe('raw results', () => {
  it('what the handler returns is what a C program reads, for every call', () => {
    fc.assert(
      fc.property(fc.constantFrom(...RAW_NAMES), fc.integer(), (name, seed) => {
        const entry = entryOf(name);
        const prng = new Prng(seed);
        const res = sampleFields(entry.res, prng);
        // The two share their bytes: only one of them says something.
        if (entry.name === 'CB_INFO') res.deviceVa = Number(res.usageCount);
        if (entry.name === 'WAIT_CS') res.completionMap ??= 0;
        if (entry.name === 'INFO_HW_IDLE') res.busyEnginesMaskExt = [1, 2];
        const bytes = encodeCall(entry, expressible(entry, prng));
        const reply = encodeArgs(decodeArgs(bytes.cmd, bytes.block, bytes.buffers), res);
        expect(reply.block).toHaveLength(bytes.block.length);
        expect(decodeReply(entry, reply)).toEqual(res);
      }),
      { numRuns: 1000 },
    );
  });

  it('an INFO answer is cut to what was asked for, and the block is echoed', () => {
    const entry = entryOf('INFO_HW_IP_INFO');
    const res = { ...sampleFields(entry.res, new Prng(1)), dramPageSize: 0x20_0000 };
    for (const [returnSize, length] of [
      [232, 232],
      [8, 8],
      [256, 256],
      [4096, 256],
    ] as const) {
      const { bytes, call } = called('INFO_HW_IP_INFO', {}, { returnSize });
      const reply = encodeArgs(call, res);
      expect(reply.buffers.map((buffer) => buffer.length)).toEqual([length]);
      expect(reply.block).toEqual(bytes.block);
    }
    const old = called('INFO_HW_IP_INFO', {}, { abi: '2021' });
    const seen = decodeReply(entry, encodeArgs(old.call, res), '2021');
    expect(seen).toHaveProperty('dramPageSize', 0x20_0000);
    expect(seen).not.toHaveProperty('edmaEnabledMask');
  });

  it('a 2021 wait gets status, flags and time in its 24 bytes', () => {
    const { bytes, call, entry } = called('WAIT_CS', { seq: 3, timeoutUs: 7n, flags: 0 }, { abi: '2021' });
    expect(bytes.cmd).toBe(0xc018_4804);
    expect(call.req).toEqual({ seq: 3, timeoutUs: 7n, flags: 0 });
    const reply = encodeArgs(call, { status: 1, flags: 2, timestampNs: 123_456_789_012n });
    expect(reply.block).toHaveLength(24);
    expect(decodeReply(entry, reply, '2021')).toEqual({ status: 1, flags: 2, timestampNs: 123_456_789_012n });
  });

  it('CB_INFO clears eight bytes and keeps the rest of the input', () => {
    const { call, bytes } = called('CB_INFO', { handle: 0x1000_0000_0000_1000n, flags: 0 });
    const reply = encodeArgs(call, { usageCount: 3, deviceVa: 0 });
    expect(new DataView(reply.block.buffer, reply.block.byteOffset).getBigUint64(0, true)).toBe(3n);
    expect(reply.block.subarray(8)).toEqual(bytes.block.subarray(8));
  });
});

describe('what a failure leaves in the block', () => {
  const after = (name: IoctlName, req: object, code: Parameters<typeof errno>[0]) => {
    const { bytes, call } = called(name, req);
    const { block, buffers } = encodeArgs(call, errno(code));
    expect(buffers).toEqual([]);
    return { before: bytes.block, block, view: new DataView(block.buffer, block.byteOffset) };
  };

  it('CS: all ones and -errno, but nothing after EAGAIN', () => {
    const { view, block } = after('CS', CS, 'EINVAL');
    expect(view.getBigUint64(0, true)).toBe(2n ** 64n - 1n);
    expect(view.getInt32(8, true)).toBe(-22);
    expect(block.subarray(12).every((byte) => byte === 0)).toBe(true);
    expect(after('CS', CS, 'EBUSY').view.getInt32(8, true)).toBe(-16);
    const again = after('CS', CS, 'EAGAIN');
    expect(again.block).toEqual(again.before);
  });

  it('WAIT: the status of a fence error, zeros otherwise, nothing while in reset', () => {
    const wait = { seq: 5, timeoutUs: 9n, flags: 0 };
    expect(after('WAIT_CS', wait, 'ETIMEDOUT').view.getUint32(0, true)).toBe(2);
    expect(after('WAIT_CS', wait, 'EIO').view.getUint32(0, true)).toBe(3);
    expect(after('WAIT_CS', wait, 'EINVAL').block).toEqual(new Uint8Array(56));
    const busy = after('WAIT_CS', wait, 'EBUSY');
    expect(busy.block).toEqual(busy.before);
  });

  it('CB_CREATE is zeroed, CB_DESTROY echoed, an export has no descriptor', () => {
    expect(after('CB_CREATE', { size: 9, flags: 1 }, 'ENOMEM').block).toEqual(new Uint8Array(24));
    const destroy = after('CB_DESTROY', { handle: 7n }, 'EINVAL');
    expect(destroy.block).toEqual(destroy.before);
    const exported = after('MEMORY_EXPORT_DMABUF_FD', { handle: 0x2000_0000n, size: 1, flags: 2 }, 'EINVAL');
    expect(exported.view.getInt32(0, true)).toBe(-9);
    expect(exported.view.getUint32(4, true)).toBe(0);
  });

  it('a refused MAP_BLOCK clears handle and size and keeps the rest', () => {
    const block = new Uint8Array(40).fill(0xab);
    new DataView(block.buffer).setUint32(24, 4, true);
    const call = decodeArgs(commandNumber(5, 40), block, []);
    expect(call.error?.code).toBe('EPERM');
    const reply = encodeArgs(call, call.error as HlError).block;
    expect(reply.subarray(0, 12)).toEqual(new Uint8Array(12));
    expect(reply.subarray(12)).toEqual(block.subarray(12));
  });
});
