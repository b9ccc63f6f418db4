/**
 * `pedrera top` on a terminal.
 *
 * Owns: keyboard, screen, signals and the size of the terminal while it runs, and that all of it is as before however it ends.
 * Must not know: what is drawn.
 */
import type { Context } from '../command.js';
import { Keyboard } from '../terminal/keyboard.js';
import { Screen } from '../terminal/screen.js';
import { styleOf } from '../text/style.js';
import { glyphsOf } from './bars.js';
import type { Looks } from './looks.js';
import { picture } from './picture.js';
import type { TopDocument } from './rates.js';
import { pressed, type TopState } from './state.js';

/** Without SIGPIPE: what is written to a daemon that has just gone raises it, too, and its end is to be told. */
const QUIT_SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;

export async function showOnTerminal(
  context: Context,
  looks: Looks,
  { state, count = Number.POSITIVE_INFINITY }: { state: TopState; count: number | undefined },
): Promise<void> {
  const view = new View(context, state);
  try {
    await looks.begin(state.intervalMs, view.ended);
    for (let shown = 0; shown < count && !view.ended.aborted; shown++) {
      // A daemon that does not answer keeps nobody from leaving.
      const document = await Promise.race([looks.next(), view.left]);
      if (document === undefined) return;
      view.show(document);
      await view.until(view.state.intervalMs);
    }
  } finally {
    view.close();
  }
}

class View {
  state: TopState;
  /** Resolves when the person has seen enough. */
  readonly left: Promise<undefined>;
  readonly #context: Context;
  readonly #ended = new AbortController();
  readonly #keyboard: Keyboard;
  #screen: Screen;
  #document: TopDocument | undefined;
  /** Called when a key changed what is to be waited for. */
  #wake: (() => void) | undefined;

  readonly #onQuit = () => {
    this.#ended.abort();
    this.#wake?.();
  };
  readonly #draw = () => {
    if (this.#document === undefined) return;
    const { columns = 80, rows = 24 } = process.stdout;
    const style = styleOf(process.stdout, this.#context.env);
    const glyphs = glyphsOf(this.#context.env);
    this.#screen.draw(picture(this.#document, this.state, { columns, rows, style, glyphs }).join('\n'));
  };
  readonly #onContinue = () => {
    this.#keyboard.open();
    this.#screen = new Screen(process.stdout);
    this.#draw();
  };
  /** Whatever ends the process, the terminal is left as it was. */
  readonly #onExit = () => this.#screen.close();

  constructor(context: Context, state: TopState) {
    this.#context = context;
    this.state = state;
    this.left = new Promise((resolve) =>
      this.ended.addEventListener('abort', () => resolve(undefined), { once: true }),
    );
    this.#screen = new Screen(process.stdout);
    process.once('exit', this.#onExit);
    this.#keyboard = new Keyboard(process.stdin, (key) => this.#pressed(key));
    for (const name of QUIT_SIGNALS) process.once(name, this.#onQuit);
    process.stdout.on('resize', this.#draw);
  }

  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  show(document: TopDocument): void {
    this.#document = document;
    this.#draw();
  }

  /** Resolves when it is time for another look: not while it is paused. */
  async until(milliseconds: number): Promise<void> {
    let wait = milliseconds;
    while (!this.ended.aborted && (wait > 0 || this.state.paused)) {
      const began = performance.now();
      const { paused, intervalMs } = this.state;
      await new Promise<void>((resolve) => {
        const timer = paused ? undefined : setTimeout(resolve, wait);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = undefined;
      wait += this.state.intervalMs - intervalMs - (performance.now() - began);
    }
  }

  close(): void {
    process.stdout.off('resize', this.#draw);
    for (const name of QUIT_SIGNALS) process.off(name, this.#onQuit);
    process.off('SIGCONT', this.#onContinue);
    process.off('exit', this.#onExit);
    this.#keyboard.close();
    this.#screen.close();
  }

  #pressed(key: string): void {
    if (key === 'ctrl-z') {
      this.#suspend();
      return;
    }
    const devices = this.#document?.devices.map(({ index }) => index) ?? [];
    this.state = pressed(this.state, key, devices);
    if (this.state.quit) this.#onQuit();
    else this.#draw();
    this.#wake?.();
  }

  /** Ctrl-Z: the shell gets the terminal as it was; `fg` brings the picture back. */
  #suspend(): void {
    this.#keyboard.close();
    this.#screen.close();
    process.once('SIGCONT', this.#onContinue);
    process.kill(process.pid, 'SIGTSTP');
  }
}
