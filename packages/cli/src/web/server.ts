/**
 * The page's server.
 *
 * Owns: who is let in (a token that is part of every address, and the rules of http/guard.ts), what is handed out. Must not know: what the
 * page shows.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { askedBy, loopbackHosts, type Refusal, refusalOf, refuse, SAFE_HEADERS } from '../http/guard.js';
import { closeHttp, listenHttp, portOf } from '../http/listen.js';
import { Browser } from './browser.js';
import type { Feed } from './feed.js';
import { INDEX, type PageFile, pageFiles } from './files.js';

const HOST = '127.0.0.1';
const TOKEN_BYTES = 32;
const MAX_BROWSERS = 16;
/** Of a request of the page. */
const MAX_MESSAGE_BYTES = 4096;
/** Where the WebSocket is, below the token. */
const LIVE = 'live';
const GOING_AWAY = 1001;

export interface WebServer {
  /** With the token. */
  readonly url: string;
  close(): Promise<void>;
}

export async function serveWeb(port: number, feed: Feed): Promise<WebServer> {
  const doors = new Doors(pageFiles());
  const sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MAX_MESSAGE_BYTES,
    // For a machine's own loopback it costs more than it saves.
    perMessageDeflate: false,
  });
  const server = await listenHttp({ host: HOST, port }, (request, response) => doors.answer(request, response));
  doors.hosts = loopbackHosts(portOf(server));
  server.on('upgrade', (request, socket, head) => {
    socket.on('error', () => socket.destroy());
    const refusal = doors.refusalOfLive(request, sockets.clients.size);
    if (refusal !== undefined) refuseUpgrade(socket, refusal);
    else sockets.handleUpgrade(request, socket, head, (open) => void new Browser(open, feed));
  });
  const close = async () => {
    for (const open of sockets.clients) open.close(GOING_AWAY);
    await closeHttp(server);
    for (const open of sockets.clients) open.terminate();
  };
  return { url: `http://${HOST}:${portOf(server)}/${doors.token}/`, close };
}

class Doors {
  readonly token = randomBytes(TOKEN_BYTES).toString('base64url');
  readonly #files: ReadonlyMap<string, PageFile>;
  /** Nobody, until the port is known. */
  hosts: ReadonlySet<string> = new Set();

  constructor(files: ReadonlyMap<string, PageFile>) {
    this.#files = files;
  }

  answer(request: IncomingMessage, response: ServerResponse): void {
    const place = this.#enter(request);
    if (typeof place !== 'string') {
      refuse(response, place);
      return;
    }
    const file = this.#files.get(place === '' ? INDEX : place);
    if (file === undefined) {
      refuse(response, { status: 404, reason: 'there is no such file' });
      return;
    }
    response.writeHead(200, {
      ...SAFE_HEADERS,
      'Content-Type': file.type,
      'Content-Length': file.body.length,
      'Content-Security-Policy': contentPolicy(request.headers.host ?? ''),
    });
    response.end(file.body);
  }

  refusalOfLive(request: IncomingMessage, open: number): Refusal | undefined {
    const place = this.#enter(request);
    if (typeof place !== 'string') return place;
    if (place !== LIVE) return { status: 404, reason: 'there is nothing of that kind here' };
    // Every browser names the site of the page that connects.
    if (request.headers.origin === undefined) return { status: 403, reason: 'only the page itself may connect' };
    if (open >= MAX_BROWSERS) return { status: 503, reason: `${MAX_BROWSERS} browsers are connected already` };
    return undefined;
  }

  /** What is asked for below the token, without a query. */
  #enter(request: IncomingMessage): string | Refusal {
    const refusal = refusalOf(askedBy(request), this.hosts);
    if (refusal !== undefined) return refusal;
    const [token = '', ...rest] = (request.url ?? '').split('?')[0]?.slice(1).split('/') ?? [];
    // Without the slash the page would look for its files a level too high.
    if (rest.length === 0 || !same(token, this.token)) return { status: 403, reason: 'the address lacks its token' };
    return rest.join('/');
  }
}

/** Takes as long wherever they differ. */
function same(given: string, right: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(right));
}

/** Its own files and its own connection, nothing else; no text ever becomes markup. */
function contentPolicy(host: string): string {
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    `connect-src 'self' ws://${host}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ].join('; ');
}

function refuseUpgrade(socket: Duplex, { status, reason }: Refusal): void {
  const body = `${reason}\n`;
  const headers = {
    ...SAFE_HEADERS,
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': body.length,
    Connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n${lines.join('')}\r\n${body}`);
}
