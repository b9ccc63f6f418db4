/**
 * Shared memory of one open file: command buffers, host buffers and the completion ring lie in segments that the daemon made.
 *
 * Owns: the side channel on which a segment's descriptor arrives, one whole mapping a segment, and when it is undone.
 * Must not know: what lies in a window. Raw memory itself is the wire package's business.
 */
import { closeSync } from 'node:fs';
import { HlError } from '@pedrera/base';
import { entryOf, MAX_FRAME_BYTES, type Res, toWire } from '@pedrera/uapi';
import { type MappedView, SharedMemory, SideChannel } from '@pedrera/wire';
import type { Session } from './session.js';

interface Segment {
  readonly id: number;
  readonly view: MappedView;
  /** It holds one large object and goes with it. Segments of small objects are used again, and their descriptor is not sent twice. */
  readonly own: boolean;
}

const WORD_BYTES = 4;
/** Request id on the side channel, which carries one request in its life. */
const SIDE_REQUEST_ID = 1;

export class Segments {
  readonly #session: Session;
  readonly #socketPath: string;
  readonly #token: Uint8Array;
  readonly #segments = new Map<number, Segment>();
  /** Descriptors that came before the reply that says how large their segment is. */
  readonly #early = new Map<number, number>();
  #side: Promise<SideChannel> | undefined;

  constructor(session: Session, socketPath: string, token: Uint8Array) {
    this.#session = session;
    this.#socketPath = socketPath;
    this.#token = token;
  }

  /**
   * Maps an object: `offset` is its handle, `what` names it in errors, `size` is how much of it the caller will use.
   * Errors: those of MMAP, and those of opening the side channel and of mmap(2) in this process.
   */
  async map(offset: bigint, what: string, size: number): Promise<MappedWindow> {
    const side = await this.#sideChannel();
    const place = await this.#session.ioctl('MMAP', { offset });
    try {
      this.#session.checkOpen(what);
      if (place.length < size || place.offset + place.length > place.segmentSize || place.offset % WORD_BYTES !== 0) {
        throw new HlError(
          'EPROTO',
          `${what} of ${size} bytes was placed at ${place.offset}, +${place.length} of ${place.segmentSize}`,
          'MMAP',
        );
      }
      const segment = this.#segments.get(place.segment) ?? this.#mapSegment(side, place);
      return new MappedWindow(this.#session, segment.view, { offset: place.offset, size, what }, () =>
        this.#release(offset, segment),
      );
    } catch (error) {
      await this.#session.ioctl('MUNMAP', { offset }).catch(() => {});
      throw error;
    }
  }

  /** The descriptor that comes with the reply of `ask`, which resolves with its tag. The caller's to close. Errors: those of `ask`. */
  async descriptor(ask: () => Promise<number>): Promise<number> {
    const side = await this.#sideChannel();
    return this.#descriptor(side, await ask());
  }

  /** The windows of a closed session throw when they are used; an array that somebody kept of one sees private zero pages. */
  close(): void {
    for (const { view } of this.#segments.values()) view.unmap();
    this.#segments.clear();
    for (const fd of this.#early.values()) closeSync(fd);
    this.#early.clear();
    this.#side?.then(
      (side) => side.close(),
      () => {},
    );
  }

  /** Called once by each window. */
  async #release(offset: bigint, segment: Segment): Promise<void> {
    if (segment.own) {
      this.#segments.delete(segment.id);
      segment.view.unmap();
    }
    await this.#session.ioctl('MUNMAP', { offset });
  }

  #sideChannel(): Promise<SideChannel> {
    this.#side ??= this.#connectSide();
    return this.#side;
  }

  async #connectSide(): Promise<SideChannel> {
    let side: SideChannel | undefined;
    try {
      side = SideChannel.connect(this.#socketPath);
      const entry = entryOf('SIDE_CHANNEL');
      const request = [SIDE_REQUEST_ID, entry.code, toWire(entry, { token: this.#token })];
      const reply = await side.exchange(request, MAX_FRAME_BYTES);
      if (reply[1] !== 0)
        throw new HlError('EPROTO', `the daemon refused the side channel: ${String(reply[2])}`, 'SIDE_CHANNEL');
      return side;
    } catch (error) {
      side?.close();
      // The next map tries again: a full table of descriptors, for one, may have room then.
      this.#side = undefined;
      throw error;
    }
  }

  #mapSegment(side: SideChannel, place: Res<'MMAP'>): Segment {
    const fd = this.#descriptor(side, place.segment);
    let memory: SharedMemory;
    try {
      memory = SharedMemory.fromFd(fd, place.segmentSize);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    try {
      const view = memory.map(0, place.segmentSize);
      const segment = { id: place.segment, view, own: place.length === place.segmentSize };
      this.#segments.set(place.segment, segment);
      return segment;
    } finally {
      // The mapping holds the memory; a descriptor for each segment would only fill the process's table.
      memory.close();
    }
  }

  #descriptor(side: SideChannel, id: number): number {
    for (;;) {
      const early = this.#early.get(id);
      if (early !== undefined) {
        this.#early.delete(id);
        return early;
      }
      const { tag, fd } = side.receiveDescriptor();
      this.#early.set(tag, fd);
    }
  }
}

interface WindowPlace {
  /** Within the segment. */
  readonly offset: number;
  readonly size: number;
  /** Name in errors. */
  readonly what: string;
}

/** The bytes of one object. Looks at whether they may still be used each time they are asked for. */
export class MappedWindow {
  readonly #session: Session;
  readonly #view: MappedView;
  readonly #place: WindowPlace;
  readonly #onRelease: () => Promise<void>;
  #bytes: Uint8Array | undefined;
  #released = false;

  constructor(session: Session, view: MappedView, place: WindowPlace, onRelease: () => Promise<void>) {
    this.#session = session;
    this.#view = view;
    this.#place = place;
    this.#onRelease = onRelease;
  }

  /** Throws HlError: EBADF after the device was closed, EFAULT after release. */
  get bytes(): Uint8Array {
    this.check();
    const { offset, size } = this.#place;
    this.#bytes ??= this.#view.bytes.subarray(offset, offset + size);
    return this.#bytes;
  }

  /** Throws as `bytes` does, without making an array. */
  check(): void {
    if (this.#released) throw new HlError('EFAULT', `${this.#place.what} was used after it was freed`);
    this.#session.checkOpen(this.#place.what);
  }

  /** The same memory as dwords. Preconditions: the object begins at a page, as all that are mapped do. */
  words(): Uint32Array {
    const { buffer, byteOffset, length } = this.bytes;
    return new Uint32Array(buffer, byteOffset, length >>> 2);
  }

  /** Gets real memory for all of it now, so that first writes run at the speed of memcpy. */
  populate(): void {
    this.check();
    this.#view.populate(this.#place.offset, this.#place.size);
  }

  /** Lets go of the memory; the second call does nothing. */
  async release(): Promise<void> {
    if (this.#released) return;
    this.#released = true;
    this.#bytes = undefined;
    await this.#onRelease();
  }
}
