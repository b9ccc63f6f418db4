/**
 * What must be undone, in reverse order, however the demo ends; and Ctrl-C as one of the ways it can end.
 */
import { CliError, EXIT } from '../exit.js';

export class Cleanup {
  readonly #steps: (() => Promise<void>)[] = [];

  /** `undo` runs even if what it undoes is still being made: it waits for `made` first, and has nothing to do if that failed. */
  add<T>(made: Promise<T>, undo: (made: T) => Promise<void>): void {
    this.#steps.push(async () => {
      const settled = await Promise.allSettled([made]);
      const result = settled[0];
      if (result.status === 'fulfilled') await undo(result.value);
    });
  }

  /** Runs every step, then throws the first problem there was. */
  async run(): Promise<void> {
    const problems: unknown[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      await step().catch((error: unknown) => problems.push(error));
    }
    if (problems.length > 0) throw problems[0];
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGPIPE'] as const;

/**
 * Rejects when the person or the system asks to end. Until `release`, such a signal does nothing else: neither to the
 * cleanup that follows it, nor when it comes twice.
 */
export function interruption(): { interrupted: Promise<never>; release(): void } {
  let onSignal = (_signal: NodeJS.Signals) => {};
  const interrupted = new Promise<never>((_resolve, reject) => {
    onSignal = (signal) => {
      reject(
        new CliError({
          exitCode: EXIT.interrupted,
          code: 'INTERRUPTED',
          message: `ended by ${signal}; everything is cleaned up`,
        }),
      );
    };
  });
  // It may well reject when nobody is waiting any more.
  interrupted.catch(() => {});
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return {
    interrupted,
    release: () => {
      for (const signal of SIGNALS) process.off(signal, onSignal);
    },
  };
}
