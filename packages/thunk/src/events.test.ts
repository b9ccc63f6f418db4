/** Events of a device as an iteration: nothing is polled, nothing is lost, every end is one. */
import { writeSync } from 'node:fs';
import { HlError } from '@pedrera/base';
import { NOTIFIER_EVENT } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { openDevice } from './device.js';
import type { DeviceEvents } from './events.js';
import { FakeDaemon } from './testing/fake-daemon.js';

/** A daemon in this very process: it counts on the descriptor it was told. */
async function notifyingDaemon() {
  let fd = -1;
  let pending = 0;
  const daemon = await FakeDaemon.start({
    INFO_REGISTER_EVENTFD: ({ eventfd }) => {
      fd = eventfd;
      return {};
    },
    INFO_GET_EVENTS: () => {
      const events = pending;
      pending = 0;
      return { events };
    },
  });
  const one = Buffer.alloc(8);
  one.writeBigUInt64LE(1n);
  const notify = (mask: number): void => {
    pending |= mask;
    if (fd >= 0) writeSync(fd, one);
  };
  return { daemon, notify };
}

async function next(events: AsyncGenerator<DeviceEvents, void>): Promise<DeviceEvents | undefined> {
  const { value } = await events.next();
  return value ?? undefined;
}

describe('events', () => {
  it('pending-ones-first-then-as-they-come', async () => {
    const { daemon, notify } = await notifyingDaemon();
    await using _daemon = daemon;
    await using dev = await openDevice(0, { socketPath: daemon.socketPath });
    notify(NOTIFIER_EVENT.CS_TIMEOUT);
    const events = dev.events();
    expect(await next(events)).toEqual({ mask: 8, names: ['CS_TIMEOUT'] });
    const coming = next(events);
    notify(NOTIFIER_EVENT.DEVICE_RESET | NOTIFIER_EVENT.GENERAL_HW_ERR);
    expect((await coming)?.names).toEqual(['DEVICE_RESET', 'GENERAL_HW_ERR']);
    await events.return();
    expect(daemon.names.at(-1)).toBe('INFO_UNREGISTER_EVENTFD');
    // Each answer cost one question, and an idle wait one that found nothing.
    expect(daemon.names.filter((name) => name === 'INFO_GET_EVENTS').length).toBeLessThanOrEqual(4);
  });

  it('two-devices-share-a-bell', async () => {
    const { daemon, notify } = await notifyingDaemon();
    await using _daemon = daemon;
    await using first = await openDevice(0, { socketPath: daemon.socketPath });
    await using second = await openDevice(1, { socketPath: daemon.socketPath });
    const both = [first.events(), second.events()];
    const coming = Promise.race(both.map(next));
    notify(NOTIFIER_EVENT.TPC_ASSERT);
    expect((await coming)?.names).toEqual(['TPC_ASSERT']);
  });

  it('ends-with-the-device-and-with-an-abort', async () => {
    const { daemon } = await notifyingDaemon();
    await using _daemon = daemon;
    const dev = await openDevice(0, { socketPath: daemon.socketPath });
    const aborted = new AbortController();
    const ending = next(dev.events({ signal: aborted.signal }));
    await dev.info.deviceStatus();
    aborted.abort();
    expect(await ending).toBeUndefined();
    const closing = next(dev.events());
    await dev.info.deviceStatus();
    await dev.close();
    expect(await closing).toBeUndefined();
  });

  it('tells-what-went-wrong', async () => {
    const { daemon } = await notifyingDaemon();
    await using _daemon = daemon;
    const dev = await openDevice(0, { socketPath: daemon.socketPath });
    daemon.answers.INFO_GET_EVENTS = () => {
      throw new HlError('ENODEV', 'revoked by a reset');
    };
    await expect(next(dev.events())).rejects.toMatchObject({ code: 'ENODEV', ioctl: 'INFO_GET_EVENTS' });
    daemon.answers.INFO_GET_EVENTS = () => ({ events: 0 });
    const waiting = next(dev.events());
    await dev.info.deviceStatus();
    await daemon.kill();
    await expect(waiting).rejects.toMatchObject({ code: 'ENODEV' });
    await dev.close();
  });
});
