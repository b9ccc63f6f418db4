/**
 * A C program, as the daemon sees one: arg blocks as bytes, of either generation of the header.
 *
 * Owns: the open file, and the raw spelling of its calls. Must not know what is called for.
 */
import { errnoCode } from '@pedrera/base';
import {
  type Abi,
  decodeReply,
  encodeCall,
  entryOf,
  type IoctlName,
  PROTOCOL_VERSION,
  type RawReply,
  type Req,
  type Res,
} from '@pedrera/uapi';
import { RawMemory } from './raw-memory.js';
import { CLOSED, RawPeer } from './raw-peer.js';

export interface RawOutcome<N extends IoctlName> extends RawReply {
  /** An errno name, or '' for success. */
  readonly errno: string;
  readonly sentence: string;
  /** What the program reads from its block or its buffer; fields its header does not have are missing. */
  readonly res: Partial<Res<N>>;
}

export interface RawAnswer extends RawReply {
  readonly errno: string;
  readonly sentence: string;
}

export class RawProgram implements AsyncDisposable {
  readonly abi: Abi;
  readonly peer: RawPeer;
  readonly memory: RawMemory;
  #nextId = 1;

  private constructor(abi: Abi, peer: RawPeer, memory: RawMemory) {
    this.abi = abi;
    this.peer = peer;
    this.memory = memory;
  }

  static async start(abi: Abi, socketPath: string): Promise<RawProgram> {
    const peer = await RawPeer.connect(socketPath);
    await peer.call('HELLO', { version: PROTOCOL_VERSION, program: `header of ${abi}` });
    const { sideToken } = await peer.call('OPEN', { node: 'hl0' });
    return new RawProgram(abi, peer, await RawMemory.attach(peer, socketPath, sideToken));
  }

  /** ioctl(2) with any bytes. */
  async ioctl(cmd: number, block: Uint8Array, buffers: readonly (Uint8Array | null)[] = []): Promise<RawAnswer> {
    const id = this.#nextId++;
    const reply = await this.peer.exchange([id, cmd, block, buffers]);
    if (reply === CLOSED || reply[0] !== id) {
      throw new Error(`expected the answer to ${id}, heard ${String(reply)}`);
    }
    const [, errno, out, answers, sentence] = reply as [number, number, Uint8Array, Uint8Array[], string | undefined];
    return {
      errno: errno === 0 ? '' : (errnoCode(errno) ?? `errno ${errno}`),
      block: out,
      buffers: answers,
      sentence: sentence ?? '',
    };
  }

  /** A call of the table, whatever comes of it. */
  async try<N extends IoctlName>(name: N, req: Req<N>, options: { returnSize?: number } = {}): Promise<RawOutcome<N>> {
    const entry = entryOf(name);
    const { cmd, block, buffers } = encodeCall(entry, req, { abi: this.abi, ...options });
    const answer = await this.ioctl(cmd, block, buffers);
    return { ...answer, res: answer.errno === '' ? (decodeReply(entry, answer, this.abi) as Partial<Res<N>>) : {} };
  }

  /** A call that has to succeed. */
  async call<N extends IoctlName>(name: N, req: Req<N>): Promise<Partial<Res<N>>> {
    const { errno, sentence, res } = await this.try(name, req);
    if (errno !== '') {
      throw new Error(`${name}: ${errno} (${sentence})`);
    }
    return res;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.memory[Symbol.dispose]();
    await this.peer[Symbol.asyncDispose]();
  }
}
