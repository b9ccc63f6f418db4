/**
 * Collective waits: one wait of all NIC ports and one engine for a signal, and of the caller's queue for all of them
 * (uapi.md 4.10, device.md 7).
 *
 * Owns: which queues take part, their jobs. Must not know how the awaited signal was found.
 */
import { errno, HlError } from '@pedrera/base';
import { ENGINES, QUEUES, type QueueInfo, queueByName, queueName, SOBS_PER_GROUP } from '@pedrera/hw';
import type { Chunk } from '@pedrera/uapi';
import { MASTER_CB_BYTES, SLAVE_CB_BYTES, writeSignal, writeWait } from '../asic/gaudi/sync-stream-packets.js';
import type { Context } from './context.js';
import type { InternalBlock } from './internal-pool.js';
import { drop } from './schedule.js';
import type { DriverJob } from './signal-wait.js';
import { Job, type Submission } from './submission.js';
import { GROUP_NICS, type SignalledObject } from './sync-stream.js';

/** Engines that may reduce what the ports received. */
const REDUCERS = ['DMA_5', 'TPC_7'] as const;

/** Errors: EINVAL when the queue is no master (the caller's check is the same set of queues) or no port is enabled. */
export function checkCollective(context: Context, queue: number): void {
  if (context.device.settings.nicPortsMask === 0) {
    const detail = `a collective wait on ${queueName(queue)} while no NIC port is enabled`;
    drop(context, 'validation', errno('EINVAL', detail));
  }
}

export interface CollectiveOptions {
  readonly chunk: Chunk;
  readonly signal: SignalledObject;
  /** Takes the jobs, the master's first. */
  readonly jobs: Job[];
  readonly driverJob: (submission: Submission, queue: number, sizeBytes: number) => DriverJob;
}

interface Slave {
  readonly queue: number;
  readonly block: InternalBlock;
  /** Its object, counted from the group's first. */
  readonly object: number;
}

/**
 * Makes the jobs; the function returned writes their packets and takes the group's next value, and returns what gives
 * all of it back when the submission is over. Errors: EINVAL, EFAULT.
 */
export function collectiveJobs(submission: Submission, options: CollectiveOptions): () => () => void {
  const { context } = submission;
  const { chunk, signal, jobs, driverJob } = options;
  const { stream } = QUEUES[chunk.queueIndex] as QueueInfo;
  const reducer = REDUCERS.find((name) => ENGINES[chunk.collectiveEngineId ?? 0] === name.replace('_', ''));
  if (reducer === undefined) {
    const known = REDUCERS.join(' and ');
    throw errno('EINVAL', `engine ${chunk.collectiveEngineId ?? 0} takes no part in collective waits; ${known} do`);
  }
  const master = driverJob(submission, chunk.queueIndex, MASTER_CB_BYTES);
  jobs.push(master.job);
  const slaves: Slave[] = [];
  try {
    for (const { name, object } of participants(context.device.settings.nicPortsMask, reducer)) {
      const queue = (queueByName(`${name}_${stream}`) as QueueInfo).id;
      const block = context.internalPool.allocate(SLAVE_CB_BYTES);
      slaves.push({ queue, block, object });
      const place = { sizeBytes: SLAVE_CB_BYTES, usesDma: false, completes: false };
      jobs.push(new Job(submission, queue, block.address, place));
    }
  } catch (error) {
    freeBlocks(context, slaves);
    const why = error instanceof HlError ? (error.detail ?? error.code) : String(error);
    drop(context, 'outOfMem', errno('EFAULT', `no command buffer of the driver's own: ${why}`));
  }
  submission.sync = { release: () => freeBlocks(context, slaves) };
  return () => {
    const { syncStream } = context;
    const group = syncStream.collective(stream).take();
    for (const { queue, block, object } of slaves) {
      const wait = { firstSob: signal.object.first, select: 1, value: signal.value, queue };
      const monitor = syncStream.numbers.slaveMonitor(queue);
      const next = writeWait(block.words, block.firstWord, { ...wait, monitor });
      writeSignal(block.words, next, group.object.first + object, false);
    }
    writeMaster(context, { master, slaves, group, queue: chunk.queueIndex });
    return () => {
      group.object.put();
      freeBlocks(context, slaves);
    };
  };
}

/** One monitor for the first eight objects of the group, one for the rest. */
function writeMaster(
  context: Context,
  options: { master: DriverJob; slaves: readonly Slave[]; group: SignalledObject; queue: number },
): void {
  const { master, slaves, group, queue } = options;
  const monitors = context.syncStream.numbers.masterMonitors(queue);
  let at = master.first;
  monitors.forEach((monitor, i) => {
    const firstSob = group.object.first + i * SOBS_PER_GROUP;
    let select = 0;
    for (const { object } of slaves) {
      if (Math.floor(object / SOBS_PER_GROUP) === i) {
        select |= 1 << (object % SOBS_PER_GROUP);
      }
    }
    at = writeWait(master.words, at, { firstSob, select, value: group.value, monitor, queue });
  });
}

/** The enabled ports, then the engine; each with its object in the group. */
function* participants(nicPortsMask: number, reducer: string): Generator<{ name: string; object: number }> {
  for (let port = 0; port < GROUP_NICS; port++) {
    if (((nicPortsMask >>> port) & 1) !== 0) {
      yield { name: `NIC_${port}`, object: port };
    }
  }
  yield { name: reducer, object: GROUP_NICS };
}

function freeBlocks(context: Context, slaves: readonly Slave[]): void {
  for (const { block } of slaves) {
    context.internalPool.free(block);
  }
}
