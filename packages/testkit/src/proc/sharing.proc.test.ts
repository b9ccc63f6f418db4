/** Several processes at work at once: on one device, on two, on each other's memory, released by each other's streams. */
import { Queue } from '@pedrera/thunk';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ClientSteps } from './programs/client/main.js';
import { ClientProcess } from './support/client-process.js';
import { fileDaemon } from './support/file-daemon.js';
import { untilNothing } from './support/until.js';

const daemon = fileDaemon({ beforeAll, afterEach, afterAll }, { devices: 2 });

type Client = ClientProcess<ClientSteps>;

const MIB = 2 ** 20;
const RING_ENTRIES = 4096;
const clients: Client[] = [];

/** A client process that has opened a device as its file 0. */
async function clientOn(device: number): Promise<Client> {
  const client: Client = new ClientProcess('client', { socketPath: daemon().socketPath });
  clients.push(client);
  await client.call('open', { device });
  return client;
}

function clientsOn(...devices: number[]): Promise<Client[]> {
  return Promise.all(devices.map(clientOn));
}

/** Resolves when a stream of `client` stands at a fence. */
function blockedAt(client: Client, queue: number): Promise<void> {
  return untilNothing(async () => {
    const { devices } = await daemon().client.inspectQueues();
    const found = devices.flatMap(({ queues }) => queues).find(({ pid, id }) => pid === client.pid && id === queue);
    return found?.blockedOn ? '' : `queue ${queue} of ${client.pid} is not blocked: ${JSON.stringify(found)}`;
  });
}

// Registered after the daemon's hook, so that it runs first: a test's processes go before the leak check.
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client[Symbol.asyncDispose]()));
});

describe('round trips', () => {
  it('two-clients-one-device', async () => {
    const both = await clientsOn(0, 0);
    const trips = { file: 0, size: MIB, times: 8 };
    const results = await Promise.all(both.map((client, i) => client.call('roundTrips', { ...trips, seed: 100 * i })));
    expect(results).toEqual([{ bytes: 8 * MIB }, { bytes: 8 * MIB }]);
  });

  it('four-clients-two-devices', async () => {
    const all = await clientsOn(0, 1, 0, 1);
    const trips = { file: 0, size: MIB, times: 6 };
    const results = await Promise.all(all.map((client, i) => client.call('roundTrips', { ...trips, seed: 100 * i })));
    expect(results).toEqual(new Array(4).fill({ bytes: 6 * MIB }));
  });

  it('many-files-in-one-process', async () => {
    const client = await clientOn(0);
    const files = [0];
    for (let i = 1; i < 16; i++) {
      files.push((await client.call('open', { device: i % 2 })).file);
    }
    const trips = files.map((file) => client.call('roundTrips', { file, size: 10_000, times: 4, seed: file }));
    expect(await Promise.all(trips)).toHaveLength(16);
  });

  it('all-streams-of-a-client', async () => {
    const client = await clientOn(1);
    const lanes = [0, 1, 2, 3].map((stream) => ({ up: Queue.DMA_0_0 + stream, down: Queue.DMA_1_0 + stream }));
    const trips = lanes.map((lane, i) =>
      client.call('roundTrips', { file: 0, size: 300_000, times: 4, seed: i, lanes: lane }),
    );
    expect(await Promise.all(trips)).toHaveLength(4);
  });
});

describe('dma-buf', () => {
  it.each([
    ['same-device', 0],
    ['peer-to-peer', 1],
  ])('read-and-write-%s', async (_, importerDevice) => {
    const [exporter, importer] = (await clientsOn(0, importerDevice)) as [Client, Client];
    const size = 2 * MIB;
    const { token } = await exporter.call('exportMemory', { file: 0, size, seed: 1 });
    const seen = await importer.call('readImport', { file: 0, token, seed: 1 });
    expect(seen).toEqual({ size, kind: 'memory', exporterDevice: 0 });
    await importer.call('writeImport', { file: 0, token, seed: 2 });
    await exporter.call('checkExported', { file: 0, seed: 2 });

    const { buffers } = await daemon().client.inspectBuffers();
    expect(buffers).toMatchObject([{ kind: 'memory', size, exporter: { pid: exporter.pid, device: 0, alive: true } }]);
    expect(buffers[0]?.importers).toMatchObject([{ pid: importer.pid, device: importerDevice }]);
  });

  it('three-importers-on-two-devices', async () => {
    const [exporter, ...importers] = (await clientsOn(0, 0, 1, 1)) as [Client, Client, Client, Client];
    const { token } = await exporter.call('exportMemory', { file: 0, size: MIB, seed: 3 });
    const reads = importers.map((importer) => importer.call('readImport', { file: 0, token, seed: 3 }));
    expect(await Promise.all(reads)).toHaveLength(3);
    const { buffers } = await daemon().client.inspectBuffers();
    expect(buffers[0]?.importers).toHaveLength(3);
  });
});

describe('sync objects', () => {
  it.each([
    ['same-device', 0],
    ['other-device', 1],
  ])('stream-released-by-another-process-%s', async (_, signallerDevice) => {
    const [waiting, signaller] = (await clientsOn(0, signallerDevice)) as [Client, Client];
    const queue = Queue.DMA_1_2;
    const { token } = await waiting.call('blockStream', { file: 0, queue, object: 3, value: 2 });
    await blockedAt(waiting, queue);
    const signal = { file: 0, queue: Queue.DMA_0_1, token, object: 3, add: 1 };
    expect(await signaller.call('signal', signal)).toEqual({ exporterDevice: 0 });
    // One of two: it has to stay where it is.
    await blockedAt(waiting, queue);
    expect(await waiting.call('isReleased', { file: 0 })).toEqual({ done: false });
    await signaller.call('signal', signal);
    await waiting.call('released', { file: 0 });
  });

  it('relay-released-from-inside-the-command-streams', async () => {
    const [loader, relay] = (await clientsOn(0, 1)) as [Client, Client];
    const size = 4 * MIB;
    // All of the relay's work is queued before there is any data, and nobody on the host touches it again.
    const { token: memoryToken } = await loader.call('exportMemory', { file: 0, size, seed: 0 });
    const { token: doneToken } = await loader.call('blockStream', {
      file: 0,
      queue: Queue.DMA_1_3,
      object: 0,
      value: 1,
    });
    const { token } = await relay.call('submitRelay', { file: 0, queue: Queue.DMA_0_0, memoryToken, doneToken, size });
    await blockedAt(relay, Queue.DMA_0_0);
    await blockedAt(loader, Queue.DMA_1_3);
    await loader.call('uploadAndSignal', { file: 0, queue: Queue.DMA_0_0, seed: 99, token });
    // The loader hears of the copy's end by its own stream, which the relay's stream releases.
    await loader.call('released', { file: 0 });
    await relay.call('released', { file: 0 });
    await relay.call('checkExported', { file: 0, seed: 99 });
  });
});

describe('independent streams', () => {
  it('blocked-client-holds-up-nobody-on-the-same-queue', async () => {
    const [blocked, other] = (await clientsOn(0, 0)) as [Client, Client];
    await blocked.call('blockStream', { file: 0, queue: Queue.DMA_0_0, object: 0, value: 1 });
    await blocked.call('blockStream', { file: 0, queue: Queue.DMA_1_0, object: 1, value: 1 });
    await blockedAt(blocked, Queue.DMA_0_0);
    await blockedAt(blocked, Queue.DMA_1_0);
    await other.call('roundTrips', { file: 0, size: MIB, times: 4, seed: 5 });
    expect(await blocked.call('isReleased', { file: 0 })).toEqual({ done: false });
  });

  it('blocked-stream-holds-up-no-other-stream-of-its-client', async () => {
    const client = await clientOn(0);
    await client.call('blockStream', { file: 0, queue: Queue.DMA_0_0, object: 0, value: 1 });
    await blockedAt(client, Queue.DMA_0_0);
    const lanes = { up: Queue.DMA_0_1, down: Queue.DMA_1_0 };
    await client.call('roundTrips', { file: 0, size: MIB, times: 2, seed: 6, lanes });
    await client.call('signalOwn', { file: 0, queue: Queue.DMA_0_3, object: 0, add: 1 });
    await client.call('released', { file: 0 });
  });

  it('full-ring-refuses-and-queues-nothing', async () => {
    const [full, other] = (await clientsOn(0, 0)) as [Client, Client];
    const queue = Queue.DMA_0_0;
    await full.call('blockStream', { file: 0, queue, object: 0, value: 1 });
    const { accepted, code, detail } = await full.call('fillRing', { file: 0, queue });
    expect(code).toBe('EAGAIN');
    expect(detail).toMatch(/DMA_0_0 has 0 free slots, the submission needs 1/);
    // The blocked one sits in the ring, too.
    expect(accepted + 1).toBe(RING_ENTRIES);
    const inRing = async () => {
      const { devices } = await daemon().client.inspectQueues(0);
      const found = devices[0]?.queues.find(({ pid, id }) => pid === full.pid && id === queue);
      return { inRing: (found?.pending ?? 0) + (found?.inFlight ?? 0), completed: found?.completed };
    };
    expect(await inRing()).toEqual({ inRing: RING_ENTRIES, completed: 0 });

    await other.call('roundTrips', { file: 0, size: MIB, times: 4, seed: 7 });
    await full.call('signalOwn', { file: 0, queue: Queue.DMA_0_1, object: 0, add: 1 });
    await full.call('released', { file: 0 });
    expect(await inRing()).toEqual({ inRing: 0, completed: RING_ENTRIES });
    await full.call('roundTrips', { file: 0, size: MIB, times: 1, seed: 8 });
  });

  it('two-jobs-and-one-free-slot', async () => {
    const client = await clientOn(0);
    const queue = Queue.DMA_1_1;
    await client.call('blockStream', { file: 0, queue, object: 0, value: 1 });
    await client.call('fillRing', { file: 0, queue, leave: 1 });
    await expect(client.call('submitPair', { file: 0, queue })).rejects.toMatchObject({
      code: 'EAGAIN',
      detail: expect.stringContaining('has 1 free slots, the submission needs 2'),
    });
    await client.call('signalOwn', { file: 0, queue: Queue.DMA_0_1, object: 0, add: 1 });
    await client.call('released', { file: 0 });
    await client.call('submitPair', { file: 0, queue });
    await client.call('released', { file: 0 });
  });

  it('flooding-client-holds-up-nobody', async () => {
    const [flooder, other] = (await clientsOn(0, 0)) as [Client, Client];
    const flood = flooder.call('flood', { file: 0, queue: Queue.DMA_0_0 });
    await other.call('roundTrips', { file: 0, size: MIB, times: 8, seed: 9 });
    await flooder.call('flood', { file: 0, queue: Queue.DMA_0_0, stop: true });
    expect((await flood).submitted).toBeGreaterThan(0);
  });
});
