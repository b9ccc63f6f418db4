/**
 * The C program of `relay/*.c` as a child with the preload library in it: one frame asks for one call, one answers it.
 *
 * Owns: the child, its frames (relay/relay.h), and whose answer an answer is. Must not know what the calls are about.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { shimVariables } from '@pedrera/testkit';

const PROGRAM = fileURLToPath(new URL('../../dist/conformance-relay', import.meta.url));

/** As in relay/relay.h. */
export const OPERATION = {
  OPEN: 1,
  CLOSE: 2,
  IOCTL: 3,
  MMAP: 4,
  MUNMAP: 5,
  MEMORY: 6,
  TAKE: 7,
  SEEK: 8,
  NOTHING: 9,
  INTERRUPT: 10,
  READ_FILE: 11,
  WRITE_FILE: 12,
  STAT_FILE: 13,
  LIST_FILES: 14,
} as const;
export type Operation = (typeof OPERATION)[keyof typeof OPERATION];

export interface RelayAnswer {
  /** errno; 0 for success. */
  readonly error: number;
  readonly value: bigint;
  readonly bytes: Uint8Array;
}

const LENGTH_BYTES = 4;
const QUESTION_BYTES = 40;
const ANSWER_BYTES = 16;

/** Why there is no such program here; undefined if there is. */
export function relayObstacle(): string | undefined {
  return existsSync(PROGRAM) ? undefined : 'the C programs were not built: there is no C compiler';
}

interface Waiter {
  resolve(answer: RelayAnswer): void;
  reject(error: Error): void;
}

export class RelayProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiters = new Map<number, Waiter>();
  readonly #exited: Promise<unknown>;
  #nextId = 1;
  #received = Buffer.alloc(0);
  #complaint = '';
  #ended: Error | undefined;

  constructor(socketPath: string) {
    const variables = shimVariables({ socketPath, debugfs: true, preload: undefined });
    this.#child = spawn(PROGRAM, [], { env: { ...process.env, ...variables } });
    this.#exited = once(this.#child, 'close').then(([code, signal]: unknown[]) => this.#over(code, signal));
    this.#child.stdout.on('data', (chunk: Buffer) => this.#hear(chunk));
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#complaint += text;
    });
    // The end of the child is told by `close`; writing to one that died says no more.
    this.#child.stdin.on('error', () => {});
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  ask(operation: Operation, numbers: readonly (number | bigint)[], bytes: Uint8Array = new Uint8Array()) {
    return new Promise<RelayAnswer>((resolve, reject) => {
      if (this.#ended !== undefined) {
        reject(this.#ended);
        return;
      }
      const id = this.#nextId++;
      this.#waiters.set(id, { resolve, reject });
      const head = Buffer.alloc(LENGTH_BYTES + QUESTION_BYTES);
      head.writeUInt32LE(QUESTION_BYTES + bytes.length, 0);
      head.writeUInt32LE(id, 4);
      head.writeUInt32LE(operation, 8);
      numbers.forEach((number, i) => {
        head.writeBigUInt64LE(BigInt.asUintN(64, BigInt(number)), 12 + 8 * i);
      });
      this.#child.stdin.write(Buffer.concat([head, bytes]));
    });
  }

  /** Everything asked for before this has begun: it is done, or waits for something. */
  async begun(): Promise<void> {
    if (this.#waiters.size > 0) {
      await this.ask(OPERATION.NOTHING, []);
    }
  }

  /** A signal for every thread that waits in a call. */
  async interrupt(): Promise<void> {
    for (const id of [...this.#waiters.keys()]) {
      await this.ask(OPERATION.INTERRUPT, [id]);
    }
  }

  /** The end of its input ends it, and with it every call it waits in. */
  async end(): Promise<void> {
    this.#child.stdin.end();
    await this.#exited;
  }

  #hear(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    for (;;) {
      const all = this.#received;
      const length = all.length < LENGTH_BYTES ? Number.POSITIVE_INFINITY : all.readUInt32LE(0);
      if (all.length < LENGTH_BYTES + length) {
        return;
      }
      const frame = all.subarray(LENGTH_BYTES, LENGTH_BYTES + length);
      this.#received = all.subarray(LENGTH_BYTES + length);
      const waiter = this.#waiters.get(frame.readUInt32LE(0));
      this.#waiters.delete(frame.readUInt32LE(0));
      waiter?.resolve({
        error: frame.readInt32LE(4),
        value: frame.readBigUInt64LE(8),
        bytes: Uint8Array.from(frame.subarray(ANSWER_BYTES)),
      });
    }
  }

  #over(code: unknown, signal: unknown): void {
    this.#ended = new Error(`the C program ended (${String(signal ?? code)}) ${this.#complaint}`.trim());
    for (const waiter of this.#waiters.values()) {
      waiter.reject(this.#ended);
    }
    this.#waiters.clear();
  }
}
