/**
 * What a test gets: files to open, a view of the kernel from outside, faults to inject, and a check that nothing is left.
 *
 * Owns: every connection of one test. Must not know what a test is about.
 */
import assert from 'node:assert/strict';
import { type ErrnoCode, HlError } from '@pedrera/base';
import { DEVICE_STATUS, type Req, type Res } from '@pedrera/uapi';
import { Client } from './client.js';
import type { KernelNeeds, Mode, Transport } from './transport.js';

const MS = 1e6;

export class Env {
  readonly transport: Transport;
  readonly #clients: Client[] = [];
  #watcher: Client | undefined;
  #baseline: Record<string, number> = {};

  private constructor(transport: Transport) {
    this.transport = transport;
  }

  static async begin(transport: Transport): Promise<Env> {
    const env = new Env(transport);
    env.#baseline = await env.#objects();
    return env;
  }

  get mode(): Mode {
    return this.transport.mode;
  }

  get policy(): KernelNeeds['policy'] {
    return this.transport.needs.policy;
  }

  finish<T>(promise: Promise<T>): Promise<T> {
    return this.transport.finish(promise);
  }

  until<T>(what: string, ask: () => Promise<T | undefined>): Promise<T> {
    return this.transport.until(what, ask);
  }

  passMs(ms: number): Promise<void> {
    return this.transport.pass(ms * MS);
  }

  /** open(2) of a node. */
  async open(node = 'hl0'): Promise<Client> {
    const client = await Client.connect(this, node);
    this.#clients.push(client);
    return client;
  }

  control(device = 0): Promise<Client> {
    return this.open(`hl_controlD${device}`);
  }

  /** open(2) that has to fail. */
  async openFails(errno: ErrnoCode, node = 'hl0'): Promise<void> {
    await assert.rejects(this.open(node), (error: unknown) => {
      assert(error instanceof HlError, String(error));
      assert.equal(error.code, errno, `open of ${node}: ${error.message}`);
      return true;
    });
  }

  /** Opens a node as soon as it lets itself be opened. */
  opened(node = 'hl0'): Promise<Client> {
    return this.until(`${node} opens`, () => this.open(node).catch(() => undefined));
  }

  /** A connection that has opened nothing, and never will. */
  async watcher(): Promise<Client> {
    this.#watcher ??= await Client.observer(this);
    return this.#watcher;
  }

  /** Any client, also one the test makes itself, is closed at the end. */
  async greeted(): Promise<Client> {
    const client = await Client.connect(this);
    this.#clients.push(client);
    return client;
  }

  async inject(kind: string, target = '', value = 0, device = 0): Promise<Res<'INJECT'>> {
    const watcher = await this.watcher();
    return watcher.call('INJECT', { device, kind, target, value } as unknown as Req<'INJECT'>);
  }

  /** Waits until the device is operational again, as a control file sees it. */
  async recovered(control: Client, count?: number): Promise<void> {
    await this.until('the device is operational', async () => {
      const status = (await control.call('INFO_DEVICE_STATUS', {})).status;
      const { hardResetCnt } = await control.call('INFO_RESET_COUNT', {});
      return status === DEVICE_STATUS.OPERATIONAL && (count === undefined || hardResetCnt >= count) ? true : undefined;
    });
  }

  /** A hard reset, and its end. */
  async resetDevice(device = 0): Promise<void> {
    const control = await this.control(device);
    const { hardResetCnt } = await control.call('INFO_RESET_COUNT', {});
    await this.inject('reset', '', 0, device);
    await this.recovered(control, hardResetCnt + 1);
  }

  /** Everything but the R ops of INFO answers EBUSY until then (uapi.md 1.6, 9.2). */
  async disable(device = 0): Promise<void> {
    await this.writeFile(this.debugfs('device', device), 'disable');
  }

  async enable(device = 0): Promise<void> {
    await this.writeFile(this.debugfs('device', device), 'enable');
  }

  // --- files -----------------------------------------------------------------------------------------------------------

  async readFile(path: string, size = 65_536): Promise<string> {
    const watcher = await this.watcher();
    const { bytes } = await watcher.call('FILE_READ', { path, offset: 0, size });
    return Buffer.from(bytes).toString('latin1');
  }

  async writeFile(path: string, text: string): Promise<number> {
    const watcher = await this.watcher();
    return (await watcher.call('FILE_WRITE', { path, offset: 0, bytes: Buffer.from(text, 'latin1') })).written;
  }

  debugfs(name: string, device = 0): string {
    return `/sys/kernel/debug/habanalabs/hl${device}/${name}`;
  }

  sysfs(name: string, device = 0): string {
    return `/sys/class/habanalabs/hl${device}/${name}`;
  }

  // --- the end ---------------------------------------------------------------------------------------------------------

  /** Closes what the test left open; fails if the kernel keeps anything of it. */
  async end(): Promise<void> {
    for (const client of this.#clients) {
      await client.close();
    }
    await this.transport.rest();
    let left = '';
    try {
      await this.until('the kernel lets go of everything', async () => {
        left = await this.#left();
        return left === '' ? true : undefined;
      });
    } catch {
      throw new Error(`left behind: ${left}`);
    } finally {
      await this.#watcher?.close();
    }
  }

  async #objects(): Promise<Record<string, number>> {
    const watcher = await this.watcher();
    return (await watcher.call('INSPECT_DAEMON', {})).snapshot.objects;
  }

  async #left(): Promise<string> {
    const watcher = await this.watcher();
    const now = await this.#objects();
    const kinds = Object.keys({ ...this.#baseline, ...now })
      .filter((kind) => (this.#baseline[kind] ?? 0) !== (now[kind] ?? 0))
      .map((kind) => `${(now[kind] ?? 0) - (this.#baseline[kind] ?? 0)} ${kind}`);
    const { devices } = (await watcher.call('INSPECT_DAEMON', {})).snapshot;
    for (const { index, status } of devices) {
      if (status !== DEVICE_STATUS.OPERATIONAL) {
        kinds.push(`device ${index} with status ${status}`);
      }
    }
    const { clients } = (await watcher.call('INSPECT_CLIENTS', {})).snapshot;
    const { buffers } = (await watcher.call('INSPECT_BUFFERS', {})).snapshot;
    if (clients.length > 0) {
      kinds.push(`${clients.length} clients`);
    }
    if (buffers.length > 0) {
      kinds.push(`${buffers.length} dma-bufs`);
    }
    return kinds.join(', ');
  }
}
