/**
 * The connection to the page's server.
 *
 * Owns: the WebSocket, made again whenever it is lost. Must not know: what the messages mean.
 */
import type { PageRequest, ServerMessage } from './protocol.js';

interface Events {
  onOpen(): void;
  onMessage(message: ServerMessage): void;
  onLost(): void;
}

const AGAIN_MS = { first: 500, most: 5_000 } as const;

export class Connection {
  readonly #events: Events;
  #socket: WebSocket | undefined;
  #againMs: number = AGAIN_MS.first;

  constructor(events: Events) {
    this.#events = events;
    this.#connect();
  }

  /** Lost when there is no connection; whoever asks is told when there is one. */
  send(request: PageRequest): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(request));
  }

  #connect(): void {
    // The address of the page has the token in it, and so has everything beside it.
    const url = new URL('live', location.href);
    url.protocol = 'ws:';
    url.search = '';
    url.hash = '';
    const socket = new WebSocket(url);
    this.#socket = socket;
    socket.addEventListener('open', () => {
      this.#againMs = AGAIN_MS.first;
      this.#events.onOpen();
    });
    socket.addEventListener('message', ({ data }) => this.#events.onMessage(JSON.parse(String(data)) as ServerMessage));
    socket.addEventListener('close', () => {
      this.#events.onLost();
      setTimeout(() => this.#connect(), this.#againMs);
      this.#againMs = Math.min(AGAIN_MS.most, this.#againMs * 2);
    });
  }
}
