/** The way through a list that is longer than what is shown of it. */
import { make, setText } from './dom.js';
import type { Rows } from './protocol.js';

export class Pager {
  readonly #place: Element;
  readonly #back = make('button', { type: 'button', text: '‹', 'aria-label': 'the ones before' });
  readonly #on = make('button', { type: 'button', text: '›', 'aria-label': 'the next ones' });
  readonly #text = make('span');
  #from = 0;
  #size = 0;

  /** `turn` is given the first row that is wanted. */
  constructor(place: Element, turn: (from: number) => void) {
    this.#place = place;
    this.#back.addEventListener('click', () => turn(Math.max(0, this.#from - this.#size)));
    this.#on.addEventListener('click', () => turn(this.#from + this.#size));
    place.append(this.#text, this.#back, this.#on);
  }

  show({ rows, from, total }: Rows<unknown>): void {
    // On the last page there are fewer rows than on the others.
    this.#size = from === 0 ? rows.length : Math.max(this.#size, rows.length);
    this.#from = from;
    const last = from + rows.length;
    setText(this.#text, `${from + 1} to ${last} of ${total}`);
    this.#back.disabled = from === 0;
    this.#on.disabled = last >= total;
    (this.#place as HTMLElement).hidden = total <= rows.length;
  }
}
