/** The steps of an import one by one: descriptors, attachments, mappings, in threads that do not wait for each other. */

import type { ErrnoCode } from '@pedrera/base';
import { ATTACH_FLAGS, DMA_DIRECTION, POLL_EVENTS, TOKEN_FLAGS } from '@pedrera/uapi';
import { type Client, IN_RESET } from '../client.js';
import { type Scenario, scenario } from '../scenario.js';
import { DEVICE_BYTES, exported, lens, pause, resetDevice } from './patterns.js';

const OURS = 0x0e0e_0e0e;
const PEER = ATTACH_FLAGS.DYNAMIC | ATTACH_FLAGS.PEER2PEER;

/** Attaches, maps, unmaps, detaches, as far as it gets. */
async function importBySteps(client: Client, fd: number, allowed: readonly ErrnoCode[]): Promise<void> {
  const { res: attached } = await client.attempt('DMABUF_ATTACH', { fd, flags: PEER }, allowed);
  if (attached === undefined) {
    return;
  }
  const { attachment } = attached;
  const direction = DMA_DIRECTION.BIDIRECTIONAL;
  const { res: mapped } = await client.attempt('DMABUF_MAP', { attachment, direction }, allowed);
  if (mapped !== undefined) {
    await client.attempt('DMABUF_UNMAP', { attachment, address: mapped.address }, allowed);
  }
  await client.attempt('DMABUF_DETACH', { attachment }, allowed);
}

const attachReset = scenario({
  name: 'attach-reset',
  summary: 'attach, map, unmap, detach, while the device is reset and the exporter closes',
  devices: 2,
  clients: ['exporter', 'importer', 'operator'],
  async prepare({ exporter, importer, operator }, stage) {
    await exporter.open('hl0');
    await importer.open('hl1');
    await operator.hello();
    const { token } = await exported(exporter, OURS);
    return {
      async exporter() {
        await pause(stage, 'exporter', 4);
      },
      async importer() {
        const { res } = await importer.attempt('DMABUF_OPEN', { token }, [...IN_RESET, 'ENOENT']);
        if (res !== undefined) {
          await importBySteps(importer, res.fd, [...IN_RESET, 'ENOENT', 'EPERM', 'EINVAL']);
          await importer.attempt('DMABUF_CLOSE', { fd: res.fd }, [...IN_RESET, 'EBADF']);
        }
      },
      operator: () => resetDevice(operator, stage, 1),
    };
  },
});

const tokenOnce = scenario({
  name: 'token-once',
  summary: 'a token for one use is redeemed three times at once, in two ways, while its descriptor is closed',
  clients: ['exporter', 'first', 'second'],
  async prepare({ exporter, first, second }, stage) {
    for (const client of [exporter, first, second]) {
      await client.open('hl0');
    }
    const { fd } = await exported(exporter, OURS);
    const { token } = await exporter.call('DMABUF_TOKEN', { fd, flags: TOKEN_FLAGS.ONCE });
    const look = await lens(second);
    let redeemed = 0;
    const got = (client: Client) => {
      redeemed++;
      client.expect(redeemed === 1, 'a token for one use was redeemed twice');
    };
    const open = async () => {
      const { res } = await first.attempt('DMABUF_OPEN', { token }, ['ENOENT']);
      if (res !== undefined) {
        got(first);
        await first.call('DMABUF_CLOSE', { fd: res.fd });
      }
    };
    return {
      async exporter() {
        await pause(stage, 'exporter', 3);
        await exporter.call('DMABUF_CLOSE', { fd });
      },
      async first() {
        await Promise.all([open(), open()]);
      },
      async second() {
        const { res } = await second.attempt('DMABUF_IMPORT', { token }, ['ENOENT']);
        if (res !== undefined) {
          got(second);
          await look(res.address, [OURS]);
        }
      },
    };
  },
});

const mapDetach = scenario({
  name: 'map-detach',
  summary: 'two threads of an importer map, unmap in both ways and detach the same attachment; the exporter frees',
  clients: ['exporter', 'importer'],
  async prepare({ exporter, importer }, stage) {
    await exporter.open('hl0');
    await importer.open('hl0');
    const { fd: exporterFd, handle, address: own, token } = await exported(exporter, OURS);
    const { fd } = await importer.call('DMABUF_OPEN', { token });
    const { attachment } = await importer.call('DMABUF_ATTACH', { fd, flags: PEER });
    const look = await lens(importer);
    const wrong = ['EINVAL', 'ENOENT', 'EBUSY'] as const;
    const direction = DMA_DIRECTION.BIDIRECTIONAL;
    return {
      async exporter() {
        await exporter.call('DMABUF_CLOSE', { fd: exporterFd });
        await exporter.call('MEMORY_UNMAP', { deviceVirtAddr: own });
        await exporter.attempt('MEMORY_FREE', { handle }, ['EINVAL']);
        await exporter.deviceMemory(DEVICE_BYTES);
      },
      async importer() {
        const using = async () => {
          const { res } = await importer.attempt('DMABUF_MAP', { attachment, direction }, wrong);
          if (res !== undefined) {
            await look(res.address, [OURS]);
            const unmapping = async () => {
              await pause(stage, 'unmapping', 1);
              await importer.attempt('DMABUF_UNMAP', { attachment, address: res.address }, wrong);
            };
            const unmappingToo = async () => {
              await pause(stage, 'unmapping-too', 1);
              await importer.attempt('MEMORY_UNMAP', { deviceVirtAddr: res.address }, wrong);
            };
            await Promise.all([unmapping(), unmappingToo()]);
          }
        };
        const ending = async () => {
          await pause(stage, 'importer', 4);
          await importer.attempt('DMABUF_DETACH', { attachment }, wrong);
          await importer.call('DMABUF_CLOSE', { fd });
        };
        await Promise.all([using(), ending()]);
      },
    };
  },
});

const pollClose = scenario({
  name: 'poll-close',
  summary: 'polls of a dma-buf, with and without time-out, while its descriptor and its exporter go',
  clients: ['exporter', 'importer'],
  async prepare({ exporter, importer }) {
    await exporter.open('hl0');
    await importer.open('hl0');
    const { token } = await exported(exporter, OURS);
    const { fd } = await importer.call('DMABUF_OPEN', { token });
    const poll = (timeoutMs: number) =>
      importer.attempt('DESCRIPTOR_POLL', { fd, events: POLL_EVENTS.IN | POLL_EVENTS.OUT, timeoutMs }, ['EBADF']);
    return {
      exporter: async () => exporter.close(),
      async importer() {
        await Promise.all([poll(0), poll(-1), poll(5), importer.call('DMABUF_CLOSE', { fd }), poll(5)]);
      },
    };
  },
});

export const DMA_BUFS: readonly Scenario[] = [attachReset, tokenOnce, mapDetach, pollClose];
