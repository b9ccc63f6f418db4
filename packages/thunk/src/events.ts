/**
 * What a device tells the programs that have it open: resets, time-outs, bad accesses (uapi.md 7.4).
 *
 * Owns: the one event counter (eventfd) of this process and who listens to it. The daemon counts on it when something happens, and what it
 * was is asked for then, so nothing is polled. Must not know: what a program does about an event.
 */
import { HlError } from '@pedrera/base';
import { NOTIFIER_EVENT } from '@pedrera/uapi';
import { EventFd } from '@pedrera/wire';
import type { Session } from './session.js';

export type DeviceEventName = keyof typeof NOTIFIER_EVENT;

/** What happened since the last time. */
export interface DeviceEvents {
  /** Bits of NOTIFIER_EVENT. */
  readonly mask: number;
  /** Their names. */
  readonly names: readonly DeviceEventName[];
}

export interface EventOptions {
  /** Ends the iteration, as `device.close()` does. */
  readonly signal?: AbortSignal;
}

/**
 * Events as they come, those pending first. One iteration at a time for each open file. Ends when the program closes the device or aborts;
 * throws ENODEV when the daemon is gone or a reset revoked the open file, EINVAL when this open file has an event descriptor already, EPERM
 * where the machine does not let the daemon take the descriptor.
 */
export async function* deviceEvents(session: Session, { signal }: EventOptions): AsyncGenerator<DeviceEvents, void> {
  const ear = new Ear();
  const wake = (): void => ear.hear();
  try {
    session.letDaemonReach();
    bell.join(ear);
    await session.ioctl('INFO_REGISTER_EVENTFD', { eventfd: bell.fd });
    signal?.addEventListener('abort', wake);
    void session.client.closed.then(wake);
    while (signal?.aborted !== true) {
      // Listened before it is asked: what happens in between is heard.
      const heard = ear.listen();
      const { events: mask } = await session.ioctl('INFO_GET_EVENTS', {});
      if (mask !== 0) yield { mask, names: namesOf(mask) };
      else await heard;
    }
  } catch (error) {
    // The program itself closed the device: the end, not a failure.
    if (!(error instanceof HlError && error.code === 'EBADF' && !session.client.alive)) throw error;
  } finally {
    signal?.removeEventListener('abort', wake);
    bell.leave(ear);
    // Of no use to who is gone, and refused during a reset: the counter goes with the open file at the latest.
    if (session.client.alive) await session.ioctl('INFO_UNREGISTER_EVENTFD', {}).catch(() => {});
  }
}

function namesOf(mask: number): DeviceEventName[] {
  const known = Object.entries(NOTIFIER_EVENT) as [DeviceEventName, number][];
  return known.filter(([, bit]) => (mask & bit) !== 0).map(([name]) => name);
}

/** One listener. What comes while nobody listens is found by asking. */
class Ear {
  #resolve: (() => void) | undefined;

  listen(): Promise<void> {
    return new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  hear(): void {
    this.#resolve?.();
  }
}

/**
 * One counter for all devices of the process, because waiting for it takes a thread of Node's pool, which has four.
 */
class Bell {
  readonly #ears = new Set<Ear>();
  #counter: EventFd | undefined;
  readonly #ring = (): void => this.#counter?.signal();

  /** Preconditions: somebody has joined. */
  get fd(): number {
    if (this.#counter === undefined) throw new HlError('EBADF', 'nobody listens for events');
    return this.#counter.fd;
  }

  join(ear: Ear): void {
    this.#ears.add(ear);
    if (this.#counter !== undefined) return;
    this.#counter = EventFd.create(0, { blocking: true });
    // A thread that still waits would keep the process from ending.
    process.on('exit', this.#ring);
    void this.#listen(this.#counter);
  }

  leave(ear: Ear): void {
    this.#ears.delete(ear);
    if (this.#ears.size > 0) return;
    const counter = this.#counter;
    this.#counter = undefined;
    process.off('exit', this.#ring);
    counter?.signal();
  }

  async #listen(counter: EventFd): Promise<void> {
    while (this.#counter === counter) {
      await counter.next();
      for (const ear of this.#ears) ear.hear();
    }
    counter.close();
  }
}

const bell = new Bell();
