/** Counts, never blocks, takes nothing for an event counter that is none. */
import { closeSync, openSync, writeSync } from 'node:fs';
import { HlError } from '@pedrera/base';
import { describe, expect, it } from 'vitest';
import { EventFd, isEventFd } from './event-fd.unsafe.js';
import { native, O } from './native.unsafe.js';

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return error instanceof HlError ? error.code : String(error);
  }
  return 'none';
}

describe('EventFd', () => {
  it('signals-add-up-until-they-are-taken', () => {
    using counter = EventFd.create();
    expect(counter.take()).toBe(0n);
    counter.signal();
    counter.signal();
    expect(counter.take()).toBe(2n);
    expect(counter.take()).toBe(0n);
  });

  it('next-waits-for-a-signal', async () => {
    using counter = EventFd.create(0, { blocking: true });
    const next = counter.next();
    counter.signal();
    expect(await next).toBe(1n);
  });

  it('starts-where-it-was-told', () => {
    using counter = EventFd.create(5);
    counter.signal();
    expect(counter.take()).toBe(6n);
    expect(codeOf(() => EventFd.create(-1))).toBe('EINVAL');
    expect(codeOf(() => EventFd.create(2 ** 32))).toBe('EINVAL');
    expect(codeOf(() => EventFd.create(0.5))).toBe('EINVAL');
  });

  it('a-full-counter-that-blocks-holds-nobody-up', () => {
    const { libc } = native();
    // No EFD_NONBLOCK: as a program may have made it.
    using counter = EventFd.fromFd(libc.eventfd(0, O.EFD_CLOEXEC));
    const most = Buffer.alloc(8);
    most.writeBigUInt64LE(0xffff_ffff_ffff_fffen);
    writeSync(counter.fd, most);
    counter.signal();
    expect(counter.take()).toBe(0xffff_ffff_ffff_fffen);
  });

  it('knows-its-own-kind', () => {
    const file = openSync('/dev/null', 'r+');
    expect(isEventFd(file)).toBe(false);
    expect(codeOf(() => EventFd.fromFd(file))).toBe('EINVAL');
    closeSync(file);
    expect(isEventFd(file)).toBe(false);
    expect(isEventFd(-1)).toBe(false);
    using counter = EventFd.create();
    expect(isEventFd(counter.fd)).toBe(true);
  });

  it('is-of-no-use-once-closed', () => {
    const counter = EventFd.create();
    counter.close();
    counter.close();
    expect(codeOf(() => counter.signal())).toBe('EBADF');
    expect(codeOf(() => counter.fd)).toBe('EBADF');
  });
});
