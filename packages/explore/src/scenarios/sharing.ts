/** Device memory and sync objects handed from one client to another, and taken away at the worst moment. */
import { IN_RESET } from '../client.js';
import { copy, fence, fill, message, program, watchSob } from '../packets.js';
import { type Scenario, scenario } from '../scenario.js';
import { BYTES, DEVICE_BYTES, DMA_UP, exported, lens, resetDevice, UNTOUCHED } from './patterns.js';

const OURS = 0x0e0e_0e0e;
const OTHERS = 0x1a1a_1a1a;

/** An import, and work on it, while the exporter closes its file: on one device, or from one to another. */
function whileExporterCloses(race: { name: string; summary: string; devices: number }): Scenario {
  return scenario({
    ...race,
    clients: ['exporter', 'importer'],
    async prepare({ exporter, importer }) {
      await exporter.open('hl0');
      await importer.open(`hl${race.devices - 1}`);
      const { token } = await exported(exporter, OURS);
      const look = await lens(importer);
      return {
        exporter: async () => exporter.close(),
        async importer() {
          const { res } = await importer.attempt('DMABUF_IMPORT', { token }, ['ENOENT']);
          if (res !== undefined) {
            await look(res.address, [OURS]);
            await importer.call('MEMORY_UNMAP', { deviceVirtAddr: res.address });
          }
        },
      };
    },
  });
}

const exportClose = whileExporterCloses({
  name: 'export-close',
  summary: 'an import, and work on it, while the exporter closes its file',
  devices: 1,
});

const importFree = scenario({
  name: 'import-free',
  summary: 'an import while the exporter closes the descriptor and frees the memory, and a third client allocates',
  clients: ['exporter', 'importer', 'third'],
  async prepare({ exporter, importer, third }) {
    await exporter.open('hl0');
    await importer.open('hl0');
    await third.open('hl0');
    const { token, fd, handle, address } = await exported(exporter, OURS);
    const look = await lens(importer);
    const lookToo = await lens(third);
    return {
      async exporter() {
        await exporter.call('DMABUF_CLOSE', { fd });
        await exporter.call('MEMORY_UNMAP', { deviceVirtAddr: address });
        // Refused as long as somebody has it imported.
        await exporter.attempt('MEMORY_FREE', { handle }, ['EINVAL']);
      },
      async importer() {
        const { res } = await importer.attempt('DMABUF_IMPORT', { token }, ['ENOENT']);
        if (res !== undefined) {
          await look(res.address, [OURS]);
        }
      },
      async third() {
        const memory = await third.deviceMemory(DEVICE_BYTES);
        // Scrubbed, whoever had it before.
        await lookToo(memory.address, [0]);
        await third.wait(await third.submit([await third.job(program(fill(memory.address, BYTES, OTHERS)))]));
        await lookToo(memory.address, [OTHERS]);
      },
    };
  },
});

const exportTwice = scenario({
  name: 'export-twice',
  summary: 'the same memory exported twice at once, imported once each, closed in any order',
  clients: ['exporter', 'first', 'second'],
  async prepare({ exporter, first, second }, stage) {
    for (const client of [exporter, first, second]) {
      await client.open('hl0');
    }
    const { handle, fd } = await exported(exporter, OURS);
    await exporter.call('DMABUF_CLOSE', { fd });
    const token = stage.box<string>('token');
    const importer = (client: typeof first) => async () => {
      const look = await lens(client);
      const { res } = await client.attempt('DMABUF_IMPORT', { token: await token.take() }, ['ENOENT']);
      if (res !== undefined) {
        await look(res.address, [OURS]);
      }
    };
    return {
      async exporter() {
        const share = async () => {
          const made = await exporter.call('MEMORY_EXPORT_DMABUF_FD', { handle, size: 0, flags: 0 });
          token.put((await exporter.call('DMABUF_TOKEN', made)).token);
          await exporter.call('DMABUF_CLOSE', made);
        };
        await Promise.all([share(), share()]);
      },
      first: importer(first),
      second: importer(second),
    };
  },
});

const importReset = scenario({
  name: 'import-reset',
  summary: 'an import, and work on it, while the device is reset under both sides',
  clients: ['exporter', 'importer', 'operator'],
  async prepare({ exporter, importer, operator }, stage) {
    await exporter.open('hl0');
    await importer.open('hl0');
    await operator.hello();
    const { token } = await exported(exporter, OURS);
    const buffer = await importer.hostBuffer(BYTES, UNTOUCHED);
    const { handle } = await importer.call('CB_CREATE', { size: 4096, flags: 0 });
    const bytes = await importer.mmap(handle);
    return {
      async exporter() {
        await exporter.attempt('INFO_HW_IDLE', {}, IN_RESET);
      },
      async importer() {
        const { res } = await importer.attempt('DMABUF_IMPORT', { token }, [...IN_RESET, 'ENOENT']);
        if (res === undefined) {
          return;
        }
        const packets = program(copy(res.address, buffer.address, BYTES));
        new Uint32Array(bytes.buffer, bytes.byteOffset, packets.length).set(packets);
        const job = { handle, size: 4 * packets.length, queue: DMA_UP };
        const seq = await importer.trySubmit([job], [...IN_RESET, 'EPERM', 'EINVAL']);
        if (typeof seq === 'number' && (await importer.outcome(seq, IN_RESET)) === '') {
          // A file that was revoked since has no memory any more: it reads zero here.
          importer.expectWords(buffer.words, [OURS, 0], 'what was copied');
        }
        await importer.attempt('MEMORY_UNMAP', { deviceVirtAddr: res.address }, [...IN_RESET, 'EINVAL']);
      },
      operator: () => resetDevice(operator, stage),
    };
  },
});

const tokenDeath = scenario({
  name: 'token-death',
  summary: 'a token is redeemed twice while the exporter dies with requests of its own under way',
  clients: ['exporter', 'first', 'second'],
  async prepare({ exporter, first, second }, stage) {
    for (const client of [exporter, first, second]) {
      await client.open('hl0');
    }
    const { handle, fd } = await exported(exporter, OURS);
    const token = stage.box<string>('token');
    const redeem = (client: typeof first) => async () => {
      const { res } = await client.attempt('DMABUF_IMPORT', { token: await token.take() }, ['ENOENT']);
      if (res !== undefined) {
        const look = await lens(client);
        await look(res.address, [OURS]);
      }
    };
    return {
      async exporter() {
        const { res } = await exporter.attempt('DMABUF_TOKEN', { fd }, []);
        token.put(res?.token ?? '');
        token.put(res?.token ?? '');
        // What is on its way when a process is killed is still served.
        const last = [
          exporter.attempt('MEMORY_EXPORT_DMABUF_FD', { handle, size: 0, flags: 0 }, []),
          exporter.attempt('MEMORY_MAP_DEVICE', { handle, hintAddr: 0, flags: 0 }, []),
        ];
        exporter.close();
        await Promise.all(last);
      },
      first: redeem(first),
      second: redeem(second),
    };
  },
});

const twoCloses = scenario({
  name: 'two-closes',
  summary: 'two clients that import from each other close at once, work under way',
  clients: ['left', 'right'],
  async prepare({ left, right }) {
    await left.open('hl0');
    await right.open('hl0');
    const ofLeft = await exported(left, OURS);
    const ofRight = await exported(right, OTHERS);
    const inLeft = await left.call('DMABUF_IMPORT', { token: ofRight.token });
    const inRight = await right.call('DMABUF_IMPORT', { token: ofLeft.token });
    const leftJob = await left.job(program(copy(ofLeft.address, inLeft.address, 4 * BYTES)), DMA_UP);
    const rightJob = await right.job(program(copy(ofRight.address, inRight.address, 4 * BYTES)), DMA_UP);
    return {
      async left() {
        await left.submit([leftJob]);
        left.close();
      },
      async right() {
        await right.submit([rightJob]);
        right.close();
      },
    };
  },
});

const peerClose = whileExporterCloses({
  name: 'peer-close',
  summary: 'device 1 copies from imported memory of device 0 while the exporter closes its file',
  devices: 2,
});

const peerSignal = scenario({
  name: 'peer-signal',
  summary:
    'device 1 signals a sync object of device 0 that a stream waits for; then its owner closes and the next one leases it',
  devices: 2,
  clients: ['owner', 'signaller', 'next'],
  async prepare({ owner, signaller, next }) {
    await owner.open('hl0');
    await signaller.open('hl1');
    await next.open('hl0');
    const lease = await owner.call('SYNC_LEASE', { dcore: 1, syncObjects: 8, monitors: 1 });
    const { firstSyncObject: sob, firstMonitor: monitor } = lease;
    const { fd } = await owner.call('SYNC_EXPORT', { dcore: 1, firstSyncObject: sob, count: 1 });
    const { token } = await owner.call('DMABUF_TOKEN', { fd });
    const { address } = await signaller.call('DMABUF_IMPORT', { token });
    const signal = await signaller.job(program(message(address, 0x8000_0001)));
    const wait = await owner.job(program(watchSob({ dcore: 1, sob, monitor, queue: 0, fence: 1, value: 1 }), fence(1)));
    return {
      async owner() {
        await owner.wait(await owner.submit([wait]));
      },
      async signaller() {
        await signaller.wait(await signaller.submit([signal]));
        await signaller.call('MEMORY_UNMAP', { deviceVirtAddr: address });
      },
      async next() {
        // Zero when it is leased, and nobody else can change that.
        const mine = await next.call('SYNC_LEASE', { dcore: 1, syncObjects: 8, monitors: 1 });
        const watched = {
          dcore: 1,
          sob: mine.firstSyncObject,
          monitor: mine.firstMonitor,
          queue: 0,
          fence: 1,
          value: 1,
        };
        const stuck = await next.job(program(watchSob(watched), fence(1)));
        const seq = await next.submit([stuck]);
        next.expect((await next.outcome(seq, [], 1000n)) === 'BUSY', 'a sync object nobody signalled was signalled');
      },
    };
  },
});

export const SHARING: readonly Scenario[] = [
  exportClose,
  importFree,
  exportTwice,
  importReset,
  tokenDeath,
  twoCloses,
  peerClose,
  peerSignal,
];
