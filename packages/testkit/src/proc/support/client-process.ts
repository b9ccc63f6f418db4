/**
 * The test's side of a client process: calls its steps, hears its news.
 *
 * Owns: which call a reply belongs to, and that a call to a process that ends does not hang.
 */
import { type ErrnoCode, HlError } from '@pedrera/base';
import { TestProcess } from '../../test-process.js';
import { NEWS, type StepError, type StepReply, type Steps } from './steps.js';

interface PendingStep {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

export interface ClientProcessOptions {
  readonly socketPath: string;
  readonly args?: readonly string[];
}

type Program = 'client' | 'victim' | 'sharer';

/** `S`: the steps of its program. */
export class ClientProcess<S extends Steps> implements AsyncDisposable {
  readonly process: TestProcess;
  readonly #pending = new Map<number, PendingStep>();
  #nextId = NEWS + 1;
  #news = 0;
  #listeners: (() => void)[] = [];

  constructor(program: Program, { socketPath, args = [] }: ClientProcessOptions) {
    this.process = new TestProcess(programPath(program), {
      args,
      env: { PEDRERA_SOCKET: socketPath },
      onMessage: (message) => this.#received(message as StepReply),
    });
    void this.process.exited().then((ending) => {
      const error = new Error(`the client process ended (${ending}); it printed:\n${this.process.output}`);
      this.#tellListeners();
      for (const { reject } of this.#pending.values()) {
        reject(error);
      }
      this.#pending.clear();
    });
  }

  get pid(): number {
    return this.process.pid;
  }

  /** News heard so far. */
  get news(): number {
    return this.#news;
  }

  /** Resolves with the step's result; rejects with the HlError it ended with, or with the end of the process. */
  call<N extends keyof S & string>(step: N, args: Parameters<S[N]>[0]): Promise<Awaited<ReturnType<S[N]>>> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve: resolve as (result: unknown) => void, reject });
      this.process.tell({ id, step, args });
    });
  }

  /** Resolves once `count` news came in all; rejects when the process ends before. */
  async heard(count: number): Promise<void> {
    while (this.#news < count) {
      if (!this.process.alive) {
        throw new Error(`the client process ended; it printed:\n${this.process.output}`);
      }
      await new Promise<void>((resolve) => this.#listeners.push(resolve));
    }
  }

  kill(): Promise<string> {
    return this.process.signal('SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process[Symbol.asyncDispose]();
  }

  #tellListeners(): void {
    for (const listener of this.#listeners.splice(0)) {
      listener();
    }
  }

  #received({ id, result, error }: StepReply): void {
    if (id === NEWS) {
      this.#news++;
      this.#tellListeners();
      return;
    }
    const step = this.#pending.get(id);
    this.#pending.delete(id);
    if (error === undefined) {
      step?.resolve(result);
    } else {
      step?.reject(asError(error));
    }
  }
}

function asError({ code, detail }: StepError): Error {
  return code === 'FAILED' ? new Error(detail) : new HlError(code as ErrnoCode, detail);
}

/** Tests run as TypeScript; the processes they start are what was built. */
function programPath(program: Program): string {
  return new URL(`../../../dist/proc/programs/${program}/main.js`, import.meta.url).pathname;
}
