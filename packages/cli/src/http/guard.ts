/**
 * Which HTTP requests are answered at all.
 *
 * Owns: the rules that keep other sites' pages out: Host (a name that was made to point here says its own name), Origin, methods.
 * Must not know: what is served.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

export interface Refusal {
  readonly status: 403 | 404 | 405 | 503;
  /** One sentence, without anything of the request in it. */
  readonly reason: string;
}

/** What a rule looks at. */
export interface Asked {
  readonly method: string | undefined;
  readonly host: string | undefined;
  readonly origin: string | undefined;
}

export function askedBy({ method, headers }: IncomingMessage): Asked {
  return { method, host: headers.host, origin: headers.origin };
}

const HTTP_PORT = 80;

/** The names of this machine that a browser may call it by. */
export function loopbackHosts(port: number): ReadonlySet<string> {
  const names = ['127.0.0.1', 'localhost', '[::1]'];
  return new Set([...names.map((name) => `${name}:${port}`), ...(port === HTTP_PORT ? names : [])]);
}

/** `hosts` null: any. Undefined when nothing speaks against the request. */
export function refusalOf({ method, host, origin }: Asked, hosts: ReadonlySet<string> | null): Refusal | undefined {
  if (hosts !== null && (host === undefined || !hosts.has(host.toLowerCase()))) {
    return { status: 403, reason: 'this server does not go by that name' };
  }
  // A browser says where a request comes from unless it is the user who goes there.
  if (origin !== undefined && origin !== `http://${host}`) {
    return { status: 403, reason: 'requests of other sites are refused' };
  }
  if (method !== 'GET') return { status: 405, reason: 'only GET is answered' };
  return undefined;
}

/** On every answer, refusals included. */
export const SAFE_HEADERS: Readonly<Record<string, string>> = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'X-Frame-Options': 'DENY',
};

export function refuse(response: ServerResponse, { status, reason }: Refusal): void {
  response.writeHead(status, {
    ...SAFE_HEADERS,
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Security-Policy': "default-src 'none'",
    ...(status === 405 ? { Allow: 'GET' } : {}),
    // Whatever a refused request has in its body is not read.
    Connection: 'close',
  });
  response.end(`${reason}\n`);
}
