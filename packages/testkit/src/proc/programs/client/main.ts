/**
 * A client process whose every step is called by a test: opens devices, moves bytes, exports, imports, blocks, signals.
 *
 * Owns: what this process holds of the devices it opened. Must not know which test calls it, or why.
 */
import {
  type CommandBuffer,
  Dcore,
  type Device,
  HlError,
  type ImportedBuffer,
  openDevice,
  Queue,
  type SharedBuffer,
  Submission,
  SubmitBatchError,
  type SyncLease,
} from '@pedrera/thunk';
import { entryOf, MAX_FRAME_BYTES } from '@pedrera/uapi';
import { SideChannel } from '@pedrera/wire';
import { serveSteps } from '../../support/steps.js';
import { checkBytes, type Lanes, Mirror } from '../mirror.js';

/** One open file, and what the steps made of it. */
interface OpenFile {
  readonly device: Device;
  readonly mirrors: Mirror[];
  readonly exports: SharedBuffer[];
  readonly imports: Map<string, ImportedBuffer>;
  readonly blocked: Submission[];
  lease: SyncLease | undefined;
}

/** Sync objects and monitors that a file leases when it first needs some. */
const LEASED = { syncObjects: 16, monitors: 8 } as const;
const BATCH = 1024;
const RING_ENTRIES = 4096;

const files: OpenFile[] = [];

function fileOf(index: number): OpenFile {
  const file = files[index];
  if (file === undefined) {
    throw new Error(`file ${index} was not opened`);
  }
  return file;
}

async function leaseOf(file: OpenFile): Promise<SyncLease> {
  file.lease ??= await file.device.leaseSync({ dcore: Dcore.E_N, ...LEASED });
  return file.lease;
}

async function importOnce(file: OpenFile, token: string): Promise<ImportedBuffer> {
  const imported = file.imports.get(token) ?? (await file.device.importDmaBuf(token));
  file.imports.set(token, imported);
  return imported;
}

/** Of each of a batch, whether all were taken or not. */
async function outcomesOf(batch: Promise<Submission[]>): Promise<readonly (Submission | HlError)[]> {
  try {
    return await batch;
  } catch (error) {
    if (error instanceof SubmitBatchError) {
      return error.outcomes;
    }
    throw error;
  }
}

async function run(device: Device, queue: number, write: (cb: CommandBuffer) => void): Promise<Submission> {
  const cb = await device.createCommandBuffer();
  write(cb);
  const submission = await device.submit({ queue, cb });
  await cb.destroy();
  return submission;
}

const steps = {
  /** `file`: the number that names it in the other steps. */
  async open({ device }: { device: number }) {
    const opened = await openDevice(device, { program: 'client' });
    files.push({ device: opened, mirrors: [], exports: [], imports: new Map(), blocked: [], lease: undefined });
    return { file: files.length - 1, asid: opened.asid };
  },

  async close({ file }: { file: number }) {
    await fileOf(file).device.close();
  },

  async roundTrips(args: { file: number; size: number; seed: number; times: number; lanes?: Lanes }) {
    const { file, size, seed, times, lanes } = args;
    const mirror = await Mirror.make(fileOf(file).device, size, lanes);
    for (let i = 0; i < times; i++) {
      await mirror.roundTrip(seed + i);
    }
    await mirror.free();
    return { bytes: size * times };
  },

  /** Device memory with the bytes of `seed`, exported. */
  async exportMemory({ file: index, size, seed }: { file: number; size: number; seed: number }) {
    const file = fileOf(index);
    const mirror = await Mirror.make(file.device, size);
    await mirror.fill(seed);
    const shared = await file.device.exportDmaBuf(mirror.memory);
    file.mirrors.push(mirror);
    file.exports.push(shared);
    return { token: shared.token };
  },

  async closeExports({ file }: { file: number }) {
    await Promise.all(
      fileOf(file)
        .exports.splice(0)
        .map((shared) => shared.close()),
    );
  },

  /** Throws unless what was exported last now has the bytes of `seed`. */
  async checkExported({ file, seed }: { file: number; seed: number }) {
    await fileOf(file).mirrors.at(-1)?.check(seed);
  },

  /** Imports, unless it has, and reads: peer memory to HBM to host. */
  async readImport({ file: index, token, seed }: { file: number; token: string; seed: number }) {
    const file = fileOf(index);
    const from = await importOnce(file, token);
    const { size, kind, exporterDevice } = from;
    await using host = await file.device.allocHost(size);
    await using staging = await file.device.allocHbm(size);
    const copy = await run(file.device, Queue.DMA_0_0, (cb) =>
      cb
        .linDma({ from, to: staging, size })
        .linDma({ from: staging, to: host, size, barriers: { eb: true, rb: true } }),
    );
    await copy.wait();
    checkBytes(host.bytes, seed);
    return { size, kind, exporterDevice };
  },

  /** Imports, unless it has, and overwrites with the bytes of `seed`: host to HBM to peer memory. */
  async writeImport({ file: index, token, seed }: { file: number; token: string; seed: number }) {
    const file = fileOf(index);
    const to = await importOnce(file, token);
    const mirror = await Mirror.make(file.device, to.size);
    await mirror.fillThen(seed, (cb) =>
      cb.linDma({ from: mirror.memory, to, size: to.size, barriers: { eb: true, rb: true } }),
    );
    await mirror.free();
  },

  /** Submits a stream that waits until one of this file's sync objects reaches `value`; exports all of them. */
  async blockStream(args: { file: number; queue: number; object: number; value: number }) {
    const file = fileOf(args.file);
    const { device } = file;
    const lease = await leaseOf(file);
    const syncObject = lease.object(args.object);
    const monitor = lease.monitor(args.object);
    const submission = await run(device, args.queue, (cb) =>
      cb.waitFor({ syncObject, monitor, value: args.value, queue: args.queue }),
    );
    file.blocked.push(submission);
    const shared = file.exports.find(({ kind }) => kind === 'sync-objects') ?? (await device.exportSync(lease));
    if (!file.exports.includes(shared)) {
      file.exports.push(shared);
    }
    return { token: shared.token, sob: syncObject.index, monitor: monitor.index, seq: submission.seq };
  },

  /** The token of this file's sync objects. */
  async exportSyncObjects({ file: index }: { file: number }) {
    const file = fileOf(index);
    const shared = await file.device.exportSync(await leaseOf(file));
    file.exports.push(shared);
    return { token: shared.token };
  },

  /** Submits a stream that waits until one of this file's sync objects reaches 1, and only then raises one of another's. */
  async passOn(args: { file: number; queue: number; object: number; token: string; target: number }) {
    const file = fileOf(args.file);
    const lease = await leaseOf(file);
    const imported = await importOnce(file, args.token);
    const syncObject = lease.object(args.object);
    const monitor = lease.monitor(args.object);
    const submission = await run(file.device, args.queue, (cb) =>
      cb.waitFor({ syncObject, monitor, value: 1, queue: args.queue }).signal(imported.object(args.target)),
    );
    file.blocked.push(submission);
    return { sob: syncObject.index, seq: submission.seq };
  },

  /** Resolves when every stream that blockStream submitted is through. */
  async released({ file }: { file: number }) {
    await Promise.all(
      fileOf(file)
        .blocked.splice(0)
        .map((submission) => submission.wait()),
    );
  },

  /** Whether the last blocked stream is through. */
  async isReleased({ file }: { file: number }) {
    return { done: (await fileOf(file).blocked.at(-1)?.poll()) ?? true };
  },

  /** Adds to an imported sync object, from inside a command stream. */
  async signal(args: { file: number; queue: number; token: string; object: number; add: number }) {
    const file = fileOf(args.file);
    const imported = await importOnce(file, args.token);
    const done = await run(file.device, args.queue, (cb) => cb.signal(imported.object(args.object), args.add));
    await done.wait();
    return { exporterDevice: imported.exporterDevice };
  },

  /** Adds to a sync object of its own, from another stream than the blocked one. */
  async signalOwn(args: { file: number; queue: number; object: number; add: number }) {
    const file = fileOf(args.file);
    const lease = await leaseOf(file);
    const done = await run(file.device, args.queue, (cb) => cb.signal(lease.object(args.object), args.add));
    await done.wait();
  },

  /**
   * The relay's part: before any data is there, queues "wait for a signal, copy the import to HBM, tell the loader", and
   * does not wait. What the loader needs to know is what the step returns.
   */
  async submitRelay(args: { file: number; queue: number; memoryToken: string; doneToken: string; size: number }) {
    const file = fileOf(args.file);
    const { device } = file;
    const lease = await leaseOf(file);
    const from = await importOnce(file, args.memoryToken);
    const done = await importOnce(file, args.doneToken);
    const mirror = await Mirror.make(device, args.size, { up: Queue.DMA_0_2, down: Queue.DMA_1_2 });
    file.mirrors.push(mirror);
    const submission = await run(device, args.queue, (cb) =>
      cb
        .waitFor({ syncObject: lease.object(0), monitor: lease.monitor(0), value: 1, queue: args.queue })
        .linDma({ from, to: mirror.memory, size: args.size })
        .signal(done.object(0)),
    );
    file.blocked.push(submission);
    const shared = await device.exportSync(lease);
    file.exports.push(shared);
    return { token: shared.token };
  },

  /** The loader's part: upload, then signal the relay, all in one command buffer. */
  async uploadAndSignal(args: { file: number; queue: number; seed: number; token: string }) {
    const file = fileOf(args.file);
    const mirror = file.mirrors.at(-1);
    if (mirror === undefined) {
      throw new Error('nothing was exported');
    }
    const ready = await importOnce(file, args.token);
    await mirror.fillThen(args.seed, (cb) => cb.signal(ready.object(0)));
  },

  /**
   * Fills the ring of a queue, which has to be blocked, until it is refused or `leave` entries are free. Returns how many
   * submissions it took, and the refusal.
   */
  async fillRing({ file: index, queue, leave = 0 }: { file: number; queue: number; leave?: number }) {
    const file = fileOf(index);
    await using cb = await file.device.createCommandBuffer();
    cb.nop();
    const outcomes = await outcomesOf(
      file.device.submitBatch(
        Array.from({ length: RING_ENTRIES - (leave === 0 ? 0 : leave + 1) }, () => ({ queue, cb })),
      ),
    );
    const taken = outcomes.filter((outcome) => outcome instanceof Submission);
    file.blocked.push(...taken.slice(-1));
    const refused = outcomes.find((outcome) => outcome instanceof HlError);
    return { accepted: taken.length, code: refused?.code, detail: refused?.detail };
  },

  /** Two jobs on a queue at once. */
  async submitPair({ file: index, queue }: { file: number; queue: number }) {
    const { device, blocked } = fileOf(index);
    const cb = await device.createCommandBuffer();
    cb.nop();
    blocked.push(
      await device.submit({
        jobs: [
          { queue, cb },
          { queue, cb },
        ],
      }),
    );
  },

  /** Submits empty work as fast as it can, always `BATCH` in flight, until `flood` was called with stop. */
  async flood({ file: index, queue, stop }: { file: number; queue: number; stop?: boolean }) {
    flooding = stop !== true;
    if (stop === true) {
      return { submitted: flooded };
    }
    const { device } = fileOf(index);
    const cb = await device.createCommandBuffer();
    cb.nop();
    while (flooding) {
      const submissions = await device.submitBatch(Array.from({ length: BATCH }, () => ({ queue, cb })));
      flooded += submissions.length;
      await submissions.at(-1)?.wait();
    }
    await cb.destroy();
    return { submitted: flooded };
  },

  /** A wait that only the daemon can end. */
  async waitForEver({ file: index, queue }: { file: number; queue: number }) {
    const { device } = fileOf(index);
    const forever = await run(device, queue, (cb) => cb.fence({ target: 1 }));
    await forever.wait();
  },

  /** Tries to become the side channel of somebody's file. */
  async attachSideChannel({ socketPath, token }: { socketPath: string; token: number[] }) {
    const side = SideChannel.connect(socketPath);
    const request = [1, entryOf('SIDE_CHANNEL').code, [Uint8Array.from(token)]];
    const [, errno, sentence] = await side.exchange(request, MAX_FRAME_BYTES);
    side.close();
    return { errno, sentence };
  },

  async poke({ file }: { file: number }) {
    return fileOf(file).device.info.deviceStatus();
  },
};

let flooding = false;
let flooded = 0;

export type ClientSteps = typeof steps;

serveSteps(steps);
