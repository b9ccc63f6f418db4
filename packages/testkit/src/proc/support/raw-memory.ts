/**
 * Shared memory for a client without manners: the side channel and the mappings of one open file.
 *
 * Owns: descriptors and mappings of this process, and their end. Must not know what is written into the memory.
 */
import { entryOf, MAX_FRAME_BYTES } from '@pedrera/uapi';
import { type MappedView, SharedMemory, SideChannel } from '@pedrera/wire';
import type { RawPeer } from './raw-peer.js';

export class RawMemory implements Disposable {
  readonly #peer: RawPeer;
  readonly #side: SideChannel;
  readonly #views = new Map<number, MappedView>();

  private constructor(peer: RawPeer, side: SideChannel) {
    this.#peer = peer;
    this.#side = side;
  }

  static async attach(peer: RawPeer, socketPath: string, sideToken: Uint8Array): Promise<RawMemory> {
    const side = SideChannel.connect(socketPath);
    const [, errno, sentence] = await side.exchange([1, entryOf('SIDE_CHANNEL').code, [sideToken]], MAX_FRAME_BYTES);
    if (errno !== 0) {
      side.close();
      throw new Error(`SIDE_CHANNEL: ${String(sentence)}`);
    }
    return new RawMemory(peer, side);
  }

  /** The bytes of a command buffer or host buffer. */
  async map(offset: bigint): Promise<Uint8Array> {
    const place = await this.#peer.call('MMAP', { offset });
    let view = this.#views.get(place.segment);
    if (view === undefined) {
      const { tag, fd } = this.#side.receiveDescriptor();
      if (tag !== place.segment) {
        throw new Error(`the descriptor of segment ${tag} came, not of ${place.segment}`);
      }
      const memory = SharedMemory.fromFd(fd, place.segmentSize);
      view = memory.map(0, place.segmentSize);
      memory.close();
      this.#views.set(place.segment, view);
    }
    return view.bytes.subarray(place.offset, place.offset + place.length);
  }

  [Symbol.dispose](): void {
    for (const view of this.#views.values()) {
      view.unmap();
    }
    this.#views.clear();
    this.#side.close();
  }
}
