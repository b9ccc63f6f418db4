/**
 * The calls of C programs, as struct bytes over a real socket, for both generations of the header: one program compiled
 * against the header of 2021, one against that of 6.1, on one daemon.
 */
import { encodeFence, encodeLinDma, encodeMsgLong, fenceRdataAddress } from '@pedrera/hw';
import { Queue } from '@pedrera/thunk';
import {
  ABIS,
  ALL_ONES_U64,
  CS_FLAGS,
  commandBufferHandle,
  commandNumber,
  ENTRIES,
  encodeCall,
  entryOf,
  INFO_OP,
  MEM_FLAGS,
  MEM_OP,
  memoryHandle,
  NR,
  type Req,
  type Res,
  WAIT_FLAGS,
  WAIT_OUT_FLAGS,
  WAIT_STATUS,
} from '@pedrera/uapi';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { bytesOf, checkBytes } from './programs/mirror.js';
import { fileDaemon } from './support/file-daemon.js';
import { RawPeer } from './support/raw-peer.js';
import { RawProgram } from './support/raw-program.js';

const daemon = fileDaemon({ beforeAll, afterEach, afterAll }, { devices: 1 });

const FOREVER_US = 2n ** 63n - 1n;
const PAGE = 4096;
const RING_ENTRIES = 4096;
const CHUNKS = 512;

function jobs(
  handle: bigint,
  size: number,
  more: { queueIndex?: number; count?: number; flags?: number } = {},
): Req<'CS'> {
  const { queueIndex = Queue.DMA_0_0, count = 1, flags = 0 } = more;
  const chunk = { handle, queueIndex, size, flags: 0, collectiveEngineId: 0 };
  return { chunksRestore: [], chunksExecute: new Array(count).fill(chunk), seq: 0, timeoutSec: 0, flags };
}

function viewOf(block: Uint8Array): DataView {
  return new DataView(block.buffer, block.byteOffset, block.byteLength);
}

describe.each(ABIS)('header of %s', (abi) => {
  let program: RawProgram;

  beforeEach(async () => {
    program = await RawProgram.start(abi, daemon().socketPath);
  });

  afterEach(async () => {
    await program[Symbol.asyncDispose]();
  });

  /** A mapped command buffer with these packets; returns its handle and the bytes they take. */
  async function commandBuffer(write: (words: Uint32Array) => number): Promise<{ handle: bigint; size: number }> {
    const { handle } = (await program.call('CB_CREATE', { size: PAGE, flags: 0 })) as Res<'CB_CREATE'>;
    const bytes = await program.memory.map(handle);
    const end = write(new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4));
    return { handle, size: 4 * end };
  }

  const nops = (count = 1) =>
    commandBuffer((words) => {
      words.fill(0, 0, 2 * count);
      for (let i = 0; i < count; i++) {
        words[2 * i + 1] = 0x0a00_0000;
      }
      return 2 * count;
    });

  /** Submits work that waits for ever, and returns its number and what releases it. */
  async function blocked() {
    const fence = await commandBuffer((words) => encodeFence(words, 0, { id: 1, target: 1, dec: 1 }));
    const { seq } = (await program.call('CS', jobs(fence.handle, fence.size))) as Res<'CS'>;
    const release = async () => {
      const address = fenceRdataAddress(Queue.DMA_0_0, 1);
      const opener = await commandBuffer((words) => encodeMsgLong(words, 0, { address, value: 1 }));
      await program.call('CS', jobs(opener.handle, opener.size, { queueIndex: Queue.DMA_0_1 }));
    };
    return { seq, release };
  }

  const wait = (seq: number, timeoutUs = FOREVER_US) => program.try('WAIT_CS', { seq, timeoutUs, flags: 0 });

  it('info-says-what-the-typed-spelling-says', async () => {
    const changing = new Set([
      'INFO_TIME_SYNC',
      'INFO_OPEN_STATS',
      'INFO_DEVICE_UTILIZATION',
      'INFO_PCI_COUNTERS',
      'INFO_TOTAL_ENERGY',
      'INFO_POWER',
    ]);
    // Not all of them were there in 2021.
    const known = ENTRIES.filter(
      ({ nr, abi: binding, level }) => nr === NR.INFO && binding?.payload?.size[abi] && level !== 'refused',
    );
    expect(known.length).toBeGreaterThanOrEqual(16);
    for (const { name, req: fields } of known) {
      const req = Object.fromEntries(Object.keys(fields).map((field) => [field, 2]));
      const raw = await program.call(name, req as Req<typeof name>);
      const typed = await program.peer.call(name, req as Req<typeof name>);
      expect(Object.keys(raw).length, name).toBeGreaterThan(0);
      if (!changing.has(name)) {
        expect(typed, name).toMatchObject(raw);
      }
    }
  });

  it('info-answer-is-cut-to-what-was-asked-for', async () => {
    for (const returnSize of [1, 8, 232, 256, 4096]) {
      const { errno, buffers } = await program.try('INFO_HW_IP_INFO', {}, { returnSize });
      expect({ errno, lengths: buffers.map(({ length }) => length) }).toEqual({
        errno: '',
        lengths: [Math.min(returnSize, 256)],
      });
    }
    expect(await program.try('INFO_HW_IP_INFO', {}, { returnSize: 0 })).toMatchObject({
      errno: 'EINVAL',
      sentence: 'return_size is 0',
    });
  });

  it('command-buffer-life', async () => {
    const { handle, size } = await nops(3);
    expect(handle >> 59n).toBe(2n);
    expect(await program.call('CB_INFO', { handle: commandBufferHandle(1), flags: 0 })).toMatchObject({
      usageCount: 0,
    });
    const { seq, status } = (await program.call('CS', jobs(handle, size))) as Res<'CS'>;
    expect({ seq, status }).toEqual({ seq: 1, status: 0 });
    const waited = await wait(seq);
    expect(waited).toMatchObject({ errno: '', res: { status: WAIT_STATUS.COMPLETED, flags: 0 } });
    expect(waited.block).toHaveLength(abi === '2021' ? 24 : 56);
    const cb = handle as Req<'CB_DESTROY'>['handle'];
    await program.call('CB_DESTROY', { handle: cb });
    expect(await program.try('CB_DESTROY', { handle: cb })).toMatchObject({ errno: 'EINVAL' });
  });

  it('wait-busy-then-completed', async () => {
    const { seq, release } = await blocked();
    for (const timeoutUs of [0n, 1000n]) {
      expect(await wait(seq, timeoutUs)).toMatchObject({ errno: '', res: { status: WAIT_STATUS.BUSY } });
    }
    await release();
    expect(await wait(seq)).toMatchObject({ errno: '', res: { status: WAIT_STATUS.COMPLETED } });
  });

  it('timestamp', async () => {
    const { handle, size } = await nops();
    const { seq } = (await program.call('CS', jobs(handle, size, { flags: CS_FLAGS.TIMESTAMP }))) as Res<'CS'>;
    const { res } = await wait(seq);
    expect(res).toMatchObject({ status: WAIT_STATUS.COMPLETED, flags: WAIT_OUT_FLAGS.TIMESTAMP_VLD });
    expect(res.timestampNs).toBeGreaterThan(0n);
    const { res: again } = await wait(seq);
    expect(again.timestampNs).toBe(res.timestampNs);
  });

  it('bytes-to-the-device-and-back', async () => {
    const size = 64 * 1024;
    const host = await program.peer.call('HOST_ALLOC', { size });
    const bytes = await program.memory.map(host.handle);
    const map = { hostVirtAddr: host.address, hintAddr: 0, size, flags: MEM_FLAGS.USERPTR };
    const { deviceVirtAddr: hostVa } = (await program.call('MEMORY_MAP_HOST', map)) as Res<'MEMORY_MAP_HOST'>;
    const { handle: memory } = (await program.call('MEMORY_ALLOC', {
      size,
      pageSize: 0,
      flags: 0,
    })) as Res<'MEMORY_ALLOC'>;
    const { deviceVirtAddr: hbmVa } = (await program.call('MEMORY_MAP_DEVICE', {
      handle: memory,
      hintAddr: 0,
      flags: 0,
    })) as Res<'MEMORY_MAP_DEVICE'>;

    const move = async (src: number, dst: number) => {
      const cb = await commandBuffer((words) => encodeLinDma(words, 0, { size, src, dst }));
      const { seq } = (await program.call('CS', jobs(cb.handle, cb.size))) as Res<'CS'>;
      expect(await wait(seq)).toMatchObject({ errno: '', res: { status: WAIT_STATUS.COMPLETED } });
    };
    bytes.set(bytesOf(11, size));
    await move(hostVa, hbmVa);
    bytes.fill(0);
    await move(hbmVa, hostVa);
    checkBytes(bytes.subarray(0, size), 11);

    expect(await program.try('MEMORY_FREE', { handle: memory })).toMatchObject({ errno: 'EINVAL' });
    for (const deviceVirtAddr of [hostVa, hbmVa]) {
      await program.call('MEMORY_UNMAP', { deviceVirtAddr });
      expect(await program.try('MEMORY_UNMAP', { deviceVirtAddr })).toMatchObject({ errno: 'EINVAL' });
    }
    await program.call('MEMORY_FREE', { handle: memory });
  });

  it('export-gives-a-descriptor-or-none', async () => {
    const { handle } = (await program.call('MEMORY_ALLOC', {
      size: PAGE,
      pageSize: 0,
      flags: 0,
    })) as Res<'MEMORY_ALLOC'>;
    const { fd } = (await program.call('MEMORY_EXPORT_DMABUF_FD', {
      handle,
      size: PAGE,
      flags: 0,
    })) as Res<'MEMORY_EXPORT_DMABUF_FD'>;
    expect(fd).toBeGreaterThanOrEqual(0);
    await program.peer.call('DMABUF_CLOSE', { fd });
    const { errno, block } = await program.try('MEMORY_EXPORT_DMABUF_FD', {
      handle: memoryHandle(999),
      size: PAGE,
      flags: 0,
    });
    expect({ errno, fd: viewOf(block).getInt32(0, true) }).toEqual({ errno: 'EINVAL', fd: -9 });
  });

  it('refused-submission-leaves-all-ones-and-the-errno', async () => {
    const { errno, block, sentence } = await program.try('CS', jobs(0x1000_0000_0000_7000n, 8));
    expect(errno).toBe('EINVAL');
    expect(sentence).toMatch(/no object has the handle 0x1000000000007000/);
    expect(viewOf(block).getBigUint64(0, true)).toBe(2n ** 64n - 1n);
    expect(viewOf(block).getInt32(8, true)).toBe(-22);
  });

  it('full-queue-leaves-the-block-as-it-was', async () => {
    const { seq, release } = await blocked();
    const { handle, size } = await nops();
    for (let free = RING_ENTRIES - 1; free > 0; free -= CHUNKS) {
      await program.call('CS', jobs(handle, size, { count: Math.min(free, CHUNKS) }));
    }
    const request = jobs(handle, size);
    const { errno, block, sentence } = await program.try('CS', request);
    expect(errno).toBe('EAGAIN');
    expect(sentence).toMatch(/DMA_0_0 has 0 free slots/);
    expect(block).toEqual(encodeCall(entryOf('CS'), request, { abi }).block);
    await release();
    expect(await wait(seq)).toMatchObject({ errno: '' });
  });

  it('chunks-that-cannot-be-read', async () => {
    const { handle, size } = await nops();
    const { cmd, block } = encodeCall(entryOf('CS'), jobs(handle, size, { count: 2 }), { abi });
    for (const buffers of [[], [null], [new Uint8Array(64)]]) {
      expect(await program.ioctl(cmd, block, buffers)).toMatchObject({
        errno: 'EFAULT',
        sentence: expect.stringContaining('2 elements of 64 bytes'),
      });
    }
  });

  it('failed-work-is-aborted', async () => {
    const address = 0x1_4000_0000_0000;
    const cb = await commandBuffer((words) => encodeMsgLong(words, 0, { address, value: 1 }));
    const { seq } = (await program.call('CS', jobs(cb.handle, cb.size))) as Res<'CS'>;
    const { errno, block, sentence } = await wait(seq);
    expect({ errno, status: viewOf(block).getUint32(0, true) }).toEqual({ errno: 'EIO', status: WAIT_STATUS.ABORTED });
    expect(sentence).toContain('page-fault at 0x140000000000');
  });

  it('stopped-work-is-timed-out', async () => {
    const fence = await commandBuffer((words) => encodeFence(words, 0, { id: 0, target: 1, dec: 0 }));
    // A custom time-out of 0 seconds fires at once (uapi.md 4.7).
    const { seq } = (await program.call(
      'CS',
      jobs(fence.handle, fence.size, { flags: CS_FLAGS.CUSTOM_TIMEOUT }),
    )) as Res<'CS'>;
    const { errno, block } = await wait(seq);
    expect({ errno, status: viewOf(block).getUint32(0, true) }).toEqual({
      errno: 'ETIMEDOUT',
      status: WAIT_STATUS.TIMEDOUT,
    });
  });

  it('sequence-that-was-never-issued', async () => {
    expect(await wait(77)).toMatchObject({ errno: 'EINVAL' });
    expect(await wait(ALL_ONES_U64)).toMatchObject({ errno: 'EINVAL' });
  });
});

describe('commands', () => {
  let program: RawProgram;

  beforeEach(async () => {
    program = await RawProgram.start('6.1', daemon().socketPath);
  });

  afterEach(async () => {
    await program[Symbol.asyncDispose]();
  });

  function blockWith(size: number, fields: Readonly<Record<number, number>>): Uint8Array {
    const block = new Uint8Array(size);
    for (const [at, value] of Object.entries(fields)) {
      viewOf(block).setUint32(Number(at), value, true);
    }
    return block;
  }

  it('shorter-block-is-extended-with-zeros', async () => {
    // CB, size 16: everything behind the op is 0.
    const { errno, block } = await program.ioctl(commandNumber(NR.CB, 16), blockWith(16, { 12: PAGE }));
    expect({ errno, length: block.length }).toEqual({ errno: '', length: 16 });
    expect(viewOf(block).getBigUint64(0, true) >> 59n).toBe(2n);
  });

  it('longer-block-is-cut-and-copied-back', async () => {
    const long = blockWith(200, { 12: PAGE });
    long.fill(0xee, 24);
    const { errno, block } = await program.ioctl(commandNumber(NR.CB, 200), long);
    expect({ errno, length: block.length }).toEqual({ errno: '', length: 200 });
    expect(block.subarray(24).every((byte) => byte === 0xee)).toBe(true);
  });

  it('fewer-bytes-than-announced', async () => {
    expect(await program.ioctl(commandNumber(NR.CB, 24), new Uint8Array(8))).toMatchObject({ errno: 'EFAULT' });
  });

  it('unknown-number-and-op', async () => {
    for (const nr of [0, 7, 0x42, 0x80, 0xff]) {
      expect(await program.ioctl(commandNumber(nr, 24), new Uint8Array(24))).toMatchObject({
        errno: 'ENOTTY',
        sentence: `no ioctl has number ${nr}`,
      });
    }
    const op99 = await program.ioctl(commandNumber(NR.MEMORY, 40), blockWith(40, { 24: 99 }));
    expect(op99).toMatchObject({ errno: 'EINVAL', sentence: 'no such op' });
  });

  const ATTESTATION = { 0: 0x1000, 8: 3592, 12: INFO_OP.SECURED_ATTESTATION };

  it.each([
    ['attestation', NR.INFO, 24, ATTESTATION, 'EIO', /./],
    ['map-block', NR.MEMORY, 40, { 24: MEM_OP.MAP_BLOCK }, 'EPERM', /blocks/],
    ['interrupt-wait', NR.WAIT_CS, 56, { 20: WAIT_FLAGS.INTERRUPT }, 'EPERM', /no user interrupts/],
    ['engine-cores', NR.CS, 48, { 8: 1, 12: 1, 36: CS_FLAGS.ENGINE_CORE_COMMAND }, 'EINVAL', /engine core/],
    ['debug-outside-debug-mode', NR.DEBUG, 40, {}, 'EFAULT', /not in debug mode/],
  ])('refused-%s', async (_, nr, size, fields, errno, sentence) => {
    const answer = await program.ioctl(commandNumber(nr, size), blockWith(size, fields));
    expect(answer).toMatchObject({ errno, sentence: expect.stringMatching(sentence) });
  });

  it('refused-calls-are-counted', async () => {
    const count = async (call: string) => (await daemon().client.inspectDaemon()).refused[call] ?? 0;
    const before = { attestation: await count('INFO_SECURED_ATTESTATION'), block: await count('MEMORY_MAP_BLOCK') };
    await program.ioctl(commandNumber(NR.INFO, 24), blockWith(24, ATTESTATION));
    await program.ioctl(commandNumber(NR.MEMORY, 40), blockWith(40, { 24: MEM_OP.MAP_BLOCK }));
    await program.peer.ask('MEMORY_MAP_BLOCK', { blockAddr: 0x7f_fc00_0000 });
    expect(await count('INFO_SECURED_ATTESTATION')).toBe(before.attestation + 1);
    expect(await count('MEMORY_MAP_BLOCK')).toBe(before.block + 2);
  });

  it('primary-calls-on-the-control-node', async () => {
    await using peer = await RawPeer.greeted(daemon().socketPath, 'hl_controlD0');
    const reply = await peer.exchange([5, commandNumber(NR.CB, 24), blockWith(24, { 12: PAGE }), []]);
    expect(reply).toEqual([
      5,
      25,
      expect.any(Uint8Array),
      [],
      expect.stringContaining('the control node does not answer CB_CREATE'),
    ]);
  });

  it('both-spellings-on-one-connection', async () => {
    const { handle } = await program.peer.call('CB_CREATE', { size: PAGE, flags: 0 });
    expect(await program.call('CB_INFO', { handle, flags: 0 })).toMatchObject({ usageCount: 0 });
    await program.call('CB_DESTROY', { handle });
    expect(await program.peer.ask('CB_DESTROY', { handle })).toEqual([22, expect.stringContaining('no object')]);
  });
});
