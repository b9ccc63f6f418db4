/**
 * A client process that shares: exports, opens, attaches, maps, hands descriptors of the operating system to other processes, leaves
 * fences on buffers. Some steps are one thing a test asks for, `random` is any of them.
 *
 * Owns: what this process holds of its device. Must not know which test calls it, or why.
 */
import { createServer, type Socket } from 'node:net';
import { HlError, Prng } from '@pedrera/base';
import {
  type AttachedMemory,
  type Attachment,
  type Device,
  type DmaBuf,
  openDevice,
  Queue,
  type SyncFile,
} from '@pedrera/thunk';
import type { Handle, IoctlName, Req, Res } from '@pedrera/uapi';
import { SideChannel, sendDescriptor } from '@pedrera/wire';
import { serveSteps } from '../../support/steps.js';

const HUGE = 2 * 2 ** 20;
const RDWR = 2;

interface Held {
  readonly attachment: Attachment;
  readonly maps: AttachedMemory[];
}

let opened: Device | undefined;
const allocations: Handle<'memory'>[] = [];
const buffers: DmaBuf[] = [];
const held: Held[] = [];
const syncFiles: SyncFile[] = [];

function device(): Device {
  if (opened === undefined) {
    throw new Error('no device is open');
  }
  return opened;
}

function call<N extends IoctlName>(name: N, req: Req<N>): Promise<Res<N>> {
  return device().ioctl(name, req);
}

async function exportRange(size: number, offset: number): Promise<string> {
  const { handle } = await call('MEMORY_ALLOC', { size, pageSize: 0, flags: 0 });
  allocations.push(handle);
  const { fd } = await call('DMABUF_EXPORT', { handle, offset, size: size - offset, flags: RDWR });
  return (await call('DMABUF_TOKEN', { fd })).token;
}

/** Work on a buffer; a stuck one stands still until its process dies. */
async function work(buffer: DmaBuf, access: 'read' | 'write', stuck: boolean): Promise<SyncFile> {
  const cb = await device().createCommandBuffer();
  if (stuck) {
    cb.fence({ id: 0, target: 1 });
  } else {
    cb.nop();
  }
  const { syncFile } = await device().submitSynced({ queue: Queue.DMA_0_0, cb }, { buffers: [{ buffer, access }] });
  return syncFile;
}

/** One of many things, that may fail in one of the ways it can. */
async function anything(prng: Prng, tokens: readonly string[]): Promise<string | undefined> {
  const buffer = buffers.length === 0 ? undefined : prng.pick(buffers);
  const attached = held.length === 0 ? undefined : prng.pick(held);
  switch (prng.below(12)) {
    case 0:
      return exportRange(HUGE, 0);
    case 1:
      return exportRange(2 * HUGE, 4096 * prng.below(600));
    case 2:
    case 3:
      if (tokens.length > 0) {
        buffers.push(await device().openDmaBuf(prng.pick(tokens)));
      }
      return undefined;
    case 4:
      if (tokens.length > 0) {
        await device().importDmaBuf(prng.pick(tokens));
      }
      return undefined;
    case 5:
    case 6:
      if (buffer !== undefined) {
        held.push({ attachment: await buffer.attach(), maps: [] });
      }
      return undefined;
    case 7:
      attached?.maps.push(await attached.attachment.map(prng.pick(['both', 'to-device', 'from-device'] as const)));
      return undefined;
    case 8:
      await attached?.maps.pop()?.unmap();
      return undefined;
    case 9:
      await attached?.attachment.detach();
      return undefined;
    case 10:
      if (buffer !== undefined) {
        syncFiles.push(await work(buffer, prng.pick(['read', 'write'] as const), false));
      }
      return undefined;
    default:
      if (prng.below(2) === 0) {
        await buffers.splice(prng.below(Math.max(1, buffers.length)), 1)[0]?.close();
      } else {
        const handle = allocations.shift();
        if (handle !== undefined) {
          await call('MEMORY_FREE', { handle });
        }
      }
      return undefined;
  }
}

const steps = {
  async open({ index }: { index: number }) {
    opened = await openDevice(index);
    return {};
  },

  async export({ size }: { size: number }) {
    return { token: await exportRange(size, 0) };
  },

  /** Of the last one exported here or opened. */
  async openToken({ token }: { token: string }) {
    buffers.push(await device().openDmaBuf(token));
    return { size: buffers.at(-1)?.size };
  },

  /** Whoever connects to the path gets a descriptor of the last buffer; this process keeps none. */
  async serveDescriptor({ path }: { path: string }) {
    const fd = await (buffers.at(-1) as DmaBuf).processDescriptor();
    const server = createServer((socket: Socket & { _handle?: { fd: number } }) => {
      sendDescriptor(socket._handle?.fd ?? -1, 1, fd);
      socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    return {};
  },

  /** Takes a descriptor from somebody who serves one, and imports what it stands for. */
  async takeDescriptor({ path }: { path: string }) {
    const side = SideChannel.connect(path);
    const { fd } = side.receiveDescriptor(10_000);
    side.close();
    const buffer = await device().receive(fd);
    buffers.push(buffer);
    const attachment = await buffer.attach();
    const mapped = await attachment.map();
    held.push({ attachment, maps: [mapped] });
    return { fd, size: buffer.size };
  },

  /** Work on the last buffer that never ends by itself; a token of its sync file. */
  async stuckWork({ access }: { access: 'read' | 'write' }) {
    const file = await work(buffers.at(-1) as DmaBuf, access, true);
    syncFiles.push(file);
    return { token: await file.newToken() };
  },

  /** Work on the last buffer, submitted now; resolves when it has been done. */
  async workAndWait({ access }: { access: 'read' | 'write' }) {
    const file = await work(buffers.at(-1) as DmaBuf, access, false);
    await file.wait();
    return {};
  },

  async submitWork({ access }: { access: 'read' | 'write' }) {
    syncFiles.push(await work(buffers.at(-1) as DmaBuf, access, false));
    return {};
  },

  async waitSyncFile({ token }: { token: string }) {
    const file = await device().openSyncFile(token);
    await file.wait();
    return {};
  },

  /** The last buffer's fences: whether nobody writes it any more, in time. */
  async idle({ timeoutMs }: { timeoutMs?: number }) {
    return { idle: await (buffers.at(-1) as DmaBuf).idle('write', timeoutMs === undefined ? {} : { timeoutMs }) };
  },

  async attachAndMap(_: object) {
    const attachment = await (buffers.at(-1) as DmaBuf).attach();
    held.push({ attachment, maps: [await attachment.map()] });
    return {};
  },

  async random({ seed, tokens }: { seed: number; tokens: string[] }) {
    try {
      return { token: (await anything(new Prng(seed), tokens)) ?? '', code: '' };
    } catch (error) {
      if (error instanceof HlError) {
        return { token: '', code: error.code };
      }
      throw error;
    }
  },
};

export type SharerSteps = typeof steps;

serveSteps(steps);
