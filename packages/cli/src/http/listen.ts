/**
 * An HTTP server on an address of this machine.
 *
 * Owns: limits against connections that only cost, the sentence when the address cannot be had, the end. Must not know: what is served.
 */
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { deviceError } from '../exit.js';
import { type Address, originOf } from './address.js';

const LIMITS = { headersTimeout: 5_000, requestTimeout: 10_000, keepAliveTimeout: 5_000, maxHeaderSize: 8192 };
const MAX_CONNECTIONS = 100;

export async function listenHttp({ host, port }: Address, answer: RequestListener): Promise<Server> {
  const server = createServer(LIMITS, answer);
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const reason = error.code === 'EADDRINUSE' ? 'somebody else uses that port' : error.message;
      reject(deviceError(`cannot listen on ${originOf({ host, port })}: ${reason}`));
    });
    server.listen({ host, port }, resolve);
  });
  return server;
}

export function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

/** Resolves when every connection is closed, which it does not wait for. */
export function closeHttp(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
