/**
 * The page that Prometheus scrapes.
 *
 * Owns: what is answered to which request, and the connection to the daemon behind it. Must not know: the metrics.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Snapshot } from '@pedrera/uapi';
import { type Address, METRICS_PATH, metricsUrl } from '../http/address.js';
import { askedBy, loopbackHosts, type Refusal, refusalOf, refuse, SAFE_HEADERS } from '../http/guard.js';
import { closeHttp, listenHttp, portOf } from '../http/listen.js';
import { CONTENT_TYPE, exposition } from './exposition.js';

const LOOPBACK = new Set(['127.0.0.1', 'localhost', '::1']);

/** Takes a snapshot; null when there is no daemon to ask. */
export type Look = () => Promise<Snapshot | null>;

export interface MetricsServer {
  readonly url: string;
  close(): Promise<void>;
}

export async function serveMetrics({ host, port }: Address, look: Look): Promise<MetricsServer> {
  let hosts: ReadonlySet<string> | null = null;
  const shared = sharing(look);
  const server = await listenHttp({ host, port }, (request, response) => {
    void answer(request, response, { hosts, look: shared });
  });
  const actual = portOf(server);
  // Whoever gives another address than loopback knows the names it goes by; this process does not.
  if (LOOPBACK.has(host)) hosts = loopbackHosts(actual);
  return { url: metricsUrl({ host, port: actual }), close: () => closeHttp(server) };
}

interface Serving {
  readonly hosts: ReadonlySet<string> | null;
  readonly look: Look;
}

async function answer(request: IncomingMessage, response: ServerResponse, { hosts, look }: Serving): Promise<void> {
  const refusal = refusalOf(askedBy(request), hosts) ?? notHere(request);
  if (refusal !== undefined) {
    refuse(response, refusal);
    return;
  }
  const text = await exposition(await look());
  response.writeHead(200, { ...SAFE_HEADERS, 'Content-Type': CONTENT_TYPE });
  response.end(text);
}

function notHere({ url }: IncomingMessage): Refusal | undefined {
  return url?.split('?')[0] === METRICS_PATH ? undefined : { status: 404, reason: `there is only ${METRICS_PATH}` };
}

/** Scrapers that come at the same time share one look. */
function sharing(look: Look): Look {
  let under: ReturnType<Look> | undefined;
  return () => {
    under ??= look().finally(() => {
      under = undefined;
    });
    return under;
  };
}
