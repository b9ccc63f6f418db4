/** `pedrera web` as a browser and as an attacker meets it. The daemon is made up, so that it can go away and come back. */
import path from 'node:path';
import type { LiveMessage, PageRequest, ServerMessage } from '@pedrera/web';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { EXIT } from '../exit.js';
import { crowd } from '../testing/crowd.js';
import { startFakeDaemon } from '../testing/fake-daemon.js';
import { ask, UPGRADE } from '../testing/http.js';
import { runCli, startCli, temporaryDirectory } from '../testing/run-cli.js';

const directory = temporaryDirectory();
const socketPath = path.join(directory.path, 'd.sock');
const CLIENTS = 1000;
const busyDaemon = () => startFakeDaemon(socketPath, { snapshot: crowd({ clients: CLIENTS }) });

let daemon: Awaited<ReturnType<typeof startFakeDaemon>>;
let server: ReturnType<typeof startCli>;
let url: string;
let host: string;
let token: string;

beforeAll(async () => {
  daemon = await busyDaemon();
  server = startCli(['web', '--json', '--socket', socketPath]);
  const printed = JSON.parse(await server.outputMatching(/\n/)) as { schema: string; url: string };
  expect(printed.schema).toBe('pedrera.web-server/1');
  url = printed.url;
  host = new URL(url).host;
  token = new URL(url).pathname;
});

afterAll(async () => {
  server.child.kill('SIGINT');
  expect(await server.finished).toMatchObject({ code: EXIT.ok, err: '' });
  await daemon.close();
  directory[Symbol.dispose]();
});

/** The page's end of the connection. */
class Page {
  readonly #socket = new WebSocket(`${url.replace('http', 'ws')}live`, { origin: `http://${host}` });
  readonly #said: ServerMessage[] = [];
  #wake: (() => void) | undefined;
  readonly closed = new Promise<number>((resolve) => this.#socket.once('close', resolve));

  constructor() {
    this.#socket.on('message', (data) => {
      this.#said.push(JSON.parse(String(data)) as ServerMessage);
      this.#wake?.();
    });
    this.#socket.once('error', () => this.#wake?.());
  }

  async next<T extends ServerMessage['type']>(type: T): Promise<ServerMessage & { type: T }> {
    for (;;) {
      const message = this.#said.shift();
      if (message?.type === type) return message as ServerMessage & { type: T };
      if (message !== undefined) continue;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async nextLive(wanted: (message: LiveMessage) => boolean): Promise<LiveMessage> {
    for (;;) {
      const message = await this.next('live');
      if (wanted(message)) return message;
    }
  }

  say(request: PageRequest | string): void {
    this.#socket.send(typeof request === 'string' ? request : JSON.stringify(request));
  }

  async close(): Promise<void> {
    this.#socket.close();
    await this.closed;
  }
}

const VIEW = {
  type: 'view',
  device: null,
  filter: '',
  queuesFrom: 0,
  clientsFrom: 0,
  clientSort: 'pid',
  buffersFrom: 0,
} as const;

describe('who is let in', () => {
  it('the page and its files, with their types and nothing to be kept or framed', async () => {
    const page = await ask(url);
    expect(page.status).toBe(200);
    expect(page.body).toContain('<title>Pedrera</title>');
    expect(page.headers).toMatchObject({
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'no-referrer',
      'x-frame-options': 'DENY',
      'cross-origin-resource-policy': 'same-origin',
    });
    const policy = page.headers['content-security-policy'];
    expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self';");
    expect(policy).not.toContain('unsafe');
    expect(page.body).not.toMatch(/<script(?![^>]*src=)|style=|https?:/);
    expect(await ask(`${url}main.js`)).toMatchObject({
      status: 200,
      headers: { 'content-type': 'text/javascript; charset=utf-8' },
    });
    expect(await ask(`${url}page.css`)).toMatchObject({
      status: 200,
      headers: { 'content-type': 'text/css; charset=utf-8' },
    });
    expect(await ask(url, { headers: { Host: host.replace('127.0.0.1', 'localhost') } })).toMatchObject({
      status: 200,
    });
    expect(await ask(url, { headers: { Origin: `http://${host}` } })).toMatchObject({ status: 200 });
  });

  it.each([
    ['no token', 403, () => ({ path: '/' })],
    ['a file without it', 403, () => ({ path: '/main.js' })],
    ['another token', 403, () => ({ path: `/${'A'.repeat(43)}/` })],
    ['the token without the slash', 403, () => ({ path: token.slice(0, -1) })],
    ['a name that was made to point here', 403, () => ({ headers: { Host: `evil.example:${new URL(url).port}` } })],
    ['another port', 403, () => ({ headers: { Host: '127.0.0.1:1' } })],
    ["another site's page", 403, () => ({ headers: { Origin: 'http://evil.example' } })],
    ['a page without a site', 403, () => ({ headers: { Origin: 'null' } })],
    ['POST', 405, () => ({ method: 'POST' })],
    ['HEAD', 405, () => ({ method: 'HEAD' })],
    ['OPTIONS', 405, () => ({ method: 'OPTIONS' })],
    ['a file that is not there', 404, () => ({ path: `${token}nothing.js` })],
    ['a way out', 404, () => ({ path: `${token}../package.json` })],
    ['an encoded way out', 404, () => ({ path: `${token}%2e%2e%2fpackage.json` })],
    ['types, maps and tests of the page', 404, () => ({ path: `${token}main.js.map` })],
    ['live without an upgrade', 404, () => ({ path: `${token}live` })],
  ] as const)('%s: %d', async (_, status, asked) => {
    const answer = await ask(url, asked());
    expect(answer.status).toBe(status);
    // A sentence, and nothing of what was asked for.
    expect(answer.body).toMatch(/^([a-zA-Z ]+\n)?$/);
    expect(answer.headers).toMatchObject({ 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' });
  });

  it.each([
    ['the page', 101, () => ({ headers: { Origin: `http://${host}` } })],
    ['no origin', 403, () => ({})],
    ['another origin', 403, () => ({ headers: { Origin: 'http://evil.example' } })],
    ['another name of this machine', 403, () => ({ headers: { Origin: `http://localhost:${new URL(url).port}` } })],
    ['another host', 403, () => ({ headers: { Host: 'evil.example', Origin: 'http://evil.example' } })],
    ['another token', 403, () => ({ path: `/${'A'.repeat(43)}/live`, headers: { Origin: `http://${host}` } })],
    ['another place', 404, () => ({ path: `${token}main.js`, headers: { Origin: `http://${host}` } })],
  ] as const)('a WebSocket of %s: %d', async (_, status, asked) => {
    const { path: place = `${token}live`, headers = {} } = asked() as {
      path?: string;
      headers?: Record<string, string>;
    };
    expect((await ask(url, { path: place, headers: { ...UPGRADE, ...headers } })).status).toBe(status);
  });

  it('whoever sends what the page does not send is shown the door', async () => {
    for (const nonsense of [
      '{',
      '{"type":"reset"}',
      '[]',
      '{"type":"view"}',
      JSON.stringify({ ...VIEW, queuesFrom: -1 }),
    ]) {
      const page = new Page();
      await page.next('live');
      page.say(nonsense);
      expect(await page.closed).toBe(1008);
    }
    const page = new Page();
    await page.next('live');
    page.say('x'.repeat(5000));
    expect(await page.closed).toBe(1009);
  });
});

describe('what the page is told', () => {
  it('of a thousand clients as many as fit, and the others on request', async () => {
    const page = new Page();
    const first = await page.next('live');
    expect(first).toMatchObject({
      schema: 'pedrera.web/1',
      fresh: true,
      queues: { total: CLIENTS, blocked: CLIENTS, from: 0 },
      clients: { total: CLIENTS, from: 0 },
    });
    expect(first.queues.rows).toHaveLength(25);
    expect(first.clients.rows).toHaveLength(15);
    expect(first.events).toHaveLength(200);
    expect(JSON.stringify(first).length).toBeLessThan(100_000);

    page.say({ ...VIEW, clientsFrom: 990, queuesFrom: 2 ** 40 });
    const last = await page.nextLive(({ clients }) => clients.from > 0);
    expect(last).toMatchObject({ fresh: false, events: [], clients: { from: 990 }, queues: { from: 975 } });
    expect(last.clients.rows.map(({ pid }) => pid)).toEqual(Array.from({ length: 10 }, (_, i) => 5990 + i));

    page.say({ ...VIEW, filter: 'WORKER-77', device: 1 });
    const found = await page.nextLive(({ clients }) => clients.total < CLIENTS);
    expect(found.clients.rows.map(({ program }) => program)).toEqual([
      'worker-77.js',
      ...[771, 773, 775, 777, 779].map((number) => `worker-${number}.js`),
    ]);
    await page.close();
  });

  it('why a stream does not move, as the command tells it', async () => {
    const page = new Page();
    const { queues } = await page.next('live');
    const [queue] = queues.rows;
    if (queue === undefined) throw new Error('no queue');
    const { pid, device, asid, seq } = queue;
    page.say({
      type: 'why',
      id: 7,
      pid: pid ?? 0,
      submission: { device, asid: asid ?? 0, seq: seq ?? 0 },
      columns: 100,
    });
    const answer = await page.next('why');
    expect(answer.id).toBe(7);
    expect(answer.text).toContain(`pid ${pid}`);
    expect(answer.text).toContain('fence 0');
    await page.close();
  });

  it('that the daemon is gone, and that there is one again', async () => {
    const [page, other] = [new Page(), new Page()];
    await Promise.all([page.next('live'), other.next('live')]);
    await daemon.close();
    const [gone] = await Promise.all([page.next('gone'), other.next('gone')]);
    expect(gone.reason).not.toBe('');
    const late = new Page();
    expect((await late.next('gone')).reason).not.toBe('');
    page.say({ type: 'why', id: 1, pid: 5000, submission: null, columns: 80 });
    expect((await page.next('why')).text).toMatch(/^cannot tell: /);
    daemon = await busyDaemon();
    const [again] = await Promise.all([page.next('live'), late.next('live'), other.next('live')]);
    expect(again.clients.total).toBe(CLIENTS);
    await Promise.all([page.close(), late.close(), other.close()]);
  });
});

describe('without a daemon it could show', () => {
  it('no daemon', async () => {
    const { code, out, err } = await runCli(['web', '--socket', path.join(directory.path, 'none')]);
    expect({ code, out }).toEqual({ code: EXIT.noDaemon, out: '' });
    expect(err).toContain('no daemon on');
  });

  it.each(['older', 'newer', 'protocol'] as const)('a daemon of another version (%s)', async (other) => {
    const place = path.join(directory.path, other);
    await using _ = await startFakeDaemon(place, { snapshot: crowd({ clients: 0 }) }, other);
    const { code, err } = await runCli(['web', '--socket', place]);
    expect(code).toBe(EXIT.deviceError);
    expect(err).toContain('is of another version than this command');
  });

  it('a port that is taken', async () => {
    const { code, err } = await runCli(['web', '--port', new URL(url).port, '--socket', socketPath]);
    expect(code).toBe(EXIT.deviceError);
    expect(err).toMatch(/cannot listen on http:\/\/127\.0\.0\.1:\d+: somebody else uses that port/);
  });
});
