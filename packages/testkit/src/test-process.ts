/**
 * Real processes for tests: a child that talks in messages, so that nobody has to wait for time.
 *
 * Owns: the child, the queue of what it said, that it is dead at the end. Must not know what it says.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

/** Long enough for a loaded machine; reached only when something is broken. */
const PATIENCE_MS = 30_000;

export interface TestProcessOptions {
  readonly args?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** Gets every message; without it they wait for next(). */
  readonly onMessage?: (message: unknown) => void;
}

export class TestProcess {
  readonly child: ChildProcess;
  readonly #said: unknown[] = [];
  readonly #exited: Promise<string>;
  readonly #closed: Promise<unknown>;
  #wake: (() => void) | undefined;
  #out = '';
  #err = '';

  /** Runs a built JavaScript file with an IPC channel. */
  constructor(file: string, { args = [], env = {}, onMessage }: TestProcessOptions = {}) {
    this.child = spawn(process.execPath, [file, ...args], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: { ...process.env, ...env },
    });
    this.child.on('message', (message) => {
      if (onMessage !== undefined) {
        onMessage(message);
        return;
      }
      this.#said.push(message);
      this.#wake?.();
    });
    this.child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      this.#out += text;
    });
    this.child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#err += text;
    });
    // Its streams may still have something to say when it has exited.
    this.#closed = once(this.child, 'close');
    this.#exited = new Promise((resolve) => {
      this.child.once('exit', (code, signal) => {
        resolve(signal ?? String(code));
        this.#wake?.();
      });
    });
  }

  get pid(): number {
    return this.child.pid as number;
  }

  /** What it printed so far. */
  get output(): string {
    return this.#out + this.#err;
  }

  get alive(): boolean {
    return this.child.exitCode === null && this.child.signalCode === null;
  }

  /** Its next message. Fails with its output when it ends or keeps silent. */
  async next<T>(): Promise<T> {
    const deadline = setTimeout(() => this.#wake?.(), PATIENCE_MS);
    const until = Date.now() + PATIENCE_MS;
    try {
      while (this.#said.length === 0) {
        if (!this.alive || Date.now() >= until) {
          throw new Error(`process ${this.pid} said nothing (alive: ${this.alive}); it printed:\n${this.output}`);
        }
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    } finally {
      clearTimeout(deadline);
      this.#wake = undefined;
    }
    return this.#said.shift() as T;
  }

  tell(message: object): void {
    this.child.send(message);
  }

  /** Exit code or signal name. */
  exited(): Promise<string> {
    return this.#exited;
  }

  /** Once it has ended by itself: how, and all it printed. */
  async finished(): Promise<{ ending: string; out: string; err: string }> {
    await this.#closed;
    return { ending: await this.#exited, out: this.#out, err: this.#err };
  }

  async signal(signal: NodeJS.Signals): Promise<string> {
    if (this.alive) {
      this.child.kill(signal);
    }
    return this.#exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.alive) {
      this.child.kill('SIGKILL');
      await once(this.child, 'exit');
    }
  }
}
