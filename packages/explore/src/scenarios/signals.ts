/** Signals and waits between submissions, reserved ones included (uapi.md 4.9 to 4.11). */

import type { ErrnoCode } from '@pedrera/base';
import { CS_FLAGS, type Req, type Res } from '@pedrera/uapi';
import { type Client, IN_RESET } from '../client.js';
import { fence, nop, program, release } from '../packets.js';
import { type Scenario, scenario } from '../scenario.js';
import { pause, resetDevice } from './patterns.js';

const { SIGNAL, WAIT, RESERVE_SIGNALS_ONLY, UNRESERVE_SIGNALS_ONLY, ENCAP_SIGNALS, STAGED, STAGED_FIRST, STAGED_LAST } =
  CS_FLAGS;

type Chunk = Req<'CS'>['chunksExecute'][number];

/** A chunk of a submission whose command buffer the driver makes. */
function driverChunk(queueIndex: number, more: Partial<Chunk> = {}): Chunk {
  return { handle: 0n, size: 0, queueIndex, flags: 0, ...more };
}

async function cs(
  client: Client,
  flags: number,
  more: Partial<Req<'CS'>>,
  allowed: readonly ErrnoCode[] = [],
): Promise<Res<'CS'> | undefined> {
  const req = { chunksRestore: [], chunksExecute: [], seq: 0, timeoutSec: 0, flags, ...more };
  return (await client.attempt('CS', req, allowed)).res;
}

/** The number an asynchronous wait answers with when there was nothing to wait for. */
const NOTHING = 2 ** 64;

const signalWait = scenario({
  name: 'signal-wait',
  summary: 'signals of one queue awaited on two others, while each completes when it likes',
  clients: ['worker'],
  async prepare({ worker }) {
    await worker.open('hl0');
    const slow = await worker.job(program(fence(0)));
    const free = await worker.job(program(release(0, 0)), 1);
    return {
      async worker() {
        let released = false;
        await worker.submit([slow]);
        const signal = await cs(worker, SIGNAL, { chunksExecute: [driverChunk(0)] });
        const seq = signal?.seq ?? 0;
        const waitOn = async (queue: number) => {
          const wait = await cs(worker, WAIT, { chunksExecute: [driverChunk(queue, { signalSeqs: [seq] })] });
          if (wait !== undefined && wait.seq < NOTHING / 2) {
            await worker.wait(wait.seq);
            worker.expect(released, 'a wait ended, and its signal was still behind the fence');
          }
        };
        const waits = [waitOn(2), waitOn(3)];
        released = true;
        await worker.wait(await worker.submit([free]));
        await Promise.all([...waits, worker.wait(seq)]);
      },
    };
  },
});

const reserveSignal = scenario({
  name: 'reserve-signal',
  summary: 'signals are reserved and given up while others are given on the same queue',
  clients: ['worker', 'other'],
  async prepare({ worker, other }, stage) {
    await worker.open('hl0');
    await other.open('hl0');
    const twoThreads = (client: Client) => async () => {
      const reserving = async () => {
        const { handleId = 0 } = (await cs(client, RESERVE_SIGNALS_ONLY, RESERVED)) ?? {};
        // Refused once something was taken behind it.
        await cs(client, UNRESERVE_SIGNALS_ONLY, { encapsSigHandleId: handleId }, ['EINVAL']);
      };
      const signalling = async () => {
        await pause(stage, client.name, 2);
        const given = await cs(client, SIGNAL, { chunksExecute: [driverChunk(0)] });
        await client.wait(given?.seq ?? 0);
      };
      await Promise.all([reserving(), signalling(), reserving()]);
    };
    return { worker: twoThreads(worker), other: twoThreads(other) };
  },
});

const RESERVED = { encapsSignalsCount: 3, encapsSignalsQIdx: 0 };

const encapsReset = scenario({
  name: 'encaps-reset',
  summary: 'a staged submission gives reserved signals that another queue waits for, while the device is reset',
  clients: ['worker', 'operator'],
  async prepare({ worker, operator }, stage) {
    await worker.open('hl0');
    await operator.hello();
    const first = await worker.job(program(nop));
    const last = await worker.job(program(nop), 1);
    const refused = [...IN_RESET, 'EPERM', 'EFAULT', 'EINVAL'] as const;
    return {
      async worker() {
        const reserved = await cs(
          worker,
          RESERVE_SIGNALS_ONLY,
          { encapsSignalsCount: 1, encapsSignalsQIdx: 0 },
          refused,
        );
        if (reserved === undefined) {
          return;
        }
        const encapsSigHandleId = reserved.handleId ?? 0;
        const seq = await worker.trySubmit([first], refused, STAGED | STAGED_FIRST | ENCAP_SIGNALS, {
          encapsSigHandleId,
        });
        if (typeof seq !== 'number') {
          return;
        }
        const wait = await cs(
          worker,
          WAIT | ENCAP_SIGNALS,
          { chunksExecute: [driverChunk(2, { handle: BigInt(seq), size: 1 })] },
          refused,
        );
        await worker.trySubmit([last], refused, STAGED | STAGED_LAST, { seq });
        if (wait !== undefined && wait.seq < NOTHING / 2) {
          // Nobody gives the signal: it ends with the reset.
          await worker.outcome(wait.seq, IN_RESET, 3_000_000n);
        }
      },
      operator: () => resetDevice(operator, stage),
    };
  },
});

const signalClose = scenario({
  name: 'signal-close',
  summary: 'clients with signals, reservations and waits under way die, and the next ones get their objects',
  clients: ['dying', 'next'],
  async prepare({ dying, next }) {
    await dying.open('hl0');
    await next.hello();
    const slow = await dying.job(program(fence(0)));
    return {
      async dying() {
        await dying.submit([slow]);
        const signal = await cs(dying, SIGNAL, { chunksExecute: [driverChunk(0)] });
        const last = [
          cs(dying, WAIT, { chunksExecute: [driverChunk(1, { signalSeqs: [signal?.seq ?? 0] })] }),
          cs(dying, RESERVE_SIGNALS_ONLY, { encapsSignalsCount: 5, encapsSignalsQIdx: 0 }),
        ];
        dying.close();
        await Promise.all(last);
      },
      async next() {
        await next.open('hl0');
        const signal = await cs(next, SIGNAL, { chunksExecute: [driverChunk(0)] });
        const wait = await cs(next, WAIT, { chunksExecute: [driverChunk(1, { signalSeqs: [signal?.seq ?? 0] })] });
        await next.wait(signal?.seq ?? 0);
        if (wait !== undefined && wait.seq < NOTHING / 2) {
          await next.wait(wait.seq);
        }
      },
    };
  },
});

export const SIGNALS: readonly Scenario[] = [signalWait, reserveSignal, encapsReset, signalClose];
