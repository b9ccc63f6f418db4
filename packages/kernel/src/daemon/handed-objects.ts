/**
 * Objects that processes hold as descriptors of the operating system, to pass them on by SCM_RIGHTS.
 *
 * Owns: which descriptor stands for which object, and the object's life as long as any process has a duplicate.
 * Must not know what the objects are good for.
 */

import { errno } from '@pedrera/base';
import { HandedDescriptor, socketIdentity } from '@pedrera/wire';
import type { Context } from '../core/context.js';
import type { Descriptor, DescriptorRights, SharedObject } from '../core/dma-buf/descriptor.js';
import { DmaBuf } from '../core/dma-buf/dma-buf.js';

/** Each costs the daemon a descriptor of its own, of which it has so many for all. */
const MAX_HANDED_OUT = 1024;

export interface HandedObject extends DescriptorRights {
  readonly object: SharedObject;
}

export class HandedObjects {
  readonly #handed = new Map<string, HandedObject & { readonly end: HandedDescriptor; readonly pid: number }>();
  readonly #countOf = new Map<number, number>();

  /** `send` gives a duplicate to a process; when it throws, nothing was handed out. Errors: EMFILE. */
  handOut({ object, flags, readOnly }: Descriptor, pid: number, send: (fd: number) => void): void {
    const count = this.#countOf.get(pid) ?? 0;
    if (count >= MAX_HANDED_OUT) {
      throw errno('EMFILE', `${count} descriptors that were made for process ${pid} are still open somewhere`);
    }
    const end = HandedDescriptor.create();
    this.#countOf.set(pid, count + 1);
    const letGo = holdFor(object, pid);
    const readable = object instanceof DmaBuf ? undefined : object.fence.watch(() => end.makeReadable());
    this.#handed.set(end.identity, { object, flags, readOnly, end, pid });
    end.onClosed(() => {
      this.#handed.delete(end.identity);
      this.#uncount(pid);
      readable?.remove();
      letGo();
    });
    if (!(object instanceof DmaBuf) && object.fence.signalled) {
      end.makeReadable();
    }
    try {
      send(end.fd);
      end.letGo();
    } catch (error) {
      end.close();
      throw error;
    }
  }

  /** What a descriptor of this process stands for, if it is a duplicate of one that was handed out. */
  find(fd: number): HandedObject | undefined {
    const identity = socketIdentity(fd);
    return identity === undefined ? undefined : this.#handed.get(identity);
  }

  /**
   * Lets go of dma-bufs that nobody has any more, of exporters like these. close() of the last duplicate has done that by the time it returns, as in the
   * driver; here the operating system's word of it may come after the next call of the program, to which it matters.
   */
  look(concerns: (exporter: Context) => boolean): void {
    for (const { object, end } of this.#handed.values()) {
      if (object instanceof DmaBuf && concerns(object.exporter.context)) {
        end.look();
      }
    }
  }

  /** For inspection: what was made for whom, and is open somewhere. */
  all(): Iterable<{ readonly object: SharedObject; readonly pid: number }> {
    return this.#handed.values();
  }

  #uncount(pid: number): void {
    const left = (this.#countOf.get(pid) ?? 0) - 1;
    if (left > 0) {
      this.#countOf.set(pid, left);
    } else {
      this.#countOf.delete(pid);
    }
  }

  /** Takes everything back, for the end of the daemon. */
  async close(): Promise<void> {
    await Promise.all(
      [...this.#handed.values()].map(
        ({ end }) =>
          new Promise<void>((resolve) => {
            end.onClosed(resolve);
            end.close();
          }),
      ),
    );
  }
}

function holdFor(object: SharedObject, pid: number): () => void {
  if (object instanceof DmaBuf) {
    const hold = object.hold('handed-out', pid);
    return () => hold.release();
  }
  object.get();
  return () => object.put();
}
