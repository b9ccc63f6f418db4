/**
 * The directory of a daemon of one's own, when a signal ends the command: it is not left behind. The daemon ends with the command by
 * itself.
 *
 * Owns: the signals, while nobody else looks after them. Must not know what the daemon is for.
 */
import { rmSync } from 'node:fs';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export class TidyEnd {
  readonly #onSignal: (signal: NodeJS.Signals) => void;

  constructor(directory: string) {
    this.#onSignal = (signal) => {
      rmSync(directory, { recursive: true, force: true });
      this.release();
      // As if nobody had looked: whoever started this sees what ended it.
      process.kill(process.pid, signal);
    };
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
  }

  /** Somebody else looks after signals, or it is over. */
  release(): void {
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
  }
}
