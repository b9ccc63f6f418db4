/** What `pedrera queues`, `ps` and `bufs` show while a client is blocked, and after. The command itself is what is run. */
import { sobAddress } from '@pedrera/hw';
import { Dcore, openDevice, Queue } from '@pedrera/thunk';
import type { BuffersSnapshot, ClientsSnapshot, QueueState, QueuesSnapshot } from '@pedrera/uapi';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ClientSteps } from './programs/client/main.js';
import { runCli } from './support/cli-run.js';
import { ClientProcess } from './support/client-process.js';
import { fileDaemon } from './support/file-daemon.js';
import { untilNothing } from './support/until.js';

const daemon = fileDaemon({ beforeAll, afterEach, afterAll }, { devices: 2 });

type Client = ClientProcess<ClientSteps>;

const clients: Client[] = [];

async function clientOn(device: number): Promise<Client> {
  const client: Client = new ClientProcess('client', { socketPath: daemon().socketPath });
  clients.push(client);
  await client.call('open', { device });
  return client;
}

async function cli<Document>(...args: string[]): Promise<Document> {
  const { exitCode, out, err } = await runCli(daemon().socketPath, ...args);
  expect({ exitCode, err }).toEqual({ exitCode: 0, err: '' });
  return JSON.parse(out) as Document;
}

async function text(...args: string[]): Promise<string> {
  const { exitCode, out, err } = await runCli(daemon().socketPath, ...args);
  expect({ exitCode, err }).toEqual({ exitCode: 0, err: '' });
  return out;
}

function queueIn({ devices }: QueuesSnapshot, device: number, id: number): QueueState {
  const queue = devices.find(({ index }) => index === device)?.queues.find((found) => found.id === id);
  if (queue === undefined) {
    throw new Error(`no queue ${id} of device ${device} in ${JSON.stringify(devices)}`);
  }
  return queue;
}

/** Until the device has fetched the fence, which it does after the submission was answered. */
async function untilBlocked(device: number, id: number): Promise<void> {
  await untilNothing(async () =>
    queueIn(await daemon().client.inspectQueues(device), device, id).blockedOn === null ? 'not blocked' : '',
  );
}

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client[Symbol.asyncDispose]()));
});

describe('queues', () => {
  it('json-names-queue-fence-monitor-and-sync-object', async () => {
    const client = await clientOn(1);
    const { sob, monitor } = await client.call('blockStream', { file: 0, queue: Queue.DMA_1_2, object: 5, value: 3 });
    await client.call('signalOwn', { file: 0, queue: Queue.DMA_0_0, object: 5, add: 2 });
    await untilBlocked(1, Queue.DMA_1_2);

    const snapshot = await cli<QueuesSnapshot>('queues', '--json');
    expect(snapshot.schema).toBe('pedrera.queues/1');
    expect(snapshot.devices.map(({ index }) => index)).toEqual([0, 1]);
    const queue = queueIn(snapshot, 1, Queue.DMA_1_2);
    expect(queue).toMatchObject({ name: 'DMA_1_2', kind: 'external', pid: client.pid, completed: 0, pi: 1, ci: 0 });
    expect(queue.pending + queue.inFlight).toBe(1);
    expect(queue.asid).toBeGreaterThan(0);
    expect(queue.oldestMs).toBeGreaterThan(0);
    expect(queue.head).toMatchObject({ name: 'FENCE', opcode: 8, text: expect.stringContaining('FENCE 0') });
    expect(queue.blockedOn).toMatchObject({
      fence: { id: 0, target: 1, value: 0 },
      monitors: [
        {
          dcore: 'E_N',
          monitor,
          mode: '>=',
          awaited: 3,
          objects: [{ sob, value: 2, awaited: 3, address: sobAddress(Dcore.E_N, sob) }],
        },
      ],
    });
    expect(queue.blockedOn?.reason).toContain(`SOB ${sob} is 2 and waits for >= 3`);

    await client.call('signalOwn', { file: 0, queue: Queue.DMA_0_0, object: 5, add: 1 });
    await client.call('released', { file: 0 });
    const after = queueIn(await cli<QueuesSnapshot>('queues', '--json', '--device', '1'), 1, Queue.DMA_1_2);
    const idle = { pending: 0, inFlight: 0, completed: 1, pi: 1, ci: 1, head: null, blockedOn: null, oldestMs: null };
    expect(after).toMatchObject(idle);
  });

  it('text-says-the-same-in-a-sentence', async () => {
    const client = await clientOn(0);
    const { sob, monitor } = await client.call('blockStream', { file: 0, queue: Queue.DMA_0_3, object: 0, value: 1 });
    await untilBlocked(0, Queue.DMA_0_3);
    const shown = (await text('queues', '--device', '0')).replaceAll(/\s+/g, ' ');
    expect(shown).toMatch(/device 0: \d+ streams?, 1 blocked/);
    expect(shown).toMatch(new RegExp(`3 DMA_0_3 external ${client.pid} `));
    expect(shown).toContain('blocked at fence 0: needs 1, has 0');
    expect(shown).toContain(`monitor E_N ${monitor} waits for SOB E_N ${sob}`);
    expect(shown).toContain('>= 1, now 0');
    expect(shown).not.toContain('device 1');
    await client.call('signalOwn', { file: 0, queue: Queue.DMA_0_0, object: 0, add: 1 });
    await client.call('released', { file: 0 });
  });

  it('fence-without-a-monitor', async () => {
    await using device = await openDevice(0, { socketPath: daemon().socketPath });
    const cb = await device.createCommandBuffer();
    await device.submit({ queue: Queue.DMA_1_0, cb: cb.fence({ id: 2, target: 1 }) });
    await untilBlocked(0, Queue.DMA_1_0);
    const { blockedOn } = queueIn(await daemon().client.inspectQueues(0), 0, Queue.DMA_1_0);
    expect(blockedOn).toMatchObject({ fence: { id: 2, target: 1, value: 0 }, monitors: [] });
    expect(blockedOn?.reason).toMatch(/no armed monitor/);
  });

  it('the-same-queue-of-two-clients', async () => {
    const first = await clientOn(0);
    const second = await clientOn(0);
    for (const client of [first, second]) {
      await client.call('blockStream', { file: 0, queue: Queue.DMA_0_0, object: 1, value: 1 });
    }
    await untilNothing(async () => {
      const { devices } = await daemon().client.inspectQueues(0);
      const pids = devices[0]?.queues.filter(({ blockedOn }) => blockedOn !== null).map(({ pid }) => pid) ?? [];
      return [first.pid, second.pid].every((pid) => pids.includes(pid)) ? '' : `blocked: ${pids}`;
    });
    const { devices } = await cli<QueuesSnapshot>('queues', '--json', '--device', '0');
    const blocked = devices[0]?.queues.filter(({ id, blockedOn }) => id === Queue.DMA_0_0 && blockedOn !== null) ?? [];
    expect(new Set(blocked.map(({ asid }) => asid)).size).toBe(2);
    const awaited = blocked.flatMap(({ blockedOn }) => blockedOn?.monitors.flatMap(({ objects }) => objects) ?? []);
    expect(new Set(awaited.map(({ sob }) => sob)).size).toBe(2);
  });

  it('nobody-there', async () => {
    const { devices } = await cli<QueuesSnapshot>('queues', '--json');
    const busy = devices
      .flatMap(({ queues }) => queues)
      .filter(({ pid, blockedOn }) => pid !== null || blockedOn !== null);
    expect(busy).toEqual([]);
    expect(await text('queues')).toBe('device 0: no work\n\ndevice 1: no work\n');
  });
});

describe('ps and bufs', () => {
  it('clients-with-what-they-hold', async () => {
    const client = await clientOn(1);
    await client.call('blockStream', { file: 0, queue: Queue.DMA_0_1, object: 0, value: 1 });
    await client.call('exportMemory', { file: 0, size: 3 * 2 ** 20, seed: 1 });
    await using control = await openDevice(0, { socketPath: daemon().socketPath, node: 'control', program: 'watch' });
    expect(control.asid).toBe(0);

    const snapshot = await cli<ClientsSnapshot>('ps', '--json');
    expect(snapshot.schema).toBe('pedrera.ps/1');
    expect(snapshot.clients).toHaveLength(2);
    const shown = snapshot.clients.find(({ pid }) => pid === client.pid);
    expect(shown).toMatchObject({
      program: 'client',
      node: 'hl1',
      device: 1,
      handles: { commandBuffers: 2, hostBuffers: 2, dmaBufs: 2 },
      memory: { hbmBytes: 4 * 2 ** 20 },
      inFlight: 1,
      submitted: 2,
      faults: 0,
    });
    expect(shown?.memory.hostBytes).toBeGreaterThanOrEqual(6 * 2 ** 20);
    expect(shown?.memory.mappedBytes).toBe(10 * 2 ** 20);
    const watcher = snapshot.clients.find(({ pid }) => pid === process.pid);
    expect(watcher).toMatchObject({ program: 'watch', node: 'hl_controlD0', asid: null, inFlight: 0 });
    expect(await text('ps')).toMatch(new RegExp(`^ *${client.pid} +hl1 .* client$`, 'm'));
  });

  it('dma-bufs-with-exporter-and-importers', async () => {
    const exporter = await clientOn(0);
    const importer = await clientOn(1);
    const { token } = await exporter.call('exportMemory', { file: 0, size: 2 ** 20, seed: 1 });
    await importer.call('readImport', { file: 0, token, seed: 1 });
    await importer.call('blockStream', { file: 0, queue: Queue.DMA_0_0, object: 0, value: 1 });

    const snapshot = await cli<BuffersSnapshot>('bufs', '--json');
    expect(snapshot.schema).toBe('pedrera.bufs/1');
    expect(snapshot.buffers).toMatchObject([
      {
        kind: 'memory',
        size: 2 ** 20,
        exporter: { pid: exporter.pid, device: 0, alive: true },
        importers: [{ pid: importer.pid, device: 1 }],
      },
      { kind: 'sync-objects', exporter: { pid: importer.pid, device: 1, alive: true }, importers: [] },
    ]);
    const shown = await text('bufs', '--brief');
    expect(shown).toMatch(
      new RegExp(`memory +1 MiB +- +pid ${exporter.pid} on device 0 .* pid ${importer.pid} on device 1`),
    );
    expect(shown).toMatch(new RegExp(`sync-objects +64 B +- +pid ${importer.pid} on device 1`));
    expect(shown, 'tokens are secrets').not.toContain(token);
    expect(JSON.stringify(snapshot)).not.toContain(token);
  });

  it('nobody-there', async () => {
    expect(await text('ps')).toBe('no clients\n');
    expect(await text('bufs')).toBe('no dma-bufs\n');
  });
});

describe('exit codes', () => {
  const failing = async (socketPath: string, ...args: string[]) => {
    const { exitCode, out, err } = await runCli(socketPath, ...args);
    expect(out).toBe('');
    return { exitCode, err };
  };

  it('device-that-is-not-there', async () => {
    const { exitCode, err } = await failing(daemon().socketPath, 'queues', '--device', '7');
    expect(exitCode).toBe(1);
    expect(err).toMatch(/ENXIO .*no device 7; this machine has 2/);
  });

  it.each([
    ['unknown-option', ['queues', '--devise', '1'], /unknown option '--devise'/],
    ['unknown-command', ['queus'], /unknown command 'queus'.*queues/],
    ['no-number', ['queues', '--device', 'one'], /--device 'one': expected a whole number/],
    ['no-command', [], /no command/],
  ])('usage-%s', async (_, args, sentence) => {
    const { exitCode, err } = await failing(daemon().socketPath, ...args);
    expect(exitCode).toBe(2);
    expect(err).toMatch(sentence);
  });

  it.each(['queues', 'ps', 'bufs', 'status', 'stop'])('no-daemon-%s', async (command) => {
    const { exitCode, err } = await failing(daemon().directory.file('nobody.sock'), command);
    expect(exitCode).toBe(3);
    expect(err).toMatch(/no daemon on .*nobody\.sock\nstart one with: .*pedrera start/);
  });

  it('no-daemon-as-json', async () => {
    const { exitCode, err } = await failing(daemon().directory.file('nobody.sock'), 'queues', '--json');
    expect(exitCode).toBe(3);
    expect(JSON.parse(err)).toMatchObject({ schema: 'pedrera.error/1', exitCode: 3, code: 'NO_DAEMON' });
  });
});
