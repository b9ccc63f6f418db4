/** A descriptor is known again however it was duplicated, tells when it is gone, and cannot be made up. */
import { closeSync, openSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { HandedDescriptor, socketIdentity } from './handed-descriptor.unsafe.js';
import { native, O } from './native.unsafe.js';
import { pidfdGetfd } from './other-process.unsafe.js';

const duplicate = (fd: number) => pidfdGetfd(process.pid, fd);

describe('HandedDescriptor', () => {
  it('a-duplicate-is-the-same', () => {
    const handed = HandedDescriptor.create();
    const copy = duplicate(handed.fd);
    expect(socketIdentity(copy)).toBe(handed.identity);
    closeSync(copy);
    handed.close();
  });

  it('others-are-not', () => {
    const [one, two] = [HandedDescriptor.create(), HandedDescriptor.create()];
    expect(one.identity).not.toBe(two.identity);
    const file = openSync('/dev/null', 'r');
    expect(socketIdentity(file)).toBeUndefined();
    expect(socketIdentity(-1)).toBeUndefined();
    closeSync(file);
    one.close();
    two.close();
  });

  it('a-number-used-again-is-another-one', () => {
    const first = HandedDescriptor.create();
    const copy = duplicate(first.fd);
    closeSync(copy);
    const second = HandedDescriptor.create();
    const again = duplicate(second.fd);
    expect(socketIdentity(again)).not.toBe(first.identity);
    closeSync(again);
    first.close();
    second.close();
  });

  it('tells-when-the-last-duplicate-is-closed', async () => {
    const handed = HandedDescriptor.create();
    const copies = [duplicate(handed.fd), duplicate(handed.fd)] as const;
    let gone = false;
    const closed = new Promise<void>((resolve) => {
      handed.onClosed(() => {
        gone = true;
        resolve();
      });
    });
    handed.letGo();
    closeSync(copies[0]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(gone).toBe(false);
    closeSync(copies[1]);
    await closed;
  });

  it('becomes-readable', async () => {
    const handed = HandedDescriptor.create();
    const copy = duplicate(handed.fd);
    const readable = () => {
      const request = Buffer.alloc(8);
      request.writeInt32LE(copy, 0);
      request.writeInt16LE(O.POLLIN, 4);
      return native().libc.poll(request, 1, 1000);
    };
    handed.makeReadable();
    await new Promise((resolve) => setImmediate(resolve));
    expect(readable()).toBe(1);
    closeSync(copy);
    handed.close();
  });
});
