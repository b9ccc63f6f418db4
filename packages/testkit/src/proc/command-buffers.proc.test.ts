/** Command buffers and submissions that are refused, and what a refusal leaves as it was. */
import { DRAM_USER_BASE, msiAddress, OPCODE, type PacketName } from '@pedrera/hw';
import { type CommandBuffer, Dcore, type Device, openDevice, Queue } from '@pedrera/thunk';
import { MAX_CB_SIZE, MAX_CHUNKS, type Req } from '@pedrera/uapi';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Mirror } from './programs/mirror.js';
import { fileDaemon } from './support/file-daemon.js';
import { refusal } from './support/refusal.js';

const MIB = 2 ** 20;
const NOP = OPCODE.NOP * 2 ** 24;

function submission(handle: bigint, size: number, more: Partial<Req<'CS'>> = {}): Req<'CS'> {
  const chunk = { handle, queueIndex: Queue.DMA_0_0, size, flags: 0 };
  return { chunksRestore: [], chunksExecute: [chunk], seq: 0, timeoutSec: 0, flags: 0, ...more };
}

describe('refused', () => {
  const daemon = fileDaemon({ beforeAll, afterEach, afterAll }, { devices: 1 });
  let device: Device;
  let cb: CommandBuffer;

  beforeEach(async () => {
    device = await openDevice(0, { socketPath: daemon().socketPath });
    cb = await device.createCommandBuffer();
  });

  // What was refused must leave neither the stream nor the client in a worse state.
  afterEach(async () => {
    const mirror = await Mirror.make(device, MIB);
    await mirror.roundTrip(1);
    await device.close();
  });

  const submit = () => refusal(device.submit({ queue: Queue.DMA_0_0, cb }));

  it.each([
    ['zero', 0, /^EINVAL: 0 bytes of a command buffer of 4096; at least 8/],
    ['less-than-a-header', 7, /^EINVAL: 7 bytes/],
    ['beyond-the-buffer', 4104, /^EINVAL: 4104 bytes of a command buffer of 4096/],
    ['far-too-large', 0xffff_ffff, /^EINVAL: 4294967295 bytes/],
    ['half-a-packet', 12, /^EINVAL: .*the packet header at byte 8 reaches past the end \(12 bytes\)/],
  ])('size-%s', async (_, size, sentence) => {
    cb.nop().nop();
    expect(await refusal(device.ioctl('CS', submission(cb.handle, size)))).toMatch(sentence);
  });

  it.each<[PacketName, number]>([
    ['LIN_DMA', 8],
    ['LIN_DMA', 16],
    ['MSG_LONG', 8],
    ['LOAD_AND_EXE', 8],
    ['MSG_PROT', 8],
    ['CP_DMA', 8],
  ])('cut-off-%s-after-%i-bytes', async (name, size) => {
    cb.nop().append([4, OPCODE[name] * 2 ** 24, 0, 0, 0, 0]);
    const cut = device.ioctl('CS', submission(cb.handle, 8 + size));
    // Also for what is forbidden: it has to fit before it is looked at (uapi.md 4.4).
    expect(await refusal(cut)).toMatch(new RegExp(`^EINVAL: DMA_0_0: ${name} at byte 8 reaches past the end`));
  });

  it('unknown-opcode', async () => {
    for (const opcode of [0, 0xe, ...Array.from({ length: 16 }, (_, i) => 0x10 + i)]) {
      cb.reset()
        .nop()
        .append([0, opcode * 2 ** 24]);
      expect(await submit()).toBe(`EINVAL: DMA_0_0: invalid packet id 0x${opcode.toString(16)} at byte 8`);
    }
  });

  it.each<[string, (buffer: CommandBuffer) => CommandBuffer]>([
    ['WREG_BULK', (buffer) => buffer.packet('WREG_BULK', { size64: 0, regOffset: 0 })],
    ['CP_DMA', (buffer) => buffer.packet('CP_DMA', { size: 8, src: DRAM_USER_BASE })],
    ['MSG_PROT', (buffer) => buffer.packet('MSG_PROT', { value: 1, address: msiAddress(0) })],
    ['STOP', (buffer) => buffer.packet('STOP', {})],
    ['LOAD_AND_EXE', (buffer) => buffer.packet('LOAD_AND_EXE', { src: DRAM_USER_BASE, dst: 1, load: 1 })],
  ])('forbidden-%s', async (name, write) => {
    write(cb.nop());
    expect(await submit()).toBe(`EPERM: DMA_0_0: ${name} at byte 8 is not for users of an external queue`);
  });

  it('wait-packet-is-not-accepted', async () => {
    cb.packet('WAIT', { cycles: 1, increment: 1, id: 0 });
    expect(await submit()).toMatch(/^EINVAL: DMA_0_0: WAIT at byte 0/);
  });

  it('first-error-wins', async () => {
    cb.nop().append([0, 0]).packet('STOP', {});
    expect(await submit()).toMatch(/^EINVAL: .*invalid packet id 0x0 at byte 8/);
    cb.reset().packet('STOP', {}).append([0, 0]);
    expect(await submit()).toMatch(/^EPERM: .*STOP at byte 0/);
  });

  it.each([
    ['of-the-driver', 8, /queue 8 is none a user may submit to/],
    ['of-a-nic-port-that-does-not-exist', 112, /NIC_9_3/],
    ['one-too-many', 113, /queue 113 is none a user may submit to/],
    ['all-ones', 0xffff_ffff, /queue 4294967295 is none a user may submit to/],
  ])('queue-%s', async (_, queue, sentence) => {
    cb.nop();
    const outcome = await refusal(device.submit({ queue, cb }));
    expect(outcome).toMatch(/^EINVAL/);
    expect(outcome).toMatch(sentence);
  });

  it('a-handle-is-no-address-for-an-internal-queue', async () => {
    expect(await refusal(device.submit({ queue: Queue.DMA_2_0, cb: cb.nop() }))).toMatch(/^EFAULT: DMA_2_0/);
  });

  it('chunk-counts', async () => {
    const [chunk] = submission(cb.nop().handle, 8).chunksExecute;
    const chunks = (count: number) => new Array(count).fill(chunk) as Req<'CS'>['chunksExecute'];
    const run = (count: number) => device.ioctl('CS', submission(cb.handle, 8, { chunksExecute: chunks(count) }));
    expect(await refusal(run(0))).toMatch(/^EINVAL: a submission needs at least one chunk/);
    expect(await refusal(run(MAX_CHUNKS + 1))).toMatch(/^EINVAL: 513 chunks; a submission has at most 512/);
    const { seq } = await run(MAX_CHUNKS);
    expect(await device.ioctl('WAIT_CS', { seq, timeoutUs: 2n ** 63n - 1n, flags: 0 })).toMatchObject({ status: 0 });
  });

  it('flags', async () => {
    const run = (flags: number) => device.ioctl('CS', submission(cb.nop().handle, 8, { flags }));
    expect(await refusal(run(0x2 | 0x4))).toMatch(/^EINVAL: flags 0x6 name more than one type/);
    // Unknown bits are ignored (uapi.md 4.1).
    expect((await run(0x8000_0000)).seq).toBeGreaterThan(0);
  });

  it('all-or-nothing', async () => {
    const second = await device.createCommandBuffer();
    cb.nop();
    second.packet('STOP', {});
    const jobs = [
      { queue: Queue.DMA_0_0, cb },
      { queue: Queue.DMA_1_0, cb: second },
    ];
    const { validation, parsing } = await drops();
    expect(await refusal(device.submit({ jobs }))).toMatch(/^EPERM: DMA_1_0: STOP/);
    expect(await refusal(device.submit({ queue: 8, cb }))).toMatch(/^EINVAL/);
    expect(await drops()).toEqual({ validation: validation + 1, parsing: parsing + 1 });
    const { devices } = await daemon().client.inspectQueues(0);
    expect(devices[0]?.queues.filter(({ pi, pid }) => pid === process.pid && pi !== 0)).toEqual([]);
  });

  async function drops() {
    const counters = await device.info.csCounters();
    return { validation: counters.ctxValidationDropCnt, parsing: counters.ctxParsingDropCnt };
  }

  it('refused-submissions-cost-a-number', async () => {
    const before = (await device.submit({ queue: Queue.DMA_0_0, cb: cb.nop() })).seq;
    cb.reset().append([0, 0]);
    await submit();
    const after = await device.submit({ queue: Queue.DMA_0_0, cb: cb.reset().nop() });
    expect(after.seq).toBe(before + 2);
    const wait = (seq: number, timeoutUs = 0n) => device.ioctl('WAIT_CS', { seq, timeoutUs, flags: 0 });
    // It reads as completed (uapi.md 4.6); what was never issued is an error.
    expect(await wait(before + 1)).toMatchObject({ status: 0 });
    expect(await refusal(wait(after.seq + 1))).toMatch(/^EINVAL: sequence \d+ was never issued; the next one is/);
    expect(await refusal(wait(2 ** 64))).toMatch(/^EINVAL/);
    // Number 0 is none, and older than all: gone.
    expect(await wait(0)).toMatchObject({ status: 0, flags: 1 });
  });

  it('largest-there-is', async () => {
    const large = await device.createCommandBuffer(MAX_CB_SIZE);
    large.append(Uint32Array.from({ length: MAX_CB_SIZE / 4 }, (_, i) => (i % 2 === 0 ? 0 : NOP)));
    const done = await device.submit({ queue: Queue.DMA_1_0, cb: large });
    await done.wait();
    await expect(device.createCommandBuffer(MAX_CB_SIZE + 1)).rejects.toMatchObject({ code: 'EINVAL' });
  });

  it('changed-after-it-was-accepted', async () => {
    const lease = await device.leaseSync({ dcore: Dcore.E_N, syncObjects: 8, monitors: 1 });
    const wait = { syncObject: lease.object(0), monitor: lease.monitor(0), value: 1, queue: Queue.DMA_0_0 };
    const blocked = await device.submit({ queue: Queue.DMA_0_0, cb: cb.waitFor(wait) });
    const behind = await device.createCommandBuffer();
    const done = await device.submit({ queue: Queue.DMA_0_0, cb: behind.nop() });
    // Garbage over what was submitted, while it waits for its turn.
    cb.reset().append(new Array(cb.size / 4).fill(0xffff_ffff));
    behind.reset().append(new Array(behind.size / 4).fill(0xffff_ffff));
    const release = await device.createCommandBuffer();
    await device.submit({ queue: Queue.DMA_0_1, cb: release.signal(lease.object(0)) });
    await Promise.all([blocked.wait(), done.wait()]);
  });
});
