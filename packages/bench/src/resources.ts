/**
 * What must be undone however the run ends.
 *
 * Owns: the list, its order, and the signals by which a person or the system ends the run.
 * Must not know: what the resources are.
 */

import { type TempDirectory, tempDirectory } from '@pedrera/testkit';

/** How the run was ended from outside. */
export class Interrupted extends Error {
  readonly signal: NodeJS.Signals;

  constructor(signal: NodeJS.Signals) {
    super(`ended by ${signal}`);
    this.signal = signal;
  }
}

export class Resources {
  readonly #made: Promise<AsyncDisposable>[] = [];
  #undoing: Promise<unknown> = Promise.resolve();
  #closed = false;

  /** Undone at the end even if it is still being made then; if making it failed there is nothing to undo. */
  add<T extends AsyncDisposable>(making: T | Promise<T>): Promise<T> {
    const made = Promise.resolve(making);
    made.catch(() => {});
    this.#made.push(made);
    if (!this.#closed) return made;
    return this.undo().then(() => Promise.reject(new Error('the run has ended')));
  }

  /** Undoes everything added since `mark`, the latest first. Resolves with what went wrong on the way. */
  undo(mark = 0): Promise<unknown[]> {
    const undone = this.#undoing.then(() => this.#undoFrom(mark));
    this.#undoing = undone;
    return undone;
  }

  /** Undoes everything; what is added later is undone at once. */
  close(): Promise<unknown[]> {
    this.#closed = true;
    return this.undo();
  }

  get mark(): number {
    return this.#made.length;
  }

  async #undoFrom(mark: number): Promise<unknown[]> {
    const problems: unknown[] = [];
    while (this.#made.length > mark) {
      const [made] = await Promise.allSettled([this.#made.pop() as Promise<AsyncDisposable>]);
      if (made.status !== 'fulfilled') continue;
      try {
        await made.value[Symbol.asyncDispose]();
      } catch (error) {
        problems.push(error);
      }
    }
    return problems;
  }
}

/** A directory for this run alone. */
export class TempFiles implements AsyncDisposable {
  readonly #directory: TempDirectory = tempDirectory();

  path(name: string): string {
    return this.#directory.file(name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#directory[Symbol.dispose]();
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Rejects with Interrupted at the first signal. Until `release`, a signal does nothing else, so the undoing is not cut short. */
export function interruption(): { readonly interrupted: Promise<never>; release(): void } {
  let onSignal = (_signal: NodeJS.Signals): void => {};
  const interrupted = new Promise<never>((_resolve, reject) => {
    onSignal = (signal) => reject(new Interrupted(signal));
  });
  // It may well come when nobody is waiting any more.
  interrupted.catch(() => {});
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return {
    interrupted,
    release: () => {
      for (const signal of SIGNALS) process.off(signal, onSignal);
    },
  };
}
