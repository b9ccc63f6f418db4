/** For tests: another process that uses the built package, and talks to the test by messages. */
import { type ChildProcess, spawn } from 'node:child_process';

const BUILT = new URL('../../dist/index.js', import.meta.url).href;

/**
 * A real process running `body`, the text of an async function that sees `wire` (the package's exports), `say(value)`, `heard()`
 * (resolves with the next message from the test) and `args`.
 */
export class Child {
  readonly process: ChildProcess;
  readonly exited: Promise<number | NodeJS.Signals | null>;
  readonly #messages: unknown[] = [];
  #wake: (() => void) | null = null;

  constructor(body: string, ...args: unknown[]) {
    const script = `
      import * as wire from ${JSON.stringify(BUILT)};
      const args = ${JSON.stringify(args)};
      const inbox = [];
      let wake = null;
      process.on('message', (message) => { inbox.push(message); wake?.(); });
      const heard = async () => {
        while (inbox.length === 0) await new Promise((resolve) => { wake = resolve; });
        return inbox.shift();
      };
      const say = (value) => process.send({ value });
      ${body}
    `;
    const stdio = ['ignore', 'inherit', 'inherit', 'ipc'] as const;
    this.process = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: [...stdio] });
    this.process.on('message', (message) => {
      this.#messages.push((message as { value?: unknown }).value);
      this.#wake?.();
    });
    this.exited = new Promise((resolve) => {
      this.process.once('exit', (code, signal) => {
        resolve(code ?? signal);
        this.#wake?.();
      });
    });
  }

  tell(value: unknown): void {
    this.process.send(value as object);
  }

  /** The next thing the child says. Throws when it exits without saying anything. */
  async says(): Promise<unknown> {
    while (this.#messages.length === 0) {
      if (this.process.exitCode !== null || this.process.signalCode !== null)
        throw new Error('the child is gone and said nothing');
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#messages.shift();
  }

  /** As the system ends a process that had no time to tidy up. */
  async kill(): Promise<void> {
    this.process.kill('SIGKILL');
    await this.exited;
  }
}
