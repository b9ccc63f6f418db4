/**
 * A client that calls anything with anything, and holds the daemon to what it owes everybody.
 *
 * Owns: its connection, which it makes anew when the daemon hangs up on it, and what an answer has to look like.
 * Must not know where the calls come from.
 */
import { errnoCode, type Prng } from '@pedrera/base';
import { entryOf, type IoctlName, NR } from '@pedrera/uapi';
import { CLOSED, type Heard, RawPeer } from '../proc/support/raw-peer.js';

/** Far longer than any answer takes; reached only when one is missing. */
const PATIENCE_MS = 20_000;
const LONGEST_SENTENCE = 1000;
const MOST_REMEMBERED = 64;
const LONGEST_WAIT_US = 1000;
/** Where WAIT_CS has its time-out. */
const TIMEOUT_AT = 8;
const TIMEOUT_END = 16;

/** Values that mean something, because a call returned them: what makes the next call get further than its validation. */
export class Memory {
  readonly #values = new Map<string, unknown[]>();

  /** Keeps what is in a result, however deep. */
  learn(value: unknown): void {
    if (Array.isArray(value)) {
      for (const part of value) {
        this.learn(part);
      }
      return;
    }
    const known = this.#values.get(kindOf(value)) ?? [];
    known.push(value);
    this.#values.set(kindOf(value), known.slice(-MOST_REMEMBERED));
  }

  /** The same arguments, with some of them replaced by something of the same kind that was returned before. */
  recall(value: unknown, prng: Prng): unknown {
    if (Array.isArray(value)) {
      return value.map((part) => this.recall(part, prng));
    }
    const known = this.#values.get(kindOf(value));
    return known !== undefined && prng.below(2) === 0 ? prng.pick(known) : value;
  }
}

/** Handles may come as bigint or number; a 64-bit number is not the same kind as a small one. */
function kindOf(value: unknown): string {
  if (value instanceof Uint8Array) {
    return 'bytes';
  }
  return typeof value === 'number' && value < 2 ** 32
    ? 'small number'
    : typeof value === 'number'
      ? 'bigint'
      : typeof value;
}

export class FuzzClient implements AsyncDisposable {
  readonly memory = new Memory();
  readonly #socketPath: string;
  readonly #node: string;
  #peer: RawPeer | undefined;
  #nextId = 1;
  /** How many calls ended with each errno, and how many connections. */
  readonly tally = new Map<string, number>();

  constructor(socketPath: string, node = 'hl0') {
    this.#socketPath = socketPath;
    this.#node = node;
  }

  /** A typed call with any arguments. Throws when the answer is not one the daemon may give. */
  async call(name: IoctlName, args: unknown): Promise<void> {
    const { code } = entryOf(name);
    if (args instanceof Uint8Array) {
      // Bytes for arguments are the raw spelling, of whatever command the code happens to be.
      await this.rawCall(code, args, []);
      return;
    }
    const id = this.#nextId++;
    const reply = await this.exchange([id, code, name === 'WAIT_CS' ? soon(args) : args]);
    if (reply === CLOSED) {
      return;
    }
    const [answeredId, errno, answer] = reply;
    if (errno === 0) {
      check(answeredId === id && Array.isArray(answer), `${name}: the answer ${JSON.stringify(reply, jsonable)}`);
      this.memory.learn(answer);
    } else {
      checkFailure(name, errno, answer);
    }
  }

  /** A raw call with any bytes. */
  async rawCall(cmd: number, block: Uint8Array, buffers: readonly unknown[]): Promise<void> {
    const id = this.#nextId++;
    const reply = await this.exchange([id, cmd, soonRaw(cmd, block), buffers]);
    if (reply === CLOSED) {
      return;
    }
    const [answeredId, errno, out, answers, sentence] = reply;
    if (answeredId === id && out instanceof Uint8Array) {
      // As many bytes as the command says are copied back, whatever happened.
      check(out.length === ((cmd >>> 16) & 0x3fff), `command 0x${cmd.toString(16)}: ${out.length} bytes came back`);
      check(Array.isArray(answers), `command 0x${cmd.toString(16)}: no list of buffers`);
    }
    if (errno !== 0) {
      checkFailure(`command 0x${cmd.toString(16)}`, errno, sentence ?? out);
    }
  }

  /** Sends any message, and returns what came back. */
  async exchange(message: readonly unknown[]): Promise<Heard> {
    this.#peer ??= await RawPeer.greeted(this.#socketPath, this.#node);
    this.#peer.sendMessage(message);
    let late: NodeJS.Timeout | undefined;
    const silence = new Promise<never>((_, reject) => {
      late = setTimeout(() => reject(new Error(`no answer to ${JSON.stringify(message, jsonable)}`)), PATIENCE_MS);
    });
    const reply = await Promise.race([this.#peer.next(), silence]).finally(() => clearTimeout(late));
    this.#count(reply);
    if (reply === CLOSED || reply[0] === 0) {
      await this.reconnect();
    }
    return reply;
  }

  /** Gives up everything it holds; the next call begins afresh. */
  async reconnect(): Promise<void> {
    await this.#peer?.[Symbol.asyncDispose]();
    this.#peer = undefined;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.reconnect();
  }

  #count(reply: Heard): void {
    const outcome =
      reply === CLOSED ? CLOSED : reply[1] === 0 ? 'ok' : (errnoCode(reply[1] as number) ?? `errno ${reply[1]}`);
    this.tally.set(outcome, (this.tally.get(outcome) ?? 0) + 1);
  }
}

/** A wait that would take for ever has for ever to be answered (uapi.md 4.15): the time-out, the second field, becomes a short one. */
function soon(args: unknown): unknown {
  if (!Array.isArray(args)) {
    return args;
  }
  const [seq, timeoutUs, ...rest] = args;
  const endless = (typeof timeoutUs === 'number' || typeof timeoutUs === 'bigint') && timeoutUs > LONGEST_WAIT_US;
  return endless ? [seq, LONGEST_WAIT_US, ...rest] : args;
}

/** The same for the struct's bytes: the time-out is the second u64 (uapi.md 2.6). */
function soonRaw(cmd: number, block: Uint8Array): Uint8Array {
  if ((cmd & 0xff) !== NR.WAIT_CS || block.length < TIMEOUT_END) {
    return block;
  }
  const shortened = block.slice();
  const view = new DataView(shortened.buffer);
  if (view.getBigUint64(TIMEOUT_AT, true) > LONGEST_WAIT_US) {
    view.setBigUint64(TIMEOUT_AT, BigInt(LONGEST_WAIT_US), true);
  }
  return shortened;
}

function checkFailure(what: string, errno: unknown, sentence: unknown): void {
  check(typeof errno === 'number' && errnoCode(errno) !== undefined, `${what}: errno ${String(errno)}`);
  check(typeof sentence === 'string' && sentence !== '', `${what}: errno ${String(errno)} without a sentence`);
  check(!(sentence as string).includes('internal error'), `${what}: ${String(sentence)}`);
  check(
    (sentence as string).length <= LONGEST_SENTENCE,
    `${what}: a sentence of ${(sentence as string).length} characters`,
  );
}

function check(holds: boolean, otherwise: string): void {
  if (!holds) {
    throw new Error(otherwise);
  }
}

function jsonable(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? `${value}n` : value;
}
