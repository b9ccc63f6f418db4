/** Submissions and waits, and everything that may happen to them on the way. */
import { CS_FLAGS, type Req, WAIT_FLAGS } from '@pedrera/uapi';
import { type Client, FOREVER_US, IN_RESET } from '../client.js';
import { copy, fence, fill, nop, program, release } from '../packets.js';
import { type Scenario, scenario } from '../scenario.js';
import { BYTES, DEVICE_BYTES, DMA_UP, lens, pause, resetDevice, UNTOUCHED } from './patterns.js';

/** Only those that are asked for; without a default there is none at all (uapi.md 4.7). */
const TIME_OUTS = { defaultTimeoutNs: 3600e9 };
const MINE = 0x3131_3131;

const waitSignal = scenario({
  name: 'wait-signal',
  summary: 'several waits for one submission, some with a time-out, while another queue lets it go on',
  clients: ['worker'],
  async prepare({ worker }) {
    await worker.open('hl0');
    const stuck = await worker.job(program(fence(0), nop));
    const free = await worker.job(program(release(0, 0)), 1);
    return {
      async worker() {
        const seq = await worker.submit([stuck]);
        const waits = [worker.wait(seq), worker.wait(seq), worker.outcome(seq, [], 5n), worker.outcome(seq, [], 0n)];
        const freed = await worker.submit([free]);
        await Promise.all([...waits, worker.wait(freed)]);
        worker.expect((await worker.outcome(seq, [], 0n)) === '', 'finished is finished');
      },
    };
  },
});

const waitClose = scenario({
  name: 'wait-close',
  summary: 'a client dies in the middle of waits of both kinds; another one works on',
  clients: ['dying', 'other'],
  async prepare({ dying, other }) {
    await dying.open('hl0');
    await other.open('hl0');
    const stuck = await dying.job(program(fence(0)));
    const memory = await other.deviceMemory(DEVICE_BYTES);
    const work = await other.job(program(fill(memory.address, BYTES, MINE)));
    const look = await lens(other);
    return {
      async dying() {
        const seq = await dying.submit([stuck]);
        const waits = [
          dying.attempt('WAIT_CS', { seq, timeoutUs: FOREVER_US, flags: 0 }, []),
          multiWait(dying, [seq], []),
        ];
        dying.close();
        await Promise.all(waits);
      },
      async other() {
        await other.wait(await other.submit([work]));
        await look(memory.address, [MINE]);
      },
    };
  },
});

const submitTimeout = scenario({
  name: 'submit-timeout',
  summary: 'a submission with a time-out is let go on at about the moment it strikes; a neighbour must not notice',
  settings: TIME_OUTS,
  clients: ['late', 'neighbour'],
  async prepare({ late, neighbour }) {
    await late.open('hl0');
    await neighbour.open('hl0');
    const stuck = await late.job(program(fence(0)));
    const free = await late.job(program(release(0, 0)), 1);
    const calm = await neighbour.job(program(nop));
    return {
      async late() {
        const seq = await late.submit([stuck], CS_FLAGS.CUSTOM_TIMEOUT, { timeoutSec: 1 });
        const freed = await late.trySubmit([free], ['EIO']);
        const outcome = await late.outcome(seq, ['ETIMEDOUT']);
        late.expect(outcome !== 'BUSY', 'a wait for ever ended without an outcome');
        if (typeof freed === 'number') {
          const other = await late.outcome(freed, ['EIO']);
          late.expect(outcome === '' || other !== 'BUSY', 'the work of a lost context has an outcome');
        }
      },
      async neighbour() {
        await neighbour.wait(await neighbour.submit([calm], CS_FLAGS.CUSTOM_TIMEOUT, { timeoutSec: 3600 }));
      },
    };
  },
});

const hangReset = scenario({
  name: 'hang-reset',
  summary: 'an engine hangs, the time-out takes the device with it, and a neighbour waits and submits meanwhile',
  settings: TIME_OUTS,
  clients: ['victim', 'neighbour', 'operator'],
  async prepare({ victim, neighbour, operator }, stage) {
    await victim.open('hl0');
    await neighbour.open('hl0');
    await operator.hello();
    const work = await victim.job(program(nop));
    const stuck = await neighbour.job(program(fence(0)), 1);
    return {
      async victim() {
        const seq = await victim.trySubmit([work], [...IN_RESET, 'EPERM'], CS_FLAGS.CUSTOM_TIMEOUT, { timeoutSec: 1 });
        if (typeof seq === 'number') {
          await victim.outcome(seq, [...IN_RESET, 'ETIMEDOUT']);
        }
      },
      async neighbour() {
        const seq = await neighbour.trySubmit([stuck], [...IN_RESET, 'EPERM']);
        if (typeof seq === 'number') {
          // Only a reset ends it; without one it is left.
          await neighbour.outcome(seq, IN_RESET, 3_000_000n);
        }
      },
      async operator() {
        await pause(stage, 'operator', 6);
        await operator.call('INJECT', { device: 0, kind: 'hang', target: 'DMA0', value: 0 });
      },
    };
  },
});

const destroySubmit = scenario({
  name: 'destroy-submit',
  summary: 'command buffers are destroyed, and their handles used again, while submissions name them',
  clients: ['worker'],
  async prepare({ worker }) {
    await worker.open('hl0');
    const memory = await worker.deviceMemory(DEVICE_BYTES);
    const first = await worker.job(program(fill(memory.address, BYTES, MINE)));
    const look = await lens(worker);
    return {
      async worker() {
        const submitted = worker.submit([first]);
        const destroyed = worker.call('CB_DESTROY', { handle: first.handle as Req<'CB_DESTROY'>['handle'] });
        // The handle is free again, and its memory; what was submitted runs a copy.
        const again = worker.job(program(nop));
        await destroyed;
        await worker.wait(await worker.submit([await again]));
        await worker.wait(await submitted);
        await look(memory.address, [MINE]);
      },
    };
  },
});

const unmapDma = scenario({
  name: 'unmap-dma',
  summary: 'host and device memory is unmapped and freed under a running copy, and handed to somebody else at once',
  turn: { packets: 1, bytes: 2048 },
  clients: ['careless', 'next'],
  async prepare({ careless, next }) {
    await careless.open('hl0');
    await next.open('hl0');
    const memory = await careless.deviceMemory(DEVICE_BYTES);
    const buffer = await careless.hostBuffer(2 * BYTES, MINE);
    const job = await careless.job(program(copy(buffer.address, memory.address, 2 * BYTES)));
    const look = await lens(next);
    return {
      async careless() {
        const seq = await careless.submit([job]);
        const over = [
          careless.call('MEMORY_UNMAP', { deviceVirtAddr: buffer.address }),
          careless.call('MUNMAP', { offset: buffer.handle }),
          careless.call('HOST_FREE', { handle: buffer.handle }),
          careless.call('MEMORY_UNMAP', { deviceVirtAddr: memory.address }),
          // Not before the unmapping is done.
          careless.attempt('MEMORY_FREE', { handle: memory.handle }, ['EINVAL']),
        ];
        const fresh = await careless.hostBuffer(2 * BYTES);
        // The copy may fault, but never write what is not its own any more.
        await careless.outcome(seq, ['EIO']);
        await Promise.all(over);
        careless.expectWords(fresh.words, [0], 'a new buffer');
      },
      async next() {
        const mine = await next.deviceMemory(DEVICE_BYTES);
        await look(mine.address, [0]);
        await look(mine.address, [0]);
      },
    };
  },
});

const stagedReset = scenario({
  name: 'staged-reset',
  summary: 'the parts of a staged submission come in while the device is reset',
  clients: ['worker', 'operator'],
  async prepare({ worker, operator }, stage) {
    await worker.open('hl0');
    await operator.hello();
    const parts = [
      await worker.job(program(nop)),
      await worker.job(program(nop), 1),
      await worker.job(program(nop), DMA_UP),
    ];
    const { STAGED, STAGED_FIRST, STAGED_LAST } = CS_FLAGS;
    const refused = [...IN_RESET, 'EPERM', 'EINVAL'] as const;
    return {
      async worker() {
        const [first, middle, last] = parts;
        if (first === undefined || middle === undefined || last === undefined) {
          return;
        }
        const seq = await worker.trySubmit([first], refused, STAGED | STAGED_FIRST);
        if (typeof seq !== 'number') {
          return;
        }
        const wait = worker.outcome(seq, IN_RESET);
        const second = await worker.trySubmit([middle], refused, STAGED, { seq });
        const third = await worker.trySubmit([last], refused, STAGED | STAGED_LAST, { seq });
        const outcome = await wait;
        if (typeof second !== 'number' || typeof third !== 'number') {
          worker.expect(outcome !== '', 'a group without its last part completed');
        }
      },
      operator: () => resetDevice(operator, stage),
    };
  },
});

const multiWaitReset = scenario({
  name: 'multi-wait-reset',
  summary: 'waits for the first of several submissions, one after the other completing, while the device is reset',
  clients: ['worker', 'operator'],
  async prepare({ worker, operator }, stage) {
    await worker.open('hl0');
    await operator.hello();
    const stuck = await worker.job(program(fence(0)));
    const quick = await worker.job(program(nop), 1);
    const refused = [...IN_RESET, 'EPERM'] as const;
    return {
      async worker() {
        const a = await worker.trySubmit([stuck], refused);
        const b = await worker.trySubmit([quick], refused);
        if (typeof a !== 'number' || typeof b !== 'number') {
          return;
        }
        const both = multiWait(worker, [a, b], IN_RESET);
        const one = multiWait(worker, [a], IN_RESET);
        await both;
        // Only the reset ends it.
        await one;
      },
      operator: () => resetDevice(operator, stage),
    };
  },
});

const revokeWait = scenario({
  name: 'revoke-wait',
  summary: 'a reset revokes a file in the middle of its waits; the client unmaps, closes and opens again',
  clients: ['worker', 'operator'],
  async prepare({ worker, operator }, stage) {
    await worker.open('hl0');
    await operator.hello();
    const stuck = await worker.job(program(fence(0)));
    const buffer = await worker.hostBuffer(BYTES, UNTOUCHED);
    return {
      async worker() {
        const seq = await worker.trySubmit([stuck], [...IN_RESET, 'EPERM']);
        if (typeof seq !== 'number') {
          return;
        }
        const waits = [
          worker.outcome(seq, IN_RESET),
          worker.outcome(seq, IN_RESET),
          worker.outcome(seq, IN_RESET, 100n),
        ];
        await worker.attempt('MUNMAP', { offset: buffer.handle }, IN_RESET);
        await Promise.all(waits);
      },
      operator: () => resetDevice(operator, stage),
    };
  },
});

const reopenExclusive = scenario({
  name: 'reopen-exclusive',
  summary: 'a device with one context is closed with work under way and opened by the next one, twice',
  policy: 'exclusive',
  clients: ['first', 'second', 'third'],
  async prepare({ first, second, third }, stage) {
    await first.open('hl0');
    await second.hello();
    await third.hello();
    const stuck = await first.job(program(fence(0)));
    const free = await first.job(program(release(0, 0)), 1);
    const opener = (client: Client) => async () => {
      for (let tries = 0; tries < 6; tries++) {
        const { errno } = await client.tryOpen('hl0', ['EBUSY', 'EAGAIN', 'ENOMEM']);
        if (errno === '') {
          await client.wait(await client.submit([await client.job(program(nop))]));
          return;
        }
        await pause(stage, client.name, 4);
      }
    };
    return {
      async first() {
        await first.submit([stuck]);
        await first.submit([free]);
        first.close();
      },
      second: opener(second),
      third: opener(third),
    };
  },
});

const openReset = scenario({
  name: 'open-reset',
  summary: 'files are opened and closed while the device is reset; each context is used at once',
  clients: ['first', 'second', 'operator'],
  async prepare({ first, second, operator }, stage) {
    for (const client of [first, second, operator]) {
      await client.hello();
    }
    const opener = (client: Client) => async () => {
      const { errno } = await client.tryOpen('hl0', ['EAGAIN']);
      if (errno === '') {
        await client.attempt('CB_CREATE', { size: 4096, flags: 0 }, IN_RESET);
        // The driver makes its command buffer.
        const job = { handle: 0n, size: 0, queue: 0 };
        const seq = await client.trySubmit([job], [...IN_RESET, 'EPERM', 'EFAULT'], CS_FLAGS.SIGNAL);
        if (typeof seq === 'number') {
          await client.outcome(seq, IN_RESET);
        }
      }
    };
    return { first: opener(first), second: opener(second), operator: () => resetDevice(operator, stage) };
  },
});

async function multiWait(client: Client, sequences: readonly number[], allowed: Parameters<Client['attempt']>[2]) {
  return client.attempt(
    'WAIT_CS',
    { seq: 0, timeoutUs: FOREVER_US, flags: WAIT_FLAGS.MULTI_CS, sequences: [...sequences] },
    allowed,
  );
}

export const WORK: readonly Scenario[] = [
  waitSignal,
  waitClose,
  submitTimeout,
  hangReset,
  destroySubmit,
  unmapDma,
  stagedReset,
  multiWaitReset,
  revokeWait,
  reopenExclusive,
  openReset,
];
