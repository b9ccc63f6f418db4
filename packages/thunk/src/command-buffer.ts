/**
 * A command buffer: packets that a program writes into memory it shares with the daemon, and then submits.
 *
 * Owns: its life, from CB_CREATE to CB_DESTROY. Packets go straight to the mapped memory; nothing is copied.
 * Must not know: packets (packet-writer.ts) or submission.
 */
import { HlError } from '@pedrera/base';
import { type CommandBufferHandle, MAX_CB_SIZE, MIN_CB_SIZE } from '@pedrera/uapi';
import { PacketWriter } from './packet-writer.js';
import { checkCount } from './region.js';
import type { MappedWindow } from './segments.js';
import type { Session } from './session.js';
import { allSettled } from './settled.js';

/** For an external queue. Methods that write packets are those of PacketWriter. */
export class CommandBuffer extends PacketWriter {
  readonly handle: CommandBufferHandle;
  protected readonly what = 'the command buffer';
  readonly #window: MappedWindow;
  #destroyed = false;

  constructor(session: Session, handle: CommandBufferHandle, size: number, window: MappedWindow) {
    super(session, size, window.words());
    this.handle = handle;
    this.#window = window;
  }

  /** Throws HlError: EFAULT after `destroy()`, EBADF after the device was closed. */
  override check(): void {
    this.#window.check();
  }

  /** Unmaps and destroys it; the second call does nothing. What was submitted runs on. */
  async destroy(): Promise<void> {
    if (this.#destroyed) return;
    this.#destroyed = true;
    await allSettled([this.#window.release(), this.session.ioctl('CB_DESTROY', { handle: this.handle })]);
  }

  /** Does nothing once the device is closed or the daemon gone: it is freed then. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.session.client.alive) await this.destroy();
  }
}

/**
 * CB_CREATE, then MMAP. `size` in bytes, at most 2 MiB - 32; less than a page counts as a page (uapi.md 3.2).
 * Errors: EINVAL for the size, ENOMEM, and those of MMAP. Nothing is left behind on failure.
 */
export async function createCommandBuffer(session: Session, size: number): Promise<CommandBuffer> {
  checkCount(size, 'createCommandBuffer: size');
  if (size > MAX_CB_SIZE)
    throw new HlError('EINVAL', `createCommandBuffer: ${size} bytes; the most is ${MAX_CB_SIZE}`, 'CB_CREATE');
  const { handle } = await session.ioctl('CB_CREATE', { size, flags: 0 });
  const room = Math.max(size, MIN_CB_SIZE);
  try {
    return new CommandBuffer(
      session,
      handle,
      room,
      await session.segments.map(handle, `the command buffer of ${room} bytes`, room),
    );
  } catch (error) {
    await session.ioctl('CB_DESTROY', { handle }).catch(() => {});
    throw error;
  }
}
