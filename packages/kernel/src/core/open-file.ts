/**
 * One open file of a device node: what open(2) made and release() takes away.
 *
 * Owns: the handle table, host memory, descriptors, attachments, running waits, the context (primary node only); the order
 * of release (uapi.md 1.7). Must not know sockets: the session above calls release() at end-of-file.
 */
import { errno, type LeakTracker } from '@pedrera/base';
import { HANDLE_TYPE, handleId, handleType } from '@pedrera/uapi';
import { type Birth, Caller } from './caller.js';
import { CommandBuffer, HostBuffer, type HostObject } from './command-buffer.js';
import type { Context } from './context.js';
import type { HlDevice } from './device.js';
import type { ContextImport } from './dma-buf/context-import.js';
import { DescriptorTable } from './dma-buf/descriptor-table.js';
import type { Hold } from './dma-buf/dma-buf.js';
import { HandleTable } from './handle-table.js';
import { HostMemory } from './host-memory.js';
import { Notifier } from './notifier.js';

/** Each costs the daemon something, and a descriptor can be attached and mapped any number of times. */
const MAX_ATTACHMENTS = 65_536;

export type NodeKind = 'primary' | 'control';

export interface OpenFileOptions {
  readonly device: HlDevice;
  readonly node: NodeKind;
  readonly context: Context | undefined;
  readonly hostMemoryLimit: number;
  readonly tracker: LeakTracker;
  /** Whose calls make what the file holds. */
  readonly caller?: Caller;
}

export class OpenFile {
  readonly device: HlDevice;
  readonly node: NodeKind;
  /** Undefined on the control node. */
  readonly context: Context | undefined;
  readonly tracker: LeakTracker;
  readonly caller: Caller;
  readonly birth: Birth;
  readonly hostMemory: HostMemory;
  /** Command buffers and timestamp buffers, the driver's numbering. */
  readonly handles = new HandleTable<HostObject>();
  readonly hostBuffers = new HandleTable<HostObject>();
  /** Of dma-bufs and sync files. */
  readonly descriptors: DescriptorTable;
  readonly attachments = new HandleTable<ContextImport>();
  /** Mappings of dma-bufs by the client's processor. */
  readonly windows = new HandleTable<Hold>();
  /** Called when the file closes while a wait runs. */
  readonly abandonWaits = new Set<() => void>();
  readonly notifier = new Notifier();
  readonly #openedNs: number;
  #released: Promise<void> | undefined;
  #revoked: string | undefined;

  constructor({ device, node, context, hostMemoryLimit, tracker, caller = new Caller(device.clock) }: OpenFileOptions) {
    this.device = device;
    this.node = node;
    this.context = context;
    this.tracker = tracker;
    this.hostMemory = new HostMemory(hostMemoryLimit, tracker);
    this.#openedNs = device.clock.nowNs();
    this.caller = caller;
    this.birth = caller.birth();
    this.descriptors = new DescriptorTable({ pid: context?.pid ?? 0, birth: () => caller.birth() });
    context?.openedBy(caller);
    device.files.add(this);
  }

  get released(): boolean {
    return this.#released !== undefined;
  }

  /** Why no call is answered any more: a hard reset took all the file had (uapi.md 7.3). */
  get revoked(): string | undefined {
    return this.#revoked;
  }

  /**
   * What a hard reset does instead of killing the owner: all the file holds goes at once, as at close, but for the
   * client's mappings, which stay memory until it unmaps them.
   */
  revoke(reason: string): Promise<void> {
    this.#revoked ??= reason;
    this.hostMemory.keepContents();
    return this.release();
  }

  /** The context of a primary node. */
  get requireContext(): Context {
    if (this.context === undefined) {
      throw errno('ENOTTY', 'the control node has no context');
    }
    return this.context;
  }

  /** The context, if it can still do something. Errors: EIO once a time-out has ended its work. */
  get liveContext(): Context {
    const context = this.requireContext;
    if (context.lost !== undefined) {
      throw errno('EIO', `this context can do nothing more: ${context.lost}`);
    }
    return context;
  }

  /**
   * The object behind a handle; takes no reference. As in the driver only the number counts, not the type bits (uapi.md
   * 2.9), but for host buffers, which have a numbering of their own.
   */
  peekHandle(handle: bigint): HostObject {
    const table = handleType(handle) === HANDLE_TYPE.HOST_BUFFER ? this.hostBuffers : this.handles;
    const object = table.peek(handleId(handle));
    if (object === undefined) {
      throw errno('EINVAL', `no object has the handle 0x${handle.toString(16)}`);
    }
    return object;
  }

  peekCommandBuffer(handle: bigint): CommandBuffer {
    const object = this.peekHandle(handle);
    if (!(object instanceof CommandBuffer)) {
      throw errno('EINVAL', `handle 0x${handle.toString(16)} names a ${object.kind}, not a command buffer`);
    }
    return object;
  }

  peekHostBuffer(handle: bigint): HostBuffer {
    const object = this.peekHandle(handle);
    if (!(object instanceof HostBuffer)) {
      throw errno('EINVAL', `handle 0x${handle.toString(16)} names a ${object.kind}, not a host buffer`);
    }
    return object;
  }

  /** Errors: EMFILE. */
  checkAttachmentRoom(): void {
    if (this.attachments.size >= MAX_ATTACHMENTS) {
      throw errno('EMFILE', `this file holds ${MAX_ATTACHMENTS} attachments already`);
    }
  }

  peekAttachment(id: number): ContextImport {
    const attachment = this.attachments.peek(id);
    if (attachment === undefined) {
      throw errno('EINVAL', `attachment ${id} is not one of this file; it was never made, or is detached`);
    }
    return attachment;
  }

  /** Errors: EMFILE. */
  checkWindowRoom(): void {
    if (this.windows.size >= MAX_ATTACHMENTS) {
      throw errno('EMFILE', `this file maps ${MAX_ATTACHMENTS} dma-bufs already`);
    }
  }

  closeWindow(id: number): void {
    const window = this.windows.peek(id);
    if (window === undefined) {
      throw errno('EINVAL', `mapping ${id} is not one of this file`);
    }
    this.windows.remove(id);
    window.release();
  }

  /**
   * The last duplicate was closed, or its process is dead. Order: waits, work (where the policy cancels it), handles and
   * their mappings, descriptors, then the file's reference on the context.
   */
  release(): Promise<void> {
    this.#released ??= this.#release();
    return this.#released;
  }

  async #release(): Promise<void> {
    this.device.files.delete(this);
    this.notifier.close();
    for (const abandon of [...this.abandonWaits]) {
      abandon();
    }
    // At once: until the device has let go of the context, whoever has a token could still import what nobody exports.
    this.descriptors.endTokens();
    const { context, device } = this;
    if (context !== undefined) {
      device.contexts.fileClosed((device.clock.nowNs() - this.#openedNs) / 1e6);
      context.lost ??= this.#revoked ?? 'the file was closed';
      context.reservations.dropUnattached();
      if (device.policy.cancelOnRelease) {
        await context.stop();
      }
    }
    for (const object of [...this.handles.values(), ...this.hostBuffers.values()]) {
      if (object.mapped) {
        object.unmap();
      }
      if (!object.destroyed) {
        object.destroy();
      }
    }
    for (const id of [...this.windows.ids()]) {
      this.closeWindow(id);
    }
    for (const attachment of this.attachments.values()) {
      attachment.close();
    }
    this.descriptors.closeAll();
    context?.pending.close(this.hostMemory);
    context?.releaseAllocations();
    this.hostMemory.close();
    context?.fileClosed();
    context?.put();
  }
}
