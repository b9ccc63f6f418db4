/**
 * One client process of the demo, as the conductor sees it.
 *
 * Owns: the child process and the calls under way. Must not know: what any role does.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { CliError, deviceError, EXIT } from '../exit.js';
import type { CallTable, ReplyMessage, RoleName } from './calls.js';

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** A client process that does not end by itself in this time after its channel closed is killed. */
const END_TIMEOUT_MS = 2_000;

export class RoleProcess<Calls extends CallTable> {
  readonly name: string;
  readonly pid: number;
  /** Resolves when the process is gone. */
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #ending: string | undefined;

  constructor(role: RoleName, name: string) {
    this.name = name;
    const child = fork(fileURLToPath(new URL(`./${role}/main.js`, import.meta.url)), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      // Ctrl-C reaches every process of the terminal's group; what becomes of this one is decided here.
      detached: true,
    });
    this.#child = child;
    this.pid = child.pid ?? 0;
    child.on('message', (message: ReplyMessage) => this.#settle(message));
    this.ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#lose(`the ${name} process ended (${signal ?? `exit code ${code}`})`);
        resolve();
      });
      child.once('error', (error) => {
        this.#lose(`cannot run the ${name} process: ${error.message}`);
        if (child.pid === undefined) resolve();
      });
    });
  }

  call<Name extends keyof Calls & string>(name: Name, params: Calls[Name]['params']): Promise<Calls[Name]['result']> {
    if (this.#ending !== undefined) return Promise.reject(deviceError(this.#ending));
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      // A process that cannot be reached is about to end, and 'exit' knows better why.
      this.#child.send({ id, name, params }, () => {});
    });
  }

  /** Lets the process end, and returns when it has. */
  async end(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect();
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), END_TIMEOUT_MS);
    await this.ended;
    clearTimeout(timer);
  }

  #settle({ id, result, error }: ReplyMessage): void {
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (error === undefined) waiting?.resolve(result);
    else {
      const message = `${this.name}: ${error.message}`;
      waiting?.reject(new CliError({ exitCode: EXIT.deviceError, code: error.code, message }));
    }
  }

  #lose(reason: string): void {
    this.#ending ??= reason;
    for (const { reject } of this.#waiting.values()) reject(deviceError(reason));
    this.#waiting.clear();
  }
}
