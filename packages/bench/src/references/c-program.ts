/**
 * The C program of `c/*.c` as a child: a line asks it for one measurement, a line of numbers answers.
 *
 * Owns: the process, and why there is none. Must not know what is measured.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { shimVariables } from '@pedrera/testkit';
import type { Turns } from '../latency.js';

const PROGRAM = fileURLToPath(new URL('../../dist/c-program', import.meta.url));
/** What the program ends with when it could do nothing here, and says why. */
const EXIT_IMPOSSIBLE = 3;

/** Nothing can be measured on this machine; the message says why. */
export class Impossible extends Error {}

export class CProgram implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #exited: Promise<unknown[]>;
  #complaint = '';

  private constructor(args: readonly string[], env: Readonly<Record<string, string>>) {
    this.#child = spawn(PROGRAM, [...args], { env: { ...process.env, ...env } });
    this.#exited = once(this.#child, 'close');
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    this.#child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#complaint += text;
    });
    // Its end shows in what it does not answer.
    this.#child.stdin.on('error', () => {});
  }

  /** With a device of the daemon's, through the preload library. */
  static onDevice(socketPath: string): Promise<CProgram> {
    return CProgram.#start(['device'], shimVariables({ socketPath, debugfs: false, preload: undefined }));
  }

  /** Without the library: what a device is compared with. */
  static withEcho(socketPath: string, bytes: number): Promise<CProgram> {
    return CProgram.#start(['echo', socketPath, String(bytes)], {});
  }

  static obstacle(): string | undefined {
    return existsSync(PROGRAM) ? undefined : 'the C programs were not built: there is no C compiler';
  }

  static async #start(args: readonly string[], env: Readonly<Record<string, string>>): Promise<CProgram> {
    const program = new CProgram(args, env);
    try {
      await program.#next();
    } catch (error) {
      await program[Symbol.asyncDispose]();
      throw error;
    }
    return program;
  }

  /** Runs one measurement. What it answers depends on it. */
  async measure(what: string, { settleMs, measureMs }: Turns, ...more: readonly number[]): Promise<number[]> {
    this.#child.stdin.write(`${[what, settleMs, measureMs, ...more].join(' ')}\n`);
    return (await this.#next()).trim().split(' ').map(Number);
  }

  async #next(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done !== true) return value;
    const [code, signal] = await this.#exited;
    if (code === EXIT_IMPOSSIBLE) throw new Impossible(this.#complaint.trim());
    throw new Error(`the C program ended with ${String(signal ?? code)}: ${this.#complaint.trim()}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    // One that measures does not look at its input.
    this.#child.kill('SIGKILL');
    await this.#exited;
  }
}
