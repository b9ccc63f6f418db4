/**
 * A network card's node: memory regions of dma-bufs, and transfers between them with no processor in between (uapi.md 6.6).
 *
 * Owns: the open file, which completion belongs to which transfer. Must not know: where the memory lies, or who exported it.
 */
import { HlError } from '@pedrera/base';
import { MAX_RDMA_BYTES, MAX_RDMA_COMPLETIONS, MR_ACCESS, RDMA_OP, RDMA_STATUS } from '@pedrera/uapi';
import { type ConnectOptions, openSession, type Session } from './session.js';

export interface RegisterOptions {
  /** Part of the buffer; all of it otherwise. */
  readonly offset?: number;
  readonly length?: number;
  /** What others may do with the region's key; both, unless told otherwise. */
  readonly remote?: 'none' | 'read' | 'write' | 'both';
}

export interface Transfer {
  /** Of the other region. */
  readonly key: string;
  readonly size: number;
  readonly offset?: number;
  readonly remoteOffset?: number;
}

const REMOTE = {
  none: 0,
  read: MR_ACCESS.REMOTE_READ,
  write: MR_ACCESS.REMOTE_WRITE,
  both: MR_ACCESS.REMOTE_READ | MR_ACCESS.REMOTE_WRITE,
} as const;

const WHY: Readonly<Record<number, string>> = {
  [RDMA_STATUS.LOCAL_PROTECTION]: 'the own region is gone, or its device does not answer',
  [RDMA_STATUS.FLUSHED]: 'it was dropped',
  [RDMA_STATUS.REMOTE_ACCESS]: 'the key names no region, one too small, or one that does not allow it',
  [RDMA_STATUS.REMOTE_OPERATION]: 'the device behind the other region does not answer',
  [RDMA_STATUS.RETRY_EXCEEDED]: 'the two cards have no link that is up',
};

/** A completion with an error. */
export class TransferError extends HlError {
  /** A value of RDMA_STATUS. */
  readonly status: number;
  /** Moved before it. */
  readonly bytes: number;

  constructor(status: number, bytes: number) {
    super(
      'EIO',
      `the transfer ended with status ${status} after ${bytes} bytes: ${WHY[status] ?? 'unknown'}`,
      'RDMA_POST',
    );
    this.status = status;
    this.bytes = bytes;
  }
}

interface Waiting {
  resolve(bytes: number): void;
  reject(error: Error): void;
}

export class NetworkCard {
  readonly #session: Session;
  readonly #waiting = new Map<number, Waiting>();
  /** Completions that arrived before the reply with their transfer's number. */
  readonly #early = new Map<number, { readonly status: number; readonly bytes: number }>();
  #polling = false;
  #posting = 0;

  constructor(session: Session) {
    this.#session = session;
  }

  get node(): string {
    return this.#session.node;
  }

  /** Makes a memory region of what a token names. Errors: ENOENT, EINVAL, EPERM where the card cannot reach it. */
  async register(token: string, options: RegisterOptions = {}): Promise<MemoryRegion> {
    const { fd, size } = await this.#session.ioctl('DMABUF_OPEN', { token });
    try {
      const { offset = 0, length = size - offset, remote = 'both' } = options;
      const accessFlags = MR_ACCESS.LOCAL_WRITE | REMOTE[remote];
      const request = { fd, offset, length, iova: 0, accessFlags };
      const { mrHandle } = await this.#session.ioctl('IMPORTER_REG_MR', request);
      return new MemoryRegion(this, this.#session, mrHandle, length);
    } finally {
      // The region keeps the buffer.
      await this.#session.ioctl('DMABUF_CLOSE', { fd });
    }
  }

  /** Of MemoryRegion only. Resolves with the bytes moved; rejects with TransferError. */
  async transfer(op: number, mrHandle: number, { key, size, offset = 0, remoteOffset = 0 }: Transfer): Promise<number> {
    this.#posting++;
    let id: number;
    try {
      ({ id } = await this.#session.ioctl('RDMA_POST', { op, mrHandle, offset, key, remoteOffset, size }));
    } finally {
      this.#posting--;
    }
    const done = new Promise<number>((resolve, reject) => this.#waiting.set(id, { resolve, reject }));
    this.#settleEarly(id);
    this.#poll();
    return done;
  }

  async close(): Promise<void> {
    await this.#session.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** One question at a time is out, for as long as anything is under way. */
  #poll(): void {
    if (this.#polling || this.#waiting.size === 0) return;
    this.#polling = true;
    this.#session.ioctl('RDMA_POLL', { max: MAX_RDMA_COMPLETIONS, wait: true }).then(
      ({ completions }) => {
        this.#polling = false;
        for (const { id, status, bytes } of completions) {
          this.#early.set(id, { status, bytes });
          this.#settleEarly(id);
        }
        if (this.#posting === 0 && this.#waiting.size === 0) this.#early.clear();
        this.#poll();
      },
      (error: Error) => {
        this.#polling = false;
        const waiting = [...this.#waiting.values()];
        this.#waiting.clear();
        for (const { reject } of waiting) reject(error);
      },
    );
  }

  #settleEarly(id: number): void {
    const outcome = this.#early.get(id);
    const waiting = this.#waiting.get(id);
    if (outcome === undefined || waiting === undefined) return;
    this.#early.delete(id);
    this.#waiting.delete(id);
    if (outcome.status === RDMA_STATUS.SUCCESS) waiting.resolve(outcome.bytes);
    else waiting.reject(new TransferError(outcome.status, outcome.bytes));
  }
}

export class MemoryRegion {
  readonly size: number;
  readonly #card: NetworkCard;
  readonly #session: Session;
  readonly #handle: number;

  constructor(card: NetworkCard, session: Session, handle: number, size: number) {
    this.#card = card;
    this.#session = session;
    this.#handle = handle;
    this.size = size;
  }

  /** What others name it by; possession is the right to what it was registered for. */
  async key(): Promise<string> {
    return (await this.#session.ioctl('MR_KEY', { mrHandle: this.#handle })).key;
  }

  async put(offset: number, data: Uint8Array): Promise<void> {
    for (let at = 0; at < data.length; at += MAX_RDMA_BYTES) {
      const part = data.subarray(at, at + MAX_RDMA_BYTES);
      await this.#session.ioctl('MR_PUT', { mrHandle: this.#handle, offset: offset + at, data: part });
    }
  }

  async get(offset: number, size: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(size);
    for (let at = 0; at < size; at += MAX_RDMA_BYTES) {
      const part = { mrHandle: this.#handle, offset: offset + at, size: Math.min(MAX_RDMA_BYTES, size - at) };
      bytes.set((await this.#session.ioctl('MR_GET', part)).data, at);
    }
    return bytes;
  }

  /** Moves bytes of this region into the one a key names. Resolves with how many; rejects with TransferError. */
  write(transfer: Transfer): Promise<number> {
    return this.#card.transfer(RDMA_OP.WRITE, this.#handle, transfer);
  }

  /** The other way. */
  read(transfer: Transfer): Promise<number> {
    return this.#card.transfer(RDMA_OP.READ, this.#handle, transfer);
  }

  /** Deregisters it: its key names nothing any more. */
  async close(): Promise<void> {
    await this.#session.ioctl('IMPORTER_DEREG_MR', { mrHandle: this.#handle });
  }
}

/** Opens a card's node: the one of a machine nobody described, unless told otherwise. Errors: ENOENT. */
export async function openNetworkCard(options: ConnectOptions & { readonly node?: string } = {}): Promise<NetworkCard> {
  const { node = 'hli', ...connection } = options;
  return new NetworkCard(await openSession(node, connection));
}
