/**
 * A place to draw one picture after another, until the person in front of it has seen enough.
 *
 * Owns: the alternate screen, raw keyboard input, signals; and that all of it is put back.
 * Must not know: what is drawn.
 */
import type { ReadStream, WriteStream } from 'node:tty';

const ENTER = '\u001b[?1049h\u001b[?25l';
const LEAVE = '\u001b[?25h\u001b[?1049l';
const HOME = '\u001b[H';
const CLEAR_LINE_END = '\u001b[K';
const CLEAR_BELOW = '\u001b[J';
const CTRL_C = '\u0003';
const CTRL_D = '\u0004';

const END_SIGNALS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM'];
/** Of what writes again and again: its reader may have seen enough. */
const QUIT_SIGNALS: readonly NodeJS.Signals[] = [...END_SIGNALS, 'SIGPIPE'];

/** Aborted by q, Ctrl-C and signals; `release` puts the keyboard and the signals back. */
export function quitSignal(
  input: ReadStream | NodeJS.ReadStream,
  signals = QUIT_SIGNALS,
): { signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const quit = () => controller.abort();
  const onKey = (chunk: Buffer) => {
    const keys = chunk.toString('latin1');
    if (keys.includes('q') || keys.includes(CTRL_C) || keys.includes(CTRL_D)) quit();
  };
  const keyboard = input.isTTY === true;
  if (keyboard) {
    input.setRawMode(true);
    input.on('data', onKey);
    input.resume();
  }
  for (const name of signals) process.once(name, quit);
  return {
    signal: controller.signal,
    release: () => {
      for (const name of signals) process.off(name, quit);
      if (!keyboard) return;
      input.off('data', onKey);
      input.setRawMode(false);
      input.pause();
    },
  };
}

/** Resolves when somebody wants to quit, or when `end` does. A listener for SIGPIPE would hear of the daemon's socket, too: that one may come back. */
export async function untilQuit(input: ReadStream | NodeJS.ReadStream, end?: Promise<unknown>): Promise<void> {
  const { signal, release } = quitSignal(input, END_SIGNALS);
  const quit = new Promise((resolve) => signal.addEventListener('abort', resolve));
  try {
    await Promise.race(end === undefined ? [quit] : [quit, end]);
  } finally {
    release();
  }
}

export class Screen {
  readonly #terminal: WriteStream;

  constructor(terminal: WriteStream) {
    this.#terminal = terminal;
    terminal.write(ENTER);
  }

  /** Draws over the last picture, so nothing flickers. What is too tall is cut at the bottom. */
  draw(text: string): void {
    const rows = this.#terminal.rows;
    const lines = text.split('\n');
    const shown = lines.length > rows ? [...lines.slice(0, rows - 1), '…'] : lines;
    this.#terminal.write(`${HOME}${shown.map((line) => line + CLEAR_LINE_END).join('\n')}${CLEAR_BELOW}`);
  }

  close(): void {
    this.#terminal.write(LEAVE);
  }
}
