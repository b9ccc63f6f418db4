/** A hang across three processes and two devices, explained by `pedrera why`; and what `leaks`, `ps` and `top` say meanwhile. */
import { Queue } from '@pedrera/thunk';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ClientSteps } from './programs/client/main.js';
import { runCli } from './support/cli-run.js';
import { ClientProcess } from './support/client-process.js';
import { fileDaemon } from './support/file-daemon.js';
import { untilNothing } from './support/until.js';

const daemon = fileDaemon({ beforeAll, afterEach, afterAll }, { devices: 2 });

type Client = ClientProcess<ClientSteps>;

interface Why {
  causes: {
    kind: string;
    sentence: string;
    certain: boolean;
    pids: number[];
    chain: string[];
    cycle: string[] | null;
  }[];
  nodes: { id: string; kind: string; pid: number | null; device: number | null; text: string; title: string }[];
}

const clients: Client[] = [];

async function clientOn(device: number): Promise<Client> {
  const client: Client = new ClientProcess('client', { socketPath: daemon().socketPath });
  clients.push(client);
  await client.call('open', { device });
  return client;
}

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client[Symbol.asyncDispose]()));
});

/** It is the device that sees a fence, after the submission was answered. */
async function untilBlocked(count: number): Promise<void> {
  await untilNothing(async () => {
    const { devices } = await daemon().client.inspectQueues();
    const blocked = devices.flatMap(({ queues }) => queues).filter(({ blockedOn }) => blockedOn !== null);
    return blocked.length === count ? '' : `${blocked.length} blocked`;
  });
}

async function why(...args: string[]): Promise<Why> {
  const { exitCode, out, err } = await runCli(daemon().socketPath, 'why', '--json', ...args);
  expect({ exitCode, err }).toEqual({ exitCode: 0, err: '' });
  const document = JSON.parse(out);
  expect(document.schema).toBe('pedrera.why/1');
  return document;
}

async function text(...args: string[]): Promise<string> {
  const { exitCode, out, err } = await runCli(daemon().socketPath, ...args);
  expect({ exitCode, err }).toEqual({ exitCode: 0, err: '' });
  return out;
}

/** Each waits for its own sync object, and would then raise the next one's. */
async function ringOf(devices: readonly number[]): Promise<{ parties: Client[]; tokens: string[] }> {
  const parties = await Promise.all(devices.map(clientOn));
  const tokens = await Promise.all(
    parties.map(async (party) => (await party.call('exportSyncObjects', { file: 0 })).token),
  );
  const queue = Queue.DMA_0_0;
  for (const [i, party] of parties.entries()) {
    const token = tokens[(i + 1) % tokens.length] ?? '';
    await party.call('passOn', { file: 0, queue, object: 0, token, target: 0 });
  }
  await untilBlocked(parties.length);
  return { parties, tokens };
}

describe('why', () => {
  it('names all three processes of a deadlock over two devices', async () => {
    const { parties } = await ringOf([0, 1, 0]);
    const pids = parties.map(({ pid }) => pid);
    const released = parties.map((party) => party.call('released', { file: 0 }));
    await untilNothing(async () =>
      (await why()).causes[0]?.chain[0]?.startsWith('call') ? '' : 'nobody is in a call',
    );

    const { causes, nodes } = await why();
    expect(causes).toHaveLength(1);
    expect(causes[0]).toMatchObject({ kind: 'deadlock', certain: true });
    expect(new Set(causes[0]?.pids)).toEqual(new Set(pids));
    expect(causes[0]?.sentence).toMatch(/^Deadlock of 3 processes on 2 devices: /);
    for (const pid of pids) expect(causes[0]?.sentence).toContain(`pid ${pid} (device`);
    const circle = nodes.filter(({ id }) => causes[0]?.cycle?.includes(id));
    expect(new Set(circle.map(({ pid }) => pid))).toEqual(new Set(pids));
    expect(new Set(circle.map(({ device }) => device))).toEqual(new Set([0, 1]));
    expect(circle.filter(({ kind }) => kind === 'sync object').map((node) => node.text)).toEqual(
      pids.map(() => 'is 0, awaited >= 1'),
    );

    const shown = await text('why', String(pids[1]));
    for (const pid of pids) expect(shown).toContain(`pid ${pid} client, device`);
    expect(shown).toMatch(/call WAIT_CS +for /);
    expect(shown).toContain('as above: the circle is closed');
    expect(shown).toMatch(/look next: pedrera queues --device [01] --pid \d+ --ring DMA_0_0/);
    expect(await text('why', '--graph')).toMatch(/^digraph why \{\n[\s\S]*\n\}\n$/);
    expect(await text('ps')).toMatch(new RegExp(`^ *${pids[0]} +hl0 .*deadlock: SOB`, 'm'));

    // A signal from outside ends it.
    const [first] = parties;
    await first?.call('signalOwn', { file: 0, queue: Queue.DMA_1_0, object: 0, add: 1 });
    await Promise.all(released);
    expect(await text('why')).toBe('nothing is stuck\n');
  });

  it('every command it names is one the command line takes', async () => {
    await ringOf([0, 1]);
    const lines = (await text('why')).matchAll(/pedrera ((?:queues|cs|events|status|strace) [^#\n]*)/g);
    const commands = [...lines].map(([, command = '']) => command.trim().split(' '));
    expect(commands.length).toBeGreaterThan(0);
    for (const command of commands) {
      const { exitCode, err } = await runCli(daemon().socketPath, ...command);
      expect({ command, exitCode, err }).toEqual({ command, exitCode: 0, err: '' });
    }
  });

  it('the importer that would have signalled is dead', async () => {
    const [waiter, signaller] = [await clientOn(0), await clientOn(1)];
    const { token, sob } = await waiter.call('blockStream', { file: 0, queue: Queue.DMA_0_1, object: 2, value: 2 });
    await signaller.call('signal', { file: 0, queue: Queue.DMA_0_0, token, object: 2, add: 1 });
    const released = waiter.call('released', { file: 0 });
    released.catch(() => {});
    await untilBlocked(1);
    await untilNothing(async () => {
      const [cause] = (await why(String(waiter.pid))).causes;
      return cause?.kind === 'not submitted' ? '' : JSON.stringify(cause);
    });
    const { pid } = signaller;
    expect((await why()).causes[0]?.sentence).toContain(`It is up to pid ${pid} client (an importer)`);

    await signaller.kill();
    await untilNothing(async () => {
      const [cause] = (await why(String(waiter.pid))).causes;
      return cause?.kind === 'nobody signals' ? '' : JSON.stringify(cause);
    });
    const { sentence } = (await why(String(waiter.pid))).causes[0] ?? {};
    expect(sentence).toContain(`SOB E_N ${sob} (is 1, awaited >= 2)`);
    expect(sentence).toMatch(new RegExp(`pid ${pid} client, who had imported it, ended .* ago`));
    await waiter.call('signalOwn', { file: 0, queue: Queue.DMA_0_0, object: 2, add: 1 });
    await released;
  });

  it('nobody waits, or nobody like that is there', async () => {
    expect(await text('why')).toBe('nothing is stuck\n');
    const { exitCode, err } = await runCli(daemon().socketPath, 'why', 'pid:1');
    expect({ exitCode, err }).toEqual({
      exitCode: 1,
      err: 'pedrera: no process 1 has a device open\nsee: pedrera ps, pedrera cs\n',
    });
    expect((await runCli(daemon().socketPath, 'why', 'x')).exitCode).toBe(2);
  });
});

describe('leaks', () => {
  it('memory an importer keeps after its owner was killed', async () => {
    const [owner, importer] = [await clientOn(0), await clientOn(1)];
    const { token } = await owner.call('exportMemory', { file: 0, size: 2 ** 20, seed: 1 });
    await importer.call('readImport', { file: 0, token, seed: 1 });
    expect(await text('leaks')).toMatch(/^no leaks: the owners of all \d+ objects are there/);
    await owner.kill();
    await untilNothing(async () => ((await runCli(daemon().socketPath, 'leaks')).exitCode === 1 ? '' : 'no leak yet'));
    const { out } = await runCli(daemon().socketPath, 'leaks');
    expect(out).toMatch(/^\d+ leaks?, 2 MiB: alive though the owner is gone/);
    expect(out).toContain(`pid ${owner.pid} client is gone and left`);
    expect(out).toMatch(new RegExp(`dma-buf .* of pid ${importer.pid} \\(client\\)`));
    await importer.call('close', { file: 0 });
    await untilNothing(async () => ((await runCli(daemon().socketPath, 'leaks')).exitCode === 0 ? '' : 'still leaks'));
  });
});

describe('top', () => {
  it('counts as lines and as JSON, and ends after as many looks as it was told', async () => {
    const client = await clientOn(1);
    await client.call('blockStream', { file: 0, queue: Queue.DMA_0_0, object: 0, value: 1 });
    await untilBlocked(1);
    const lines = await text('top', '-l', '-n', '2', '--interval', '50');
    expect(lines.match(/device 1, operational, .* 1 blocked/g)).toHaveLength(2);
    expect(lines).toMatch(new RegExp(`client ${client.pid} client device 1 asid \\d+: busy .*, 1 in flight`));
    const documents = (await text('top', '-J', '-n', '2', '--interval', '50')).trim().split('\n');
    expect(documents).toHaveLength(2);
    const { schema, engines } = JSON.parse(documents[1] ?? '');
    expect(schema).toBe('pedrera.top/1');
    const engine = engines.find(
      ({ device, name }: { device: number; name: string }) => device === 1 && name === 'DMA0',
    );
    expect(engine.shares.waitSync).toBeGreaterThan(50);
  });
});
