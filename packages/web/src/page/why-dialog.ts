/** The answer to why a stream does not move. Owns: the dialog, and which question it is about. */
import { piecesOf } from './ansi.js';
import { byId, make, setText } from './dom.js';
import type { LiveQueue, WhyMessage, WhyRequest } from './protocol.js';

const MOST_COLUMNS = 116;

export class WhyDialog {
  readonly #dialog = byId<HTMLDialogElement>('why');
  readonly #title = byId('why-title');
  readonly #text = byId('why-text');
  readonly #send: (request: WhyRequest) => void;
  #question: LiveQueue | undefined;
  #id = 0;

  constructor(send: (request: WhyRequest) => void) {
    this.#send = send;
    byId('why-close').addEventListener('click', () => this.#dialog.close());
    byId('why-again').addEventListener('click', () => this.#ask());
    this.#dialog.addEventListener('click', (event) => {
      // On what is around it.
      if (event.target === this.#dialog) this.#dialog.close();
    });
  }

  ask(queue: LiveQueue): void {
    this.#question = queue;
    setText(this.#title, `Why ${queue.name} of device ${queue.device}, pid ${queue.pid}, is blocked`);
    this.#text.replaceChildren('asking ...');
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#ask();
  }

  show({ id, text }: WhyMessage): void {
    if (id !== this.#id) return;
    this.#text.replaceChildren(
      ...piecesOf(text).map((piece) => make('span', { class: piece.looks.join(' '), text: piece.text })),
    );
  }

  #ask(): void {
    if (this.#question === undefined) return;
    const { device, asid, seq, pid } = this.#question;
    const submission = asid === null || seq === null ? null : { device, asid, seq };
    this.#send({ type: 'why', id: ++this.#id, pid: pid ?? 0, submission, columns: this.#columns() });
  }

  /** How many letters fit beside each other. */
  #columns(): number {
    const probe = make('span', { text: '0'.repeat(10) });
    this.#text.append(probe);
    const letter = probe.getBoundingClientRect().width / 10;
    probe.remove();
    const { paddingLeft, paddingRight } = getComputedStyle(this.#text);
    const room = this.#text.clientWidth - Number.parseFloat(paddingLeft) - Number.parseFloat(paddingRight);
    return Math.min(MOST_COLUMNS, Math.max(40, Math.floor(room / Math.max(1, letter))));
  }
}
