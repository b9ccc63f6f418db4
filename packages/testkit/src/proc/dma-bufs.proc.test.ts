/** Buffers and fences between real processes that die: lifetimes, descriptors, and books that agree at every moment. */
import { closeSync } from 'node:fs';
import { Prng } from '@pedrera/base';
import type { BufferState, BuffersSnapshot } from '@pedrera/uapi';
import { SideChannel } from '@pedrera/wire';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { SharerSteps } from './programs/sharer/main.js';
import { ClientProcess } from './support/client-process.js';
import { effort, patience } from './support/effort.js';
import { fileDaemon } from './support/file-daemon.js';
import { refusal } from './support/refusal.js';
import { untilNothing } from './support/until.js';

const daemon = fileDaemon({ beforeAll, afterEach, afterAll }, { devices: 2 });

type Sharer = ClientProcess<SharerSteps>;

const SIZE = 2 * 2 ** 20;
const started: Sharer[] = [];
let sockets = 0;

async function sharerOn(index: number): Promise<Sharer> {
  const process: Sharer = new ClientProcess('sharer', { socketPath: daemon().socketPath });
  started.push(process);
  await process.call('open', { index });
  return process;
}

function sharersOn(...devices: number[]): Promise<Sharer[]> {
  return Promise.all(devices.map(sharerOn));
}

// Registered after the daemon's hook, so that it runs first: a test's processes go before the leak check.
afterEach(async () => {
  await Promise.all(started.splice(0).map((process) => process[Symbol.asyncDispose]()));
});

function socketFile(): string {
  return daemon().directory.file(`descriptors-${sockets++}.sock`);
}

async function onlyBuffer(): Promise<BufferState> {
  const { buffers } = await daemon().client.inspectBuffers();
  expect(buffers).toHaveLength(1);
  return buffers[0] as BufferState;
}

/** Asks until a buffer, or no buffer at all, is as it should be. */
function until(what: string, holds: (buffer: BufferState | undefined) => boolean): Promise<void> {
  return untilNothing(async () => {
    const { buffers } = await daemon().client.inspectBuffers();
    return buffers.length <= 1 && holds(buffers[0]) ? '' : `never came: ${what}: ${JSON.stringify(buffers)}`;
  });
}

/** A buffer of one process that is open in others too. */
async function shared(exporter: Sharer, ...others: Sharer[]): Promise<string> {
  const { token } = await exporter.call('export', { size: SIZE });
  for (const process of [exporter, ...others]) {
    await process.call('openToken', { token });
  }
  return token;
}

describe('a descriptor of the operating system', () => {
  it('travels-to-another-process-and-outlives-its-maker', async () => {
    const [exporter, importer] = (await sharersOn(0, 1)) as [Sharer, Sharer];
    await shared(exporter);
    const path = socketFile();
    await exporter.call('serveDescriptor', { path });
    expect(await importer.call('takeDescriptor', { path })).toMatchObject({ size: SIZE });
    await exporter.kill();
    await until('only the importer holds it', (buffer) => {
      return (
        buffer?.exporter.alive === false &&
        buffer.references.every(({ pid, holder }) => {
          return pid === importer.pid || holder === 'handed-out';
        })
      );
    });
    expect(await onlyBuffer()).toMatchObject({ importers: [{ pid: importer.pid, device: 1 }], attachmentCount: 1 });
    await importer.kill();
    await until('nobody holds it', (buffer) => buffer === undefined);
  });

  it('holds-the-memory-while-nobody-has-opened-it', async () => {
    const [exporter] = (await sharersOn(0)) as [Sharer];
    await shared(exporter);
    const path = socketFile();
    await exporter.call('serveDescriptor', { path });
    const side = SideChannel.connect(path);
    const { fd } = side.receiveDescriptor(10_000);
    side.close();
    await exporter.kill();
    await until('the descriptor alone holds it', (buffer) => {
      return buffer?.refs === 1 && buffer.references[0]?.holder === 'handed-out';
    });
    const late = await sharerOn(1);
    expect(await refusal(late.call('openToken', { token: 'f'.repeat(64) }))).toMatch(/^ENOENT/);
    closeSync(fd);
    await until('it is gone', (buffer) => buffer === undefined);
  });
});

describe('kill -9', () => {
  it('of-the-exporter-leaves-the-memory-to-who-imported-it', async () => {
    const [exporter, importer] = (await sharersOn(0, 1)) as [Sharer, Sharer];
    const token = await shared(exporter, importer);
    await importer.call('attachAndMap', {});
    await exporter.kill();
    await until('the exporter is gone', (buffer) => buffer?.exporter.alive === false);
    expect(await refusal(importer.call('openToken', { token }))).toMatch(/^ENOENT/);
    const { devices } = (await daemon().client.inspectBuffers()).totals;
    expect(devices[0]).toMatchObject({ usedBytes: SIZE, exportedBytes: SIZE, buffers: 1 });
    await importer.call('workAndWait', { access: 'write' });
  });

  it('of-an-importer-leaves-nothing-of-it', async () => {
    const [exporter, importer] = (await sharersOn(0, 1)) as [Sharer, Sharer];
    await shared(exporter, importer);
    await importer.call('attachAndMap', {});
    await importer.call('stuckWork', { access: 'read' });
    expect((await onlyBuffer()).references.map(({ pid }) => pid)).toContain(importer.pid);
    await importer.kill();
    await until('only the exporter holds it', (buffer) => {
      return buffer?.references.every(({ pid }) => pid === exporter.pid) === true && buffer.importerCount === 0;
    });
    // Its work ended with an error, so nobody waits for it.
    expect((await onlyBuffer()).fences).toMatchObject([{ usage: 'read', state: 'failed', error: 'EIO' }]);
    await exporter.call('workAndWait', { access: 'write' });
  });

  it('of-the-producer-is-heard-of-by-everybody-who-waits', async () => {
    const [producer, reader, poller] = (await sharersOn(0, 1, 0)) as [Sharer, Sharer, Sharer];
    await shared(producer, reader, poller);
    const { token } = await producer.call('stuckWork', { access: 'write' });
    // Behind the producer by the buffer, by the sync file, by poll.
    const work = reader.call('workAndWait', { access: 'read' });
    const file = refusal(poller.call('waitSyncFile', { token }));
    await untilNothing(async () => {
      const { buffers, totals } = await daemon().client.inspectBuffers();
      return totals.pendingFences === 2 ? '' : `not both wait: ${JSON.stringify(buffers)}`;
    });
    expect(await poller.call('idle', { timeoutMs: 0 })).toEqual({ idle: false });
    const idle = poller.call('idle', {});
    await producer.kill();
    expect(await file).toMatch(/^EIO/);
    await work;
    expect(await idle).toEqual({ idle: true });
  });

  it('of-who-waits-disturbs-nobody', async () => {
    const [producer, waiting, last] = (await sharersOn(0, 1, 1)) as [Sharer, Sharer, Sharer];
    await shared(producer, waiting, last);
    await producer.call('stuckWork', { access: 'write' });
    await waiting.call('submitWork', { access: 'write' });
    await last.call('submitWork', { access: 'write' });
    await waiting.kill();
    await until('its fence failed', (buffer) => buffer?.fences.some(({ state }) => state === 'failed') === true);
    // The last one waits on: for the producer, through the work that was never done.
    expect((await onlyBuffer()).fences.filter(({ state }) => state === 'pending').length).toBeGreaterThan(0);
    await producer.kill();
    expect(await last.call('idle', {})).toEqual({ idle: true });
  });
});

describe('the books', () => {
  const PROCESSES = 8;
  const OPERATIONS = effort(1000);

  it(
    'agree-after-each-of-a-thousand-operations-by-eight-processes-that-die',
    async () => {
      const prng = new Prng(OPERATIONS.seed);
      const sharers = await sharersOn(...Array.from({ length: PROCESSES }, (_, i) => i % 2));
      const tokens: string[] = [];
      const codes = new Map<string, number>();
      for (let operation = 0; operation < OPERATIONS.numRuns; operation++) {
        const at = prng.below(PROCESSES);
        if (prng.below(40) === 0) {
          const dead = sharers[at] as Sharer;
          // Not waited for: the books must agree while it is still being buried.
          const killed = dead.kill();
          sharers[at] = await sharerOn(at % 2);
          checkBooks(await daemon().client.inspectBuffers());
          await killed;
        }
        const seed = prng.below(2 ** 31);
        const { token, code } = await (sharers[at] as Sharer).call('random', { seed, tokens: tokens.slice(-24) });
        if (token !== '') {
          tokens.push(token);
        }
        codes.set(code, (codes.get(code) ?? 0) + 1);
        checkBooks(await daemon().client.inspectBuffers());
      }
      // Most of it worked, and what failed failed as it may.
      expect(codes.get('') ?? 0).toBeGreaterThan(OPERATIONS.numRuns / 2);
      expect([...codes.keys()].filter((code) => !['', 'ENOENT', 'EINVAL', 'EBUSY', 'ENOMEM'].includes(code))).toEqual(
        [],
      );
      for (const sharer of sharers) {
        await sharer.kill();
      }
      await until('all is gone', (buffer) => buffer === undefined);
      for (const { usedBytes } of (await daemon().client.inspectBuffers()).totals.devices) {
        expect(usedBytes).toBe(0);
      }
    },
    patience(180_000),
  );
});

function checkBooks({ buffers, totals }: BuffersSnapshot): void {
  const sum = (numbers: readonly number[]) => numbers.reduce((all, one) => all + one, 0);
  expect(buffers).toHaveLength(totals.buffers);
  expect(sum(buffers.map(({ refs }) => refs))).toBe(totals.references);
  expect(sum(buffers.map(({ attachmentCount }) => attachmentCount))).toBe(totals.attachments);
  for (const { id, refs, references, attachments, attachmentCount, importerCount } of buffers) {
    expect(sum(references.map(({ count }) => count)), `references of ${id}`).toBe(refs);
    const held = references.filter(({ holder }) => holder === 'attachment');
    expect(sum(held.map(({ count }) => count)), `attachments of ${id}`).toBe(attachmentCount);
    expect(sum(attachments.map(({ mapped }) => mapped)), `mappings of ${id}`).toBe(importerCount);
  }
  for (const { device, usedBytes, allocatedBytes, exports, buffers: count, exportedBytes } of totals.devices) {
    expect(allocatedBytes, `device ${device}`).toBe(usedBytes);
    expect(exports, `device ${device}`).toBe(count);
    expect(exportedBytes).toBeLessThanOrEqual(usedBytes);
    const listed = buffers.filter(({ kind, exporter }) => kind === 'memory' && exporter.device === device);
    expect(listed).toHaveLength(count);
  }
}
