/** What every call answers while the device is not operational, after it took a file away, and the calls about its life. */
import { ERRNO, type ErrnoCode, errnoCode, Prng } from '@pedrera/base';
import {
  byCode,
  callCode,
  commandNumber,
  DEVICE_STATUS,
  ENTRIES,
  type Entry,
  INFO_OP,
  type IoctlName,
  NOTIFIER_EVENT,
  NR,
  PROTOCOL_VERSION,
  type Req,
  type Res,
  resFromWire,
  sampleFields,
  TABLE,
  toWire,
} from '@pedrera/uapi';
import { EventFd } from '@pedrera/wire';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Settings } from '../core/settings.js';
import { LocalKernel } from './local-kernel.js';

/** A client without a library: sends one call at a time. */
class Client {
  readonly #kernel: LocalKernel;
  readonly #answers = new Map<number, readonly unknown[]>();
  readonly #end: ReturnType<LocalKernel['connect']>;
  #nextId = 1;

  constructor(kernel: LocalKernel) {
    this.#kernel = kernel;
    this.#end = kernel.connect((message) => void this.#answers.set(message[0] as number, message), {
      pid: process.pid,
      uid: 0,
      gid: 0,
    });
  }

  static async open(kernel: LocalKernel, node: string): Promise<Client> {
    const client = new Client(kernel);
    await client.call('HELLO', { version: PROTOCOL_VERSION, program: 'test' } as Req<'HELLO'>);
    await client.call('OPEN', { node });
    return client;
  }

  async #send(code: number, ...rest: unknown[]): Promise<readonly unknown[]> {
    const id = this.#nextId++;
    this.#end.send([id, code, ...rest]);
    for (let i = 0; i < 50 && !this.#answers.has(id); i++) {
      await this.#kernel.run();
    }
    return this.#answers.get(id) ?? [];
  }

  /** The result; a refusal throws its errno's name. */
  async call<N extends IoctlName>(name: N, req: Req<N>): Promise<Res<N>> {
    const entry = TABLE[name] as unknown as Entry;
    const [, error, result] = await this.#send(entry.code, toWire(entry, req as object));
    if (error !== 0) {
      throw new Error(`${errnoCode(error as number)}: ${String(result)}`);
    }
    return resFromWire(entry, result) as Res<N>;
  }

  async codeOf<N extends IoctlName>(name: N, req: Req<N>): Promise<ErrnoCode | 'ok'> {
    return this.call(name, req).then(
      () => 'ok' as const,
      (error: Error) => error.message.split(':')[0] as ErrnoCode,
    );
  }

  /** The errno of a call with arguments that fit the table and mean nothing. */
  async probe(entry: Entry): Promise<number> {
    return (await this.#send(entry.code, toWire(entry, sampleFields(entry.req, new Prng(1)))))[1] as number;
  }

  async raw(command: number, bytes: Uint8Array): Promise<number> {
    return (await this.#send(command, bytes, []))[1] as number;
  }

  close(): void {
    this.#end.close();
  }
}

let kernel: LocalKernel;
let client: Client;
let control: Client;

async function start(policy: 'exclusive' | 'shared', settings: Partial<Settings> = {}): Promise<void> {
  kernel = new LocalKernel({ devices: 1, policy, settings });
  control = await Client.open(kernel, 'hl_controlD0');
  client = await Client.open(kernel, 'hl0');
}

async function resetNow(): Promise<void> {
  await control.call('INJECT', { device: 0, kind: 'reset', target: '', value: 0 });
  expect((await control.call('INFO_DEVICE_STATUS', {})).status).toBe(DEVICE_STATUS.IN_RESET);
}

async function resetDone(): Promise<void> {
  for (let i = 0; i < 100; i++) {
    await kernel.run();
    if ((await control.call('INFO_DEVICE_STATUS', {})).status !== DEVICE_STATUS.IN_RESET) {
      return;
    }
    kernel.advance();
  }
}

/** The reset has taken all that files had, and still goes on. */
async function evicted(): Promise<void> {
  for (let i = 0; i < 100 && (await client.codeOf('MMAP', { offset: 0n })) !== 'ENODEV'; i++) {
    kernel.advance();
    await kernel.run();
  }
  expect((await control.call('INFO_DEVICE_STATUS', {})).status).toBe(DEVICE_STATUS.IN_RESET);
}

beforeEach(() => start('exclusive'));
afterEach(async () => {
  for (let i = 0; i < 20; i++) {
    kernel.advance();
    await kernel.run();
  }
  await kernel.close();
});

const deviceCalls = ENTRIES.filter(({ nr }) => nr >= NR.INFO && nr <= NR.DEBUG);

describe('not operational', () => {
  it('only-the-calls-marked-so-are-answered', async () => {
    await resetNow();
    for (const entry of deviceCalls) {
      const error = await client.probe(entry);
      expect([entry.name, error === ERRNO.EBUSY]).toEqual([entry.name, !entry.duringReset]);
    }
    const answered = deviceCalls.filter(({ duringReset }) => duringReset).map(({ op }) => op);
    expect(answered.sort((a, b) => a - b)).toEqual([0, 1, 4, 7, 9, 11, 13, 14, 18, 23, 24, 25, 26, 30, 31]);
  });

  it('an-unknown-INFO-op-is-EBUSY-then-and-EINVAL-otherwise', async () => {
    const block = new Uint8Array(24);
    new DataView(block.buffer).setUint32(12, 5, true);
    expect(byCode(callCode(NR.INFO, 5))).toBeUndefined();
    expect(await client.raw(commandNumber(NR.INFO, 24), block)).toBe(ERRNO.EINVAL);
    await resetNow();
    expect(await client.raw(commandNumber(NR.INFO, 24), block)).toBe(ERRNO.EBUSY);
  });

  it('opens', async () => {
    client.close();
    await resetNow();
    await expect(Client.open(kernel, 'hl0')).rejects.toThrow('EAGAIN');
    await expect(Client.open(kernel, 'hl_controlD0')).rejects.toThrow('EPERM');
  });
});

describe('a file after a reset', () => {
  it('answers-ENODEV-with-the-reason-until-it-is-closed', async () => {
    const { handle } = await client.call('CB_CREATE', { size: 4096, flags: 0 });
    await resetNow();
    await resetDone();
    for (const entry of deviceCalls) {
      const error = await client.probe(entry);
      expect([entry.name, error]).toEqual([entry.name, ERRNO.ENODEV]);
    }
    await expect(client.call('CB_DESTROY', { handle })).rejects.toThrow('hard reset');
    expect(await client.codeOf('MMAP', { offset: handle })).toBe('ENODEV');
    expect(await client.codeOf('MUNMAP', { offset: handle })).toBe('ok');
    client.close();
    const next = await Client.open(kernel, 'hl0');
    expect(await next.codeOf('CB_CREATE', { size: 4096, flags: 0 })).toBe('ok');
    expect((await control.call('INFO_RESET_COUNT', {})).hardResetCnt).toBe(1);
  });
});

describe('a file that was revoked while the reset goes on', () => {
  it('nothing-comes-to-belong-to-it', async () => {
    const { handle } = await client.call('CB_CREATE', { size: 4096, flags: 0 });
    await resetNow();
    await evicted();
    expect(await client.codeOf('HOST_ALLOC', { size: 4096 })).toBe('ENODEV');
    expect(await client.codeOf('MMAP', { offset: handle })).toBe('ENODEV');
    expect(await client.codeOf('DMABUF_OPEN', { token: '0'.repeat(64) })).toBe('ENODEV');
    expect(await client.codeOf('INFO_DEVICE_STATUS', {})).toBe('ok');
    await resetDone();
  });
});

describe('control node', () => {
  it('answers-INFO-and-nothing-else-of-the-driver', async () => {
    for (const entry of deviceCalls) {
      const error = await control.probe(entry);
      expect([entry.name, error === ERRNO.ENOTTY]).toEqual([entry.name, entry.nr !== NR.INFO]);
    }
  });

  it('maps-nothing', async () => {
    expect(await control.codeOf('MMAP', { offset: 0n })).toBe('ENODEV');
  });

  it('context-counters-are-zero', async () => {
    const counters = await control.call('INFO_CS_COUNTERS', {});
    expect(counters.ctxValidationDropCnt).toBe(0);
    expect((await control.call('INFO_DRAM_USAGE', {})).ctxDramMem).toBe(0);
  });
});

describe('events', () => {
  it('counters-mask-and-eventfd', async () => {
    using eventFd = disposable(EventFd.create());
    await client.call('INFO_REGISTER_EVENTFD', { eventfd: eventFd.value.fd });
    expect(await client.codeOf('INFO_REGISTER_EVENTFD', { eventfd: eventFd.value.fd })).toBe('EINVAL');
    for (let i = 0; i < 2; i++) {
      await control.call('INJECT', { device: 0, kind: 'event', target: '38', value: 0 });
    }
    expect((await client.call('INFO_HW_EVENTS', {})).counters[38]).toBe(2);
    expect((await control.call('INFO_HW_EVENTS_AGGREGATE', {})).counters[38]).toBe(2);
    for (const file of [client, control]) {
      expect((await file.call('INFO_GET_EVENTS', {})).events).toBe(NOTIFIER_EVENT.GENERAL_HW_ERR);
      expect((await file.call('INFO_GET_EVENTS', {})).events).toBe(0);
    }
    expect(eventFd.value.take()).toBe(2n);
    await client.call('INFO_UNREGISTER_EVENTFD', {});
    expect(await client.codeOf('INFO_UNREGISTER_EVENTFD', {})).toBe('EINVAL');
  });

  it('a-descriptor-that-is-none-or-no-eventfd', async () => {
    expect(await client.codeOf('INFO_REGISTER_EVENTFD', { eventfd: -1 })).toBe('EBADF');
    expect(await client.codeOf('INFO_REGISTER_EVENTFD', { eventfd: 9999 })).toBe('EBADF');
    expect(await client.codeOf('INFO_REGISTER_EVENTFD', { eventfd: 1 })).toBe('EINVAL');
  });

  it('records-are-empty-at-first', async () => {
    expect(await client.call('INFO_RAZWI_EVENT', {})).toMatchObject({ timestamp: 0, addr: 0 });
    expect(await client.call('INFO_CS_TIMEOUT_EVENT', {})).toEqual({ timestamp: 0, seq: 0 });
    const record = await client.call('INFO_UNDEFINED_OPCODE_EVENT', {});
    expect([record.cbAddrStreams.length, record.cbAddrStreamsLen]).toEqual([4, 0]);
  });
});

describe('INFO', () => {
  it('what-the-firmware-says', async () => {
    expect((await client.call('INFO_POWER', {})).power).toBe(60_000);
    expect((await client.call('INFO_DEVICE_UTILIZATION', { periodMs: 100 })).utilization).toBe(0);
    expect((await client.call('INFO_PLL_FREQUENCY', { pllIndex: 2 })).output).toHaveLength(4);
    expect((await client.call('INFO_CLK_RATE', {})).maxClkRateMhz).toBe(1600);
    expect((await client.call('INFO_PCI_COUNTERS', {})).replayCnt).toBe(0);
    expect((await client.call('INFO_DRAM_PENDING_ROWS', {})).pendingRows).toBe(0);
    expect(await client.codeOf('INFO_SECURED_ATTESTATION', { nonce: 1 })).toBe('EIO');
    expect((await client.call('INFO_DEV_MEM_ALLOC_PAGE_SIZES', {})).pageOrderBitmask).toBe(0);
    await control.call('INJECT', { device: 0, kind: 'power', target: 'start', value: 0 });
    expect((await client.call('INFO_CLK_THROTTLE_REASON', {})).clkThrottlingReason).toBe(1);
  });

  it('ENGINE_STATUS-sizes', async () => {
    expect(await client.codeOf('INFO_ENGINE_STATUS', { bufferSize: 1023 })).toBe('EINVAL');
    expect(await client.codeOf('INFO_ENGINE_STATUS', { bufferSize: 2 ** 20 + 1 })).toBe('EINVAL');
    const { text } = await client.call('INFO_ENGINE_STATUS', { bufferSize: 4096 });
    const pieces = Buffer.from(text).toString('latin1').split('\0');
    expect(pieces[0]).toMatch(/^\nDMA {2}is_idle/);
    expect(pieces.at(-1)).toBe('');
    expect(await client.codeOf('INFO_ENGINE_STATUS', { bufferSize: 1024 })).toBe(text.length > 1024 ? 'ENOMEM' : 'ok');
  });

  it('OPEN_STATS', async () => {
    expect(await control.call('INFO_OPEN_STATS', {})).toMatchObject({
      openCounter: 1,
      lastOpenPeriodMs: 0,
      isComputeCtxActive: true,
      computeCtxInRelease: false,
    });
  });

  it('ops-are-those-of-the-contract', () => {
    const ops = ENTRIES.filter(({ nr }) => nr === NR.INFO).map(({ op }) => op);
    expect(new Set(ops)).toEqual(new Set(Object.values(INFO_OP)));
  });
});

describe('DEBUG', () => {
  const unit = { regIdx: 0, enable: true, outputSize: 0 };

  it('mode-is-needed-and-is-one-for-the-device', async () => {
    expect(await client.codeOf('DEBUG_FUNNEL', unit)).toBe('EFAULT');
    expect(await client.codeOf('DEBUG_SET_MODE', { enable: false })).toBe('EFAULT');
    await client.call('DEBUG_SET_MODE', { enable: true });
    expect(await client.codeOf('DEBUG_SET_MODE', { enable: true })).toBe('EFAULT');
    expect(await client.codeOf('DEBUG_FUNNEL', unit)).toBe('ok');
    expect(await client.codeOf('DEBUG_FUNNEL', { ...unit, regIdx: 76 })).toBe('EINVAL');
    expect(await client.codeOf('DEBUG_TIMESTAMP', { ...unit, outputSize: 2 ** 30 })).toBe('ENOMEM');
  });

  it('ends-with-the-context', async () => {
    await client.call('DEBUG_SET_MODE', { enable: true });
    client.close();
    client = await Client.open(kernel, 'hl0');
    expect(await client.codeOf('DEBUG_SET_MODE', { enable: true })).toBe('ok');
  });
});

describe('INJECT', () => {
  it('no-such-device-is-ENXIO', async () => {
    expect(await control.codeOf('INJECT', { device: 7, kind: 'reset', target: '', value: 0 })).toBe('ENXIO');
  });
});

function disposable<T extends { close(): void }>(value: T): { value: T } & Disposable {
  return { value, [Symbol.dispose]: () => value.close() };
}
