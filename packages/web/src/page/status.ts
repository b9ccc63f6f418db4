/** Whether what is shown is now. Owns: the words in the corner, the banner, the faded page. */
import { byId, setText } from './dom.js';
import { formatDuration } from './format.js';

/** Beyond the time between two looks. */
const LATE_MS = 3_000;

export class Status {
  readonly #status = byId('status');
  readonly #banner = byId('banner');
  readonly #main = byId('main');
  #newsMs: number | undefined;
  #intervalMs = 0;
  #problem: string | undefined = '';

  constructor() {
    setInterval(() => this.#tell(), 1_000);
  }

  live(intervalMs: number): void {
    this.#newsMs = performance.now();
    this.#intervalMs = intervalMs;
    this.#problem = undefined;
    this.#tell();
  }

  /** The server says that there is no daemon. */
  gone(reason: string): void {
    this.#problem = `The daemon is gone (${reason}). What is shown was seen last; it goes on when there is a daemon again.`;
    this.#tell();
  }

  /** There is no connection to the server. */
  lost(): void {
    this.#problem =
      'The server of this page does not answer. If `pedrera web` was ended, start it again and open the address it prints.';
    this.#tell();
  }

  #tell(): void {
    const age = this.#newsMs === undefined ? 0 : performance.now() - this.#newsMs;
    const late = this.#newsMs !== undefined && age > 4 * this.#intervalMs + LATE_MS;
    if (this.#problem !== undefined && this.#problem !== '')
      this.#say('lost', this.#newsMs === undefined ? 'no news' : `${formatDuration(age)} old`);
    else if (late) this.#say('waiting', `${formatDuration(age)} old`);
    else if (this.#newsMs !== undefined) this.#say('live', `live, ${formatDuration(this.#intervalMs)}`);
    setText(this.#banner, this.#problem ?? '');
    this.#banner.hidden = this.#problem === undefined || this.#problem === '';
    this.#main.classList.toggle('stale', !this.#banner.hidden || late);
  }

  #say(state: 'live' | 'waiting' | 'lost', text: string): void {
    this.#status.dataset.state = state;
    setText(this.#status, text);
  }
}
