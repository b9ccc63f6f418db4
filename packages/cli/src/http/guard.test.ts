/** Which requests are answered at all. */
import { describe, expect, it } from 'vitest';
import { loopbackHosts, refusalOf } from './guard.js';

const HOSTS = loopbackHosts(8080);
const statusOf = (
  asked: { method?: string; host?: string; origin?: string },
  hosts: ReadonlySet<string> | null = HOSTS,
) => refusalOf({ method: 'GET', host: '127.0.0.1:8080', origin: undefined, ...asked }, hosts)?.status;

describe('the guard', () => {
  it.each(['127.0.0.1:8080', 'localhost:8080', 'LOCALHOST:8080', '[::1]:8080'])('host %s', (host) => {
    expect(statusOf({ host })).toBeUndefined();
    expect(statusOf({ host, origin: `http://${host}` })).toBeUndefined();
  });

  it.each([
    '127.0.0.1',
    '127.0.0.1:8081',
    'evil.example:8080',
    'localhost.evil.example:8080',
    '127.0.0.1:8080.evil.example',
    '',
    '127.0.0.1:80800',
  ])('a host that is not this one: %s', (host) => {
    expect(statusOf({ host })).toBe(403);
  });

  it('no host at all', () => {
    expect(refusalOf({ method: 'GET', host: undefined, origin: undefined }, HOSTS)?.status).toBe(403);
  });

  it.each([
    'http://evil.example',
    'https://127.0.0.1:8080',
    'http://127.0.0.1:8081',
    'http://localhost:8080',
    'null',
    '',
  ])('an origin that is not the page: %s', (origin) => {
    expect(statusOf({ origin })).toBe(403);
    expect(statusOf({ origin }, null)).toBe(403);
  });

  it.each(['POST', 'HEAD', 'PUT', 'OPTIONS', 'DELETE'])('%s', (method) => {
    expect(statusOf({ method })).toBe(405);
  });

  it('port 80 need not be named', () => {
    expect(statusOf({ host: 'localhost' }, loopbackHosts(80))).toBeUndefined();
  });

  it('any host where another address was asked for', () => {
    expect(statusOf({ host: 'box.example:9464' }, null)).toBeUndefined();
  });
});
