/** The copy rule, pointers, and what a C program finds in its block afterwards. */
import { errno, type HlError, Prng } from '@pedrera/base';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { magicOf } from './ioctl.js';
import { decodeStruct, type StructLayout } from './layout.js';
import { classicCommand, commandNumber, decodeArgs, encodeArgs } from './raw.js';
import { decodeReply, encodeCall } from './raw-caller.js';
import { leavingBlockUntouched, leavingInBlock, requireReadable } from './raw-marks.js';
import { sampleFields } from './sample.js';
import { ENTRIES, type Entry, entryOf, type IoctlName } from './table.js';

const RAW_NAMES = ENTRIES.filter(({ abi }) => abi !== undefined).map(({ name }) => name);
const CHUNK = { handle: 0x1000_0000_0000_1000n, queueIndex: 1, size: 64, flags: 0, collectiveEngineId: 0 };
const CS = { chunksRestore: [], chunksExecute: [CHUNK], seq: 0, timeoutSec: 0, flags: 0 };

function called(name: IoctlName, req: object, options: Parameters<typeof encodeCall>[2] = {}) {
  const entry = entryOf(name);
  const bytes = encodeCall(entry, req, options);
  return { entry, bytes, call: decodeArgs(bytes.cmd, bytes.block, bytes.buffers, magicOf(entry.nr)) };
}

/** The value as the C field can hold it: fixed arrays have all their elements, text behind them is cut. */
function whole(sampled: unknown, zero: unknown): unknown {
  if (Array.isArray(zero)) return zero.map((item, i) => whole((sampled as unknown[])[i] ?? item, item));
  if (!(zero instanceof Uint8Array)) return sampled;
  const bytes = new Uint8Array(zero.length);
  bytes.set((sampled as Uint8Array).subarray(0, zero.length));
  return bytes;
}

function wholeFields(fields: Record<string, unknown>, struct: StructLayout, places: Readonly<Record<string, unknown>>) {
  const zeros = decodeStruct(struct, '6.1', new DataView(new ArrayBuffer(struct.size['6.1'])));
  for (const [name, place] of Object.entries(places)) {
    if (typeof place === 'string' && name in fields) fields[name] = whole(fields[name], zeros[place]);
  }
}

const names = (struct: StructLayout) => Object.fromEntries(Object.keys(struct.fields).map((name) => [name, name]));

function expressibleCs(req: Record<string, unknown>): void {
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
  // Each of these shares its bytes with another one, which then cannot say anything else.
  const reserves = (flags & 0x1000) !== 0;
  const names = (flags & 0x2800) !== 0 && !reserves;
  if (reserves) Object.assign(req, { encapsSignalsCount: 5, encapsSignalsQIdx: 6, seq: 6 * 2 ** 32 + 5 });
  else for (const name of ['encapsSignalsCount', 'encapsSignalsQIdx']) delete req[name];
  if (names) Object.assign(req, { encapsSigHandleId: 7, seq: 7 });
  else delete req.encapsSigHandleId;
  if ((flags & 0x4000) !== 0) Object.assign(req, { numEngineCores: 1, coreCommand: 2 });
  else for (const name of ['numEngineCores', 'coreCommand']) delete req[name];
}

/** A request as a C program can express it: what the block has no room for is left out. */
function expressible(entry: Entry, prng: Prng): Record<string, unknown> {
  const req = sampleFields(entry.req, prng);
  if (entry.name === 'MEMORY_MAP_HOST') req.flags = (Number(req.flags) | 4) >>> 0;
  if (entry.name === 'MEMORY_MAP_DEVICE') req.flags = (Number(req.flags) & ~4) >>> 0;
  if (entry.name === 'CS') expressibleCs(req);
  if (entry.name === 'INFO_ENGINE_STATUS') req.bufferSize = 1024;
  if ('outputSize' in req) req.outputSize = 8 * prng.below(8);
  const input = entry.abi?.in.input;
  if (req.input !== undefined && typeof input === 'object' && 'struct' in input)
    wholeFields(req.input as Record<string, unknown>, input.struct, names(input.struct));
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
        const call = decodeArgs(bytes.cmd, bytes.block, bytes.buffers, magicOf(entry.nr));
        expect(call.error).toBeNull();
        expect(call.name).toBe(entry.name);
        expect(call.req).toEqual(req);
      }),
      { numRuns: 1000 },
    );
  });

  it('an accel node takes the letter and numbers of DRM as well', () => {
    // DRM_IOWR(DRM_COMMAND_BASE + HL_IOCTL_INFO, 24 bytes) and the last of the six (device.md 10.4).
    expect(classicCommand(0xc018_6440)).toBe(commandNumber(1, 24));
    expect(classicCommand(0xc028_6445)).toBe(commandNumber(6, 40));
    expect(classicCommand(commandNumber(3, 48))).toBe(commandNumber(3, 48));
    // What DRM answers itself is none of ours.
    expect(decodeArgs(classicCommand(0xc018_6401), new Uint8Array(24), []).error?.code).toBe('ENOTTY');
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

  it('an unknown op is EINVAL, and does not answer during a reset; a known one does if its entry says so', () => {
    const asking = (op: number) => {
      const block = new Uint8Array(24);
      new DataView(block.buffer).setUint32(12, op, true);
      return decodeArgs(commandNumber(1, 24), block, []);
    };
    expect(asking(99)).toMatchObject({ entry: null, duringReset: false });
    expect(asking(99).error?.code).toBe('EINVAL');
    expect(asking(1)).toMatchObject({ name: 'INFO_HW_EVENTS', duringReset: true });
    expect(asking(8)).toMatchObject({ name: 'INFO_CLK_RATE', duringReset: false });
  });
});

describe('pointers', () => {
  it('an array that could not be read is EFAULT, with what it was', () => {
    const { bytes } = called('WAIT_CS', { seq: 0, timeoutUs: 0n, flags: 4, sequences: [1] });
    for (const buffers of [[], [null], [new Uint8Array(7)]]) {
      const call = decodeArgs(bytes.cmd, bytes.block, buffers);
      expect(call.error?.message).toBe('WAIT_CS: EFAULT (sequences: 1 elements of 8 bytes are not readable)');
    }
  });

  it('chunks that could not be read reach the handler, which learns of it when it asks for them', () => {
    const { bytes } = called('CS', { ...CS, chunksExecute: [CHUNK, CHUNK] });
    for (const buffers of [[], [null], [new Uint8Array(127)]]) {
      const call = decodeArgs(bytes.cmd, bytes.block, buffers);
      expect(call.error).toBeNull();
      const { chunksExecute, chunksRestore } = call.req as typeof CS;
      expect(chunksExecute).toHaveLength(2);
      expect(() => requireReadable(chunksRestore)).not.toThrow();
      expect(() => requireReadable(chunksExecute)).toThrow(
        expect.objectContaining({ code: 'EFAULT', detail: 'chunksExecute: 2 elements of 64 bytes are not readable' }),
      );
    }
    const { call } = called('CS', CS);
    expect(() => requireReadable((call.req as typeof CS).chunksExecute)).not.toThrow();
  });

  it('so do the sequence numbers of a signal wait', () => {
    const chunk = { ...CHUNK, handle: 0n, size: 0, signalSeqs: [77] };
    const { bytes } = called('CS', { ...CS, chunksExecute: [chunk], flags: 4 });
    const [first] = (decodeArgs(bytes.cmd, bytes.block, [bytes.buffers[0] as Uint8Array, null]).req as typeof CS)
      .chunksExecute;
    const { signalSeqs } = first as unknown as { signalSeqs: number[] };
    expect(signalSeqs).toHaveLength(1);
    expect(() => requireReadable(signalSeqs)).toThrow(/EFAULT: signalSeqs/);
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
        // As do the numbers of a reservation and the sequence number.
        if (entry.name === 'CS') Object.assign(res, { handleId: 8, count: 9, seq: 9 * 2 ** 32 + 8 });
        const struct = entry.abi?.payload ?? entry.abi?.block.out;
        if (struct !== undefined) wholeFields(res, struct, entry.abi?.out ?? {});
        const req = expressible(entry, prng);
        if (entry.abi?.words !== undefined) res.output = new Array(Number(req.outputSize) / 8).fill(77);
        const bytes = encodeCall(entry, req);
        const reply = encodeArgs(decodeArgs(bytes.cmd, bytes.block, bytes.buffers, magicOf(entry.nr)), res);
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

  it('a multi-CS or interrupt wait that fails leaves everything as it was (uapi.md 4.15, 4.16)', () => {
    for (const code of ['EINVAL', 'ETIMEDOUT', 'EIO', 'ENOMEM', 'EFAULT', 'EBUSY'] as const) {
      const multi = after('WAIT_CS', { seq: 0, timeoutUs: 3n, flags: 4, sequences: [1, 2] }, code);
      expect(multi.block).toEqual(multi.before);
    }
    const interrupt = after('WAIT_CS', { seq: 0x1000, timeoutUs: 3n, flags: 6 }, 'EPERM');
    expect(interrupt.block).toEqual(interrupt.before);
  });

  it('what a handler says an error leaves takes the place of what the table says', () => {
    const { call } = called('CS', {
      ...CS,
      chunksExecute: [],
      flags: 0x1000,
      encapsSignalsCount: 5,
      encapsSignalsQIdx: 1,
    });
    const failed = encodeArgs(call, leavingInBlock(errno('EINVAL'), { seq: 0 })).block;
    // A reservation that fails: handle, count and sync object are 0 (uapi.md 4.1).
    expect([...failed.subarray(0, 8), ...failed.subarray(12)].every((byte) => byte === 0)).toBe(true);
    expect(new DataView(failed.buffer).getInt32(8, true)).toBe(-22);
    const restored = called('CS', CS);
    const block = encodeArgs(restored.call, leavingInBlock(errno('ENOEXEC'), { seq: 41 })).block;
    expect(new DataView(block.buffer).getBigUint64(0, true)).toBe(41n);
    const same = called('CS', CS);
    expect(encodeArgs(same.call, leavingBlockUntouched(errno('EINVAL'))).block).toEqual(same.bytes.block);
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
    expect(call.name).toBe('MEMORY_MAP_BLOCK');
    const reply = encodeArgs(call, errno('EPERM')).block;
    expect(reply.subarray(0, 12)).toEqual(new Uint8Array(12));
    expect(reply.subarray(12)).toEqual(block.subarray(12));
  });
});

describe('forms of their own', () => {
  it('a reservation is asked for with count and queue, and answered with handle, count and sync object', () => {
    const reserve = { ...CS, chunksExecute: [], flags: 0x1000, encapsSignalsCount: 5, encapsSignalsQIdx: 2 };
    const { bytes, call, entry } = called('CS', reserve);
    const view = new DataView(bytes.block.buffer);
    expect([view.getUint32(16, true), view.getUint32(20, true)]).toEqual([5, 2]);
    expect(call.req).toMatchObject({ encapsSignalsCount: 5, encapsSignalsQIdx: 2 });
    const res = { seq: 0, status: 0, sobBaseAddrOffset: 0x49_2200, sobCountBeforeSubmission: 0, handleId: 3, count: 6 };
    const reply = encodeArgs(call, res);
    const out = new DataView(reply.block.buffer);
    expect([0, 4, 8, 12].map((at) => out.getUint32(at, true))).toEqual([3, 6, 0, 0x49_2200]);
    expect(decodeReply(entry, reply)).toMatchObject({ handleId: 3, count: 6 });
  });

  it('a staged part names its group, an unreservation its handle', () => {
    expect(called('CS', { ...CS, seq: 2 ** 40, flags: 0x40 }).call.req).toMatchObject({ seq: 2 ** 40 });
    const unreserve = called('CS', { ...CS, chunksExecute: [], flags: 0x2000, encapsSigHandleId: 9 });
    expect(unreserve.call.req).toMatchObject({ encapsSigHandleId: 9 });
    const first = called('CS', { ...CS, flags: 0x8c0, encapsSigHandleId: 4 });
    expect(first.call.req).toMatchObject({ encapsSigHandleId: 4, chunksExecute: [CHUNK] });
    expect(called('CS', CS).call.req).not.toHaveProperty('encapsSigHandleId');
  });

  it('engine cores take the place of the chunk pointers', () => {
    const { call } = called('CS', { ...CS, chunksExecute: [], flags: 0x4000, numEngineCores: 3, coreCommand: 1 });
    expect(call.req).toMatchObject({ numEngineCores: 3, coreCommand: 1, chunksExecute: [], chunksRestore: [] });
  });

  it('ENGINE_STATUS gives its text and says in the block how long it is', () => {
    const { call, bytes } = called('INFO_ENGINE_STATUS', { bufferSize: 4096 });
    expect(call.req).toEqual({ bufferSize: 4096 });
    const reply = encodeArgs(call, { text: Buffer.from('DMA\0is_idle\0') });
    expect(new DataView(reply.block.buffer).getUint32(16, true)).toBe(12);
    expect(Buffer.from(reply.buffers[0] as Uint8Array).toString()).toBe('DMA\0is_idle\0');
    new DataView(bytes.block.buffer).setBigUint64(0, 0n, true);
    expect(decodeArgs(bytes.cmd, bytes.block, []).error?.code).toBe('EINVAL');
  });

  it('GET_EVENTS wants room for eight bytes', () => {
    for (const returnSize of [1, 7])
      expect(called('INFO_GET_EVENTS', {}, { returnSize }).call.error?.detail).toMatch(/less than 8$/);
    for (const returnSize of [8, 100]) {
      const { call } = called('INFO_GET_EVENTS', {}, { returnSize });
      expect(encodeArgs(call, { events: 0x44 }).buffers).toEqual([new Uint8Array([0x44, 0, 0, 0, 0, 0, 0, 0])]);
    }
  });

  it('REGISTER_EVENTFD looks at neither pointer nor size', () => {
    const { call } = called('INFO_REGISTER_EVENTFD', { eventfd: 12 });
    expect(call.req).toEqual({ eventfd: 12 });
    expect(new DataView(call.block.buffer).getBigUint64(0, true)).toBe(0n);
    expect(encodeArgs(call, {}).buffers).toEqual([]);
  });

  it('MEMORY_TS_ALLOC writes its handle and keeps the rest; a failure writes nothing', () => {
    const { call, bytes } = called('MEMORY_TS_ALLOC', { numOfElements: 10 });
    expect(encodeArgs(call, { handle: 0x8000_0000_0000_1000n }).block.subarray(8)).toEqual(bytes.block.subarray(8));
    const failed = called('MEMORY_TS_ALLOC', { numOfElements: 0 });
    expect(encodeArgs(failed.call, errno('ENOMEM')).block).toEqual(failed.bytes.block);
  });
});

describe('DEBUG', () => {
  const BMON = {
    startAddr0: 1n,
    addrMask0: 2n,
    startAddr1: 3n,
    addrMask1: 4n,
    bwWin: 5,
    winCapture: 6,
    id: 7,
    control: 8,
    startAddr2: 9n,
    endAddr2: 10n,
    startAddr3: 11n,
    endAddr3: 12n,
  };
  const bmon = { regIdx: 3, enable: true, outputSize: 0, input: BMON };

  it('a 2021 program gives the beginning of the parameters, the rest is 0', () => {
    const old = called('DEBUG_BMON', bmon, { abi: '2021' });
    expect(old.bytes.buffers.map(({ length }) => length)).toEqual([48]);
    expect(old.call.req).toEqual({
      ...bmon,
      input: { ...BMON, control: 0, startAddr2: 0n, endAddr2: 0n, startAddr3: 0n, endAddr3: 0n },
    });
  });

  it('a longer input is clipped, and the clipped size written back unless the call got nowhere', () => {
    const { bytes } = called('DEBUG_BMON', bmon);
    new DataView(bytes.block.buffer).setUint32(16, 200, true);
    const decode = () => decodeArgs(bytes.cmd, bytes.block, bytes.buffers);
    const sizeAfter = (block: Uint8Array) => new DataView(block.buffer, block.byteOffset).getUint32(16, true);
    expect(decode().req).toEqual(bmon);
    expect(sizeAfter(encodeArgs(decode(), { output: [] }).block)).toBe(80);
    expect(sizeAfter(encodeArgs(decode(), errno('EINVAL')).block)).toBe(80);
    expect(sizeAfter(encodeArgs(decode(), errno('EBUSY')).block)).toBe(200);
    expect(sizeAfter(encodeArgs(decode(), leavingBlockUntouched(errno('EFAULT'))).block)).toBe(200);
  });

  it('no pointer or no size means no input; one that cannot be read is EFAULT', () => {
    const { bytes } = called('DEBUG_BMON', { regIdx: 3, enable: true, outputSize: 0 });
    expect(decodeArgs(bytes.cmd, bytes.block, []).req).not.toHaveProperty('input');
    const given = called('DEBUG_BMON', bmon);
    expect(decodeArgs(given.bytes.cmd, given.bytes.block, [null]).error?.code).toBe('EFAULT');
  });

  it('the whole output buffer is copied back, zeros behind the words', () => {
    const { call, bytes } = called('DEBUG_SPMU', { regIdx: 0, enable: false, outputSize: 28 });
    const [output] = encodeArgs(call, { output: [1, 2, 3, 4] }).buffers;
    expect(output).toEqual(
      new Uint8Array([1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, ...new Array(11).fill(0)]),
    );
    new DataView(bytes.block.buffer).setBigUint64(8, 0n, true);
    expect(encodeArgs(decodeArgs(bytes.cmd, bytes.block, []), { output: [1] }).buffers).toEqual([]);
  });
});
