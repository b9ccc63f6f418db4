/**
 * One browser that shows the page.
 *
 * Owns: what it is looking at and what it has been told; that one which does not read costs no memory, and is let go after a while.
 * Must not know: how it came to be let in.
 */
import { FIRST_VIEW, type ServerMessage, type WhyRequest } from '@pedrera/web';
import type { RawData, WebSocket } from 'ws';
import { WHY_SECTIONS } from '../why/why.js';
import type { Feed, Watcher } from './feed.js';
import { type Known, knownAfter, liveMessage, NOTHING } from './live.js';
import type { Look } from './looks.js';
import { parseRequest } from './requests.js';
import { whyText } from './why-answer.js';

/** Of messages that are on their way: more than any one message has. */
const MOST_UNREAD_BYTES = 2 ** 20;
/** In looks. */
const PATIENCE = 20;
const POLICY_VIOLATION = 1008;
const TRY_AGAIN_LATER = 1013;

export class Browser implements Watcher {
  readonly #socket: WebSocket;
  readonly #feed: Feed;
  #view = FIRST_VIEW;
  #known: Known = NOTHING;
  #last: { look: Look; intervalMs: number } | undefined;
  #skipped = 0;
  #asking = false;

  constructor(socket: WebSocket, feed: Feed) {
    this.#socket = socket;
    this.#feed = feed;
    socket.on('message', (data, binary) => this.#onMessage(data, binary));
    socket.on('close', () => feed.remove(this));
    // What follows is 'close'.
    socket.on('error', () => {});
    feed.add(this);
  }

  onLook(look: Look, intervalMs: number): void {
    this.#last = { look, intervalMs };
    if (this.#socket.bufferedAmount > MOST_UNREAD_BYTES) {
      // What it misses it gets with the next one: samples and events count from what it knows.
      if (++this.#skipped > PATIENCE) this.#socket.close(TRY_AGAIN_LATER, 'too slow');
      if (this.#skipped > 2 * PATIENCE) this.#socket.terminate();
      return;
    }
    this.#skipped = 0;
    this.#send(liveMessage(look, { view: this.#view, known: this.#known, intervalMs }));
    this.#known = knownAfter(look);
  }

  onGone(reason: string): void {
    this.#send({ type: 'gone', reason });
  }

  #onMessage(data: RawData, binary: boolean): void {
    const request = binary ? undefined : parseRequest(data.toString());
    if (request === undefined) {
      this.#socket.close(POLICY_VIOLATION, 'not a request of this page');
      return;
    }
    if (request.type === 'why') {
      void this.#answerWhy(request);
      return;
    }
    this.#view = request;
    // The same look from another side; there is no need to wait for the next.
    if (this.#last !== undefined) this.onLook(this.#last.look, this.#last.intervalMs);
  }

  async #answerWhy(request: WhyRequest): Promise<void> {
    // One at a time: it is the dearest look there is.
    if (this.#asking) return;
    this.#asking = true;
    let text: string;
    try {
      text = await whyText(() => this.#feed.ask(WHY_SECTIONS), request);
    } catch (error) {
      text = `cannot tell: ${error instanceof Error ? error.message : String(error)}`;
    } finally {
      this.#asking = false;
    }
    this.#send({ type: 'why', id: request.id, text });
  }

  #send(message: ServerMessage): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.send(JSON.stringify(message));
  }
}
