/**
 * When a recording is over: at Ctrl-C, when the program that is looked at has ended and the daemon knows, or when somebody stops it.
 *
 * Owns: the signals, and the patience with a daemon that has yet to look at its sockets. Must not know what is recorded.
 */
import type { Recording } from '@pedrera/thunk';

/** A program's connections end with it; the daemon hears of it when it looks at its sockets again. */
const PATIENCE_MS = 2_000;
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGPIPE'] as const;

export class Ending {
  readonly #recording: Recording;
  #stopped = false;
  #programEnded = false;
  #timer: NodeJS.Timeout | undefined;
  readonly #stop = () => this.stop();

  /** `ended` settles with the program; undefined: there is none. */
  constructor(recording: Recording, ended: Promise<unknown> | undefined, signals = true) {
    this.#recording = recording;
    if (signals) for (const signal of SIGNALS) process.on(signal, this.#stop);
    ended?.then(
      () => {
        this.#programEnded = true;
        this.#timer = setTimeout(this.#stop, PATIENCE_MS);
      },
      () => this.stop(),
    );
  }

  /** Called after each look, with the clients that are left. */
  look(live: number): void {
    if (this.#programEnded && live === 0) this.stop();
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    void this.#recording.stop();
  }

  release(): void {
    clearTimeout(this.#timer);
    for (const signal of SIGNALS) process.off(signal, this.#stop);
  }
}
