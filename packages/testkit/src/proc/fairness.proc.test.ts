/**
 * What a client that floods every queue can take from another one: counted in packets the device ran, not in time.
 *
 * Every packet of the flood writes its number into a line of device memory, one word a stream. The other client's job copies
 * that line when it starts and when it ends; the flood copies it at the instant it lets the other one go. All three copies are
 * made by the device, in its own order, so the machine's load decides nothing.
 */
import { fenceRdataAddress } from '@pedrera/hw';
import { type CommandBuffer, Dcore, type Device, type HostBuffer, openDevice, type Submission } from '@pedrera/thunk';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { fileDaemon } from './support/file-daemon.js';

const daemon = fileDaemon({ beforeAll, afterEach, afterAll }, { devices: 1 });

const STREAMS = 8;
const JOBS = 8;
const PACKETS = 4000;
const MSG_LONG_BYTES = 16;
/** Packets a stream runs at most before the next one has its turn, while others wait (packages/silicon, scheduler.ts). */
const TURN = 256;
const LINE = 64;
/** The last stream begins: its first packets let the others go. */
const STARTER = STREAMS - 1;
/** The job and packet of stream 0 in the middle of which the other client is let go. */
const SIGNAL = { job: 3, packet: 1000 } as const;

const offset = (stream: number) => 4 * stream;

/** The line as the device saw it: how many packets each stream had run. */
function counts(buffer: HostBuffer, line: number): number[] {
  const { buffer: memory, byteOffset } = buffer.bytes;
  return [...new Uint32Array(memory, byteOffset + line * LINE, STREAMS)];
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

describe('a client that floods every stream', () => {
  let flooder: Device;
  let victim: Device;

  async function commandBuffer(write: (cb: CommandBuffer) => void, size = 4096): Promise<CommandBuffer> {
    const cb = await flooder.createCommandBuffer(size);
    write(cb);
    return cb;
  }

  /** How many packets of the flood ran until the other client's job of `packets` packets began, and until it was done. */
  async function measure(packets: number): Promise<{ waited: number; took: number; left: number }> {
    flooder = await openDevice(0, { socketPath: daemon().socketPath });
    victim = await openDevice(0, { socketPath: daemon().socketPath });
    const progress = await flooder.allocHbm(4096);
    const shared = await flooder.exportDmaBuf(progress);
    const lease = await victim.leaseSync({ dcore: Dcore.E_N, syncObjects: 8, monitors: 1 });
    const start = await flooder.importDmaBuf(await victim.exportSync(lease));
    const seen = await victim.importDmaBuf(shared);
    const mine = await flooder.allocHost(4096);
    const theirs = await victim.allocHost(4096);

    const waiting = await victim.createCommandBuffer(4096 + 8 * packets);
    waiting.waitFor({ syncObject: lease.object(0), monitor: lease.monitor(0), value: 1, queue: 0 });
    waiting.linDma({ from: seen, to: theirs, size: LINE });
    for (let i = 0; i < packets; i++) {
      waiting.nop();
    }
    waiting.linDma({ from: seen, to: theirs, toOffset: LINE, size: LINE });
    const job = await victim.submit({ queue: 0, cb: waiting });

    const flood: Submission[] = [];
    const gate = await commandBuffer((cb) => cb.fence({ target: 1, decrement: 1 }));
    for (let stream = 0; stream < STREAMS; stream++) {
      if (stream === STARTER) {
        const starter = await commandBuffer((cb) => {
          for (let other = 0; other < STARTER; other++) {
            cb.msgLong({ address: fenceRdataAddress(other, 0), value: 1 });
          }
        });
        flood.push(await flooder.submit({ queue: stream, cb: starter }));
      } else {
        flood.push(await flooder.submit({ queue: stream, cb: gate }));
      }
      const cb = await flooder.createCommandBuffer(PACKETS * MSG_LONG_BYTES + 4096);
      for (let number = 0; number < JOBS; number++) {
        cb.reset();
        for (let packet = 0; packet < PACKETS; packet++) {
          cb.msgLong({ address: progress, offset: offset(stream), value: number * PACKETS + packet + 1 });
          if (stream === 0 && number === SIGNAL.job && packet === SIGNAL.packet) {
            cb.linDma({ from: progress, to: mine, size: LINE });
            cb.msgLong({ address: start, value: 0x8000_0001 });
          }
        }
        flood.push(await flooder.submit({ queue: stream, cb }));
      }
    }
    await job.wait();
    await Promise.all(flood.map((submission) => submission.wait()));
    const atSignal = sum(counts(mine, 0));
    const atStart = sum(counts(theirs, 0));
    const atEnd = sum(counts(theirs, 1));
    await flooder.close();
    await victim.close();
    return { waited: atStart - atSignal, took: atEnd - atStart, left: STREAMS * JOBS * PACKETS - atEnd };
  }

  it('lets-others-begin-after-a-turn', async () => {
    const { waited, left } = await measure(1);
    // The flood was at work all the while, or there was nothing to be fair about.
    expect(left).toBeGreaterThan(STREAMS * TURN);
    expect(waited).toBeGreaterThan(0);
    // The rest of the turn that let it go, and one more: contexts take turns, however many streams they have.
    expect(waited).toBeLessThanOrEqual(2 * TURN);
  });

  it('runs-no-more-than-others-do', async () => {
    const packets = 4 * TURN;
    const { took, left } = await measure(packets);
    expect(left).toBeGreaterThan(STREAMS * TURN);
    expect(took).toBeGreaterThan(0);
    // A turn for each of its own, and a few for fetching, waiting and the two copies.
    expect(took).toBeLessThanOrEqual(packets + 4 * TURN);
  });
});
