/** Resets of a real daemon: its thread is reset and works again, who had the device open is told, revoked or killed. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  DEVICE_STATUS,
  type Entry,
  type IoctlName,
  MAX_FRAME_BYTES,
  NOTIFIER_EVENT,
  PROTOCOL_VERSION,
  type Req,
  type Res,
  resFromWire,
  TABLE,
  toWire,
} from '@pedrera/uapi';
import { type Connection, connect, EventFd } from '@pedrera/wire';
import { afterEach, describe, expect, it } from 'vitest';
import type { Settings } from '../core/settings.js';
import type * as kernel from '../index.js';

/** The built file: the device's thread cannot run TypeScript. */
const built = new URL('../../dist/index.js', import.meta.url).href;
const cleanUp: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of cleanUp.splice(0).reverse()) await step();
});

async function start(settings: Partial<Settings>): Promise<string> {
  const { runDaemon } = (await import(built)) as typeof kernel;
  const directory = mkdtempSync(join(tmpdir(), 'pedrera-reset-'));
  cleanUp.push(() => rmSync(directory, { recursive: true }));
  const socketPath = join(directory, 's');
  const daemon = await runDaemon({
    socketPath,
    devices: 1,
    policy: 'exclusive',
    logLevel: 'silent',
    pretty: false,
    settings,
  });
  cleanUp.push(() => daemon.stop('test'));
  return socketPath;
}

/** A client in this process. */
class Client {
  readonly #connection: Connection;
  readonly #waiting = new Map<number, (message: unknown[]) => void>();
  #nextId = 1;

  constructor(connection: Connection) {
    this.#connection = connection;
    connection.onMessage((message) => this.#waiting.get(message[0] as number)?.(message));
    cleanUp.push(() => connection.destroy());
  }

  static async open(socketPath: string, node: string): Promise<Client> {
    const client = new Client(await connect(socketPath, { maxFrameBytes: MAX_FRAME_BYTES }));
    await client.call('HELLO', { version: PROTOCOL_VERSION, program: 'test' });
    await client.call('OPEN', { node });
    return client;
  }

  async call<N extends IoctlName>(name: N, req: Req<N>): Promise<Res<N>> {
    const entry = TABLE[name] as unknown as Entry;
    const id = this.#nextId++;
    const answer = new Promise<unknown[]>((resolve) => this.#waiting.set(id, resolve));
    this.#connection.send([id, entry.code, toWire(entry, req as object)]);
    const [, error, result] = await answer;
    if (error !== 0) {
      throw new Error(`errno ${String(error)}: ${String(result)}`);
    }
    return resFromWire(entry, result) as Res<N>;
  }

  inject(kind: Req<'INJECT'>['kind'], target = '', value = 0): Promise<Res<'INJECT'>> {
    return this.call('INJECT', { device: 0, kind, target, value });
  }

  /** Resolves once the device was reset `count` times and is up. */
  async resets(count: number): Promise<void> {
    for (;;) {
      const { hardResetCnt } = await this.call('INFO_RESET_COUNT', {});
      const { status } = await this.call('INFO_DEVICE_STATUS', {});
      if (hardResetCnt >= count && status === DEVICE_STATUS.OPERATIONAL) {
        return;
      }
    }
  }
}

describe('reset of a real device thread', () => {
  it('tells-revokes-and-works-again', async () => {
    const socketPath = await start({});
    const control = await Client.open(socketPath, 'hl_controlD0');
    const client = await Client.open(socketPath, 'hl0');
    const eventFd = EventFd.create();
    cleanUp.push(() => eventFd.close());
    await client.call('INFO_REGISTER_EVENTFD', { eventfd: eventFd.fd });
    await control.inject('ecc', 'HBM0', 1);
    await control.resets(1);
    expect(eventFd.take()).toBe(1n);
    expect((await control.call('INFO_GET_EVENTS', {})).events).toBe(
      NOTIFIER_EVENT.GENERAL_HW_ERR | NOTIFIER_EVENT.DEVICE_RESET,
    );
    await expect(client.call('CB_CREATE', { size: 64, flags: 0 })).rejects.toThrow('errno 19: hard reset');
    const next = await Client.open(socketPath, 'hl0');
    expect((await next.call('INFO_HW_IDLE', {})).isIdle).toBe(true);
  });

  it('a-halted-device-CPU-is-found-by-the-heartbeat', async () => {
    const socketPath = await start({ heartbeatPeriodNs: 50e6 });
    const control = await Client.open(socketPath, 'hl_controlD0');
    await control.inject('heartbeat');
    await control.resets(1);
    expect((await control.call('INFO_POWER', {})).power).toBeGreaterThan(0);
  });

  it('kills-the-owner-when-told-to', async () => {
    const socketPath = await start({ killOnReset: true });
    const script = `
      const { connect } = await import(${JSON.stringify(import.meta.resolve('@pedrera/wire'))});
      const { TABLE, toWire } = await import(${JSON.stringify(import.meta.resolve('@pedrera/uapi'))});
      const connection = await connect(${JSON.stringify(socketPath)}, { maxFrameBytes: ${MAX_FRAME_BYTES} });
      connection.onMessage(([id, error]) => id === 2 && console.log('open', error));
      connection.send([1, TABLE.HELLO.code, toWire(TABLE.HELLO, { version: ${PROTOCOL_VERSION}, program: 'owner' })]);
      connection.send([2, TABLE.OPEN.code, toWire(TABLE.OPEN, { node: 'hl0' })]);
    `;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    cleanUp.push(() => child.kill('SIGKILL'));
    const ended = new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)));
    const opened = await new Promise((resolve) => child.stdout.once('data', (text) => resolve(String(text))));
    expect(opened).toBe('open 0\n');
    const control = await Client.open(socketPath, 'hl_controlD0');
    await control.inject('reset');
    expect(await ended).toBe('SIGKILL');
    await control.resets(1);
    await Client.open(socketPath, 'hl0');
  });
});
