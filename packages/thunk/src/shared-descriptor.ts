/**
 * A descriptor of an open file: what stands for a dma-buf or a sync file there, as a file descriptor does in a process.
 *
 * Owns: how it travels to other processes, what poll(2) says of it, and its end. Must not know: what is behind it.
 */
import { HlError } from '@pedrera/base';
import { POLL_EVENTS, TOKEN_FLAGS } from '@pedrera/uapi';
import type { Session } from './session.js';
import type { SubmissionContext, WaitOptions } from './submission.js';

export interface TokenOptions {
  /** Good for one use. */
  readonly once?: boolean;
  /** Gives no more than reading. */
  readonly readOnly?: boolean;
}

const NS_PER_MS = 1e6;
/** DESCRIPTOR_POLL takes 31 bits. */
const LONGEST_POLL_MS = 2 ** 31 - 1;
const FOR_EVER = -1;

export abstract class SharedDescriptor {
  readonly context: SubmissionContext;
  /** Descriptor number in this open file. */
  readonly fd: number;
  #closed = false;

  constructor(context: SubmissionContext, fd: number) {
    this.context = context;
    this.fd = fd;
  }

  get session(): Session {
    return this.context.session;
  }

  /** An unguessable name to hand to another process by any means; it ends with this descriptor. */
  async newToken({ once = false, readOnly = false }: TokenOptions = {}): Promise<string> {
    const flags = (once ? TOKEN_FLAGS.ONCE : 0) | (readOnly ? TOKEN_FLAGS.READ_ONLY : 0);
    return (await this.session.ioctl('DMABUF_TOKEN', { fd: this.fd, flags })).token;
  }

  /**
   * A descriptor of this process, the caller's to close, that can be inherited by a child or passed on by SCM_RIGHTS; `Device.receive` takes it
   * there. What it stands for lives as long as any duplicate of it is open.
   */
  async processDescriptor(): Promise<number> {
    const { segments } = this.session;
    return await segments.descriptor(async () => (await this.session.ioctl('DMABUF_SEND', { fd: this.fd })).tag);
  }

  /** Ends the descriptor and its tokens; the second call does nothing. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.session.ioctl('DMABUF_CLOSE', { fd: this.fd });
  }

  /** Does nothing once the device is closed or the daemon gone: it is freed then. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.session.client.alive) await this.close();
  }

  /** Resolves with whether one of the events came in time. */
  protected async poll(events: keyof typeof POLL_EVENTS, { timeoutMs }: WaitOptions): Promise<boolean> {
    if (timeoutMs !== undefined && !(timeoutMs >= 0)) throw new HlError('EINVAL', `poll: a timeout of ${timeoutMs} ms`);
    const { session, waits } = this.context;
    const deadlineNs =
      timeoutMs === undefined ? Number.POSITIVE_INFINITY : session.clock.nowNs() + timeoutMs * NS_PER_MS;
    // It is a wait like any other: it must leave room for the submission that ends it. One that looks once needs no place.
    const gated = timeoutMs !== 0;
    if (gated && !(await waits.enter(deadlineNs))) return false;
    try {
      const leftMs = Math.max(0, Math.ceil((deadlineNs - session.clock.nowNs()) / NS_PER_MS));
      const asked = timeoutMs === undefined ? FOR_EVER : Math.min(leftMs, LONGEST_POLL_MS);
      const request = { fd: this.fd, events: POLL_EVENTS[events], timeoutMs: asked };
      return (await session.ioctl('DESCRIPTOR_POLL', request)).revents !== 0;
    } finally {
      if (gated) waits.leave();
    }
  }
}
