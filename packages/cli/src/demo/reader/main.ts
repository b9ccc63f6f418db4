/**
 * The reader's process: brings memory that another process exported back to the host chunk by chunk as the chunks arrive there,
 * and hashes it on the way.
 *
 * Each read waits in the command stream for its chunk to be counted; what wakes this process is the end of the read.
 * Must not know: what the bytes should be, or who counts.
 */
import { createHash } from 'node:crypto';
import {
  type CommandBuffer,
  Dcore,
  type Device,
  type HostBuffer,
  type ImportedBuffer,
  type Monitor,
  openDevice,
  Queue,
  type Submission,
  type SyncObject,
} from '@pedrera/thunk';
import type { ReaderCalls, ReadReport } from '../calls.js';
import { chunkAt, type Plan } from '../plan.js';
import { serveRole } from '../role-server.js';
import { completionMs, nowMs, STAGING_BUFFERS, TIMEOUT_SEC } from '../staging.js';

const QUEUE_NAME = 'DMA_1_1';
const QUEUE = Queue[QUEUE_NAME];

interface Slot {
  readonly staging: HostBuffer;
  readonly packets: CommandBuffer;
}

serveRole<ReaderCalls>(async ({ socketPath, device: index, plan }) => {
  const device = await openDevice(index, { socketPath, program: 'pedrera demo: reader' });
  const lease = await device.leaseSync({ dcore: Dcore.E_N, syncObjects: 1, monitors: 1 });
  const { token } = await device.exportSync(lease, 0, 1);
  const slots = await Promise.all(
    Array.from({ length: STAGING_BUFFERS }, async () => ({
      staging: await device.allocHost(plan.chunkBytes, { populate: true }),
      packets: await device.createCommandBuffer(),
    })),
  );
  const count = lease.object(0);
  let reading: Reading | undefined;
  return {
    result: { syncToken: token },
    calls: {
      submit: async ({ sourceToken }) => {
        const source = await device.importDmaBuf(sourceToken);
        reading = new Reading({ device, plan, slots, source, count, monitor: lease.monitor(0) });
        await reading.begin();
        return { queue: QUEUE_NAME, lease: { dcore: lease.dcore, syncObject: count.index } };
      },
      finish: async () => {
        if (reading === undefined) throw new Error('nothing to read: submit first');
        return reading.finish();
      },
      close: async () => {
        await device.close();
        return null;
      },
    },
  };
});

interface Reader {
  readonly device: Device;
  readonly plan: Plan;
  readonly slots: readonly Slot[];
  readonly source: ImportedBuffer;
  readonly count: SyncObject;
  readonly monitor: Monitor;
}

/** One read is under way for each slot; while one is hashed, the others arrive. */
class Reading {
  readonly #reader: Reader;
  readonly #underWay: Submission[] = [];

  constructor(reader: Reader) {
    this.#reader = reader;
  }

  async begin(): Promise<void> {
    const { plan, slots } = this.#reader;
    for (let index = 0; index < Math.min(slots.length, plan.chunks); index++) await this.#request(index);
  }

  async finish(): Promise<ReadReport> {
    const { plan, slots } = this.#reader;
    const hash = createHash('sha256');
    const doneMs: number[] = [];
    for (let index = 0; index < plan.chunks; index++) {
      const submission = this.#underWay.shift() as Submission;
      doneMs.push(completionMs(await submission.wait()));
      hash.update(this.#slot(index).staging.bytes.subarray(0, chunkAt(plan, index).size));
      if (index + slots.length < plan.chunks) await this.#request(index + slots.length);
    }
    return { doneMs, endMs: nowMs(), sha256: hash.digest('hex') };
  }

  async #request(index: number): Promise<void> {
    const { device, plan, source, count, monitor } = this.#reader;
    const { staging, packets } = this.#slot(index);
    const { offset, size } = chunkAt(plan, index);
    packets
      .reset()
      .waitFor({ syncObject: count, monitor, value: index + 1, queue: QUEUE })
      .linDma({ from: source, fromOffset: offset, to: staging, size });
    this.#underWay.push(await device.submit({ queue: QUEUE, cb: packets, timestamp: true, timeoutSec: TIMEOUT_SEC }));
  }

  #slot(index: number): Slot {
    const { slots } = this.#reader;
    return slots[index % slots.length] as Slot;
  }
}
