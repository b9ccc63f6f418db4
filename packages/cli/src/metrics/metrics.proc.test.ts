/** `pedrera metrics`, and --metrics of a daemon, scraped. */
import { spawnSync } from 'node:child_process';
import { createServer } from 'node:net';
import path from 'node:path';
import { openDevice, Queue } from '@pedrera/thunk';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../exit.js';
import { crowd } from '../testing/crowd.js';
import { startFakeDaemon } from '../testing/fake-daemon.js';
import { type Answer, ask } from '../testing/http.js';
import { runCli, startCli, temporaryDirectory } from '../testing/run-cli.js';

const FILE_FORM = 'text/plain; version=0.0.4; charset=utf-8';

function numberOf(text: string, metric: string): number | undefined {
  const line = text.split('\n').find((one) => one.startsWith(`${metric} `));
  return line === undefined ? undefined : Number(line.slice(metric.length + 1));
}

/** One that nobody listens on now. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Resolves when nobody listens there any more. A connection that is open at the end is reset. */
async function untilGone(url: string): Promise<void> {
  for (;;) {
    try {
      await ask(url);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') return;
    }
  }
}

describe('pedrera metrics', () => {
  it('answers scrapes of this machine, and says when the daemon is gone and back', async () => {
    using directory = temporaryDirectory();
    const socketPath = path.join(directory.path, 'd.sock');
    const snapshot = crowd({ clients: 1000 });
    const first = await startFakeDaemon(socketPath, { snapshot });
    const server = startCli(['metrics', '--port', '0', '--json', '--socket', socketPath]);
    const { schema, url } = JSON.parse(await server.outputMatching(/\n/)) as { schema: string; url: string };
    expect(schema).toBe('pedrera.metrics/1');

    const scrapes: Answer[] = await Promise.all([ask(url), ask(url), ask(`${url}`, { path: '/metrics?x=1' })]);
    for (const { status, headers, body } of scrapes) {
      expect({ status, form: headers['content-type'] }).toEqual({ status: 200, form: FILE_FORM });
      expect(numberOf(body, 'pedrera_clients')).toBe(1000);
    }
    expect((await ask(url, { path: '/' })).status).toBe(404);
    expect((await ask(url, { method: 'POST' })).status).toBe(405);
    expect((await ask(url, { headers: { Host: 'evil.example' } })).status).toBe(403);
    expect((await ask(url, { headers: { Origin: 'http://evil.example' } })).status).toBe(403);

    await first.close();
    const { body } = await ask(url);
    expect(body.split('\n').filter((line) => line !== '' && !line.startsWith('#'))).toEqual(['pedrera_up 0']);
    await using _ = await startFakeDaemon(socketPath, { snapshot });
    expect(numberOf((await ask(url)).body, 'pedrera_up')).toBe(1);
    server.child.kill('SIGTERM');
    expect(await server.finished).toMatchObject({ code: EXIT.ok, err: '' });
  });

  it('--once prints them', async () => {
    using directory = temporaryDirectory();
    const socketPath = path.join(directory.path, 'd.sock');
    await using _ = await startFakeDaemon(socketPath, { snapshot: crowd({ clients: 2 }) });
    const { code, out } = await runCli(['metrics', '--once', '--socket', socketPath]);
    expect(code).toBe(EXIT.ok);
    expect(numberOf(out, 'pedrera_clients')).toBe(2);
    const json = await runCli(['metrics', '--once', '--json', '--socket', socketPath]);
    expect(JSON.parse(json.out)).toEqual({ schema: 'pedrera.metrics-text/1', text: out });
  });

  it.each([['--once'], ['--port', '0']])('no daemon, or another version (%s)', async (...args) => {
    using directory = temporaryDirectory();
    const none = await runCli(['metrics', ...args, '--socket', path.join(directory.path, 'none')]);
    expect(none).toMatchObject({ code: EXIT.noDaemon, out: '' });
    for (const other of ['older', 'newer', 'protocol'] as const) {
      const socketPath = path.join(directory.path, other);
      await using _ = await startFakeDaemon(socketPath, { snapshot: crowd({ clients: 0 }) }, other);
      const { code, out, err } = await runCli(['metrics', ...args, '--socket', socketPath]);
      expect({ code, out }).toEqual({ code: EXIT.deviceError, out: '' });
      expect(err).toContain('is of another version than this command');
    }
  });
});

describe('a daemon with --metrics', () => {
  it('counts what its clients do, and takes the server down with it', async () => {
    using directory = temporaryDirectory();
    const at = ['--socket', path.join(directory.path, 'd.sock')];
    const port = await freePort();
    const started = await runCli(['start', '--devices', '1', '--metrics', String(port), ...at]);
    const url = `http://127.0.0.1:${port}/metrics`;
    expect(started).toMatchObject({ code: EXIT.ok, err: '' });
    expect(started.out).toContain(`metrics: ${url}\n`);

    const device = await openDevice(0, { socketPath: at[1] as string, program: 'counted' });
    const cb = await device.createCommandBuffer();
    cb.nop();
    for (let i = 0; i < 3; i++) await (await device.submit({ queue: Queue.DMA_0_0, cb })).wait();
    const { body } = await ask(url);
    const DEVICE = '{device="0"}';
    expect(numberOf(body, `pedrera_device_submissions_completed_total${DEVICE}`)).toBe(3);
    expect(numberOf(body, `pedrera_device_submission_duration_seconds_count${DEVICE}`)).toBe(3);
    expect(numberOf(body, `pedrera_device_submission_duration_seconds_bucket{device="0",le="+Inf"}`)).toBe(3);
    expect(numberOf(body, `pedrera_device_submission_duration_seconds_sum${DEVICE}`)).toBeGreaterThan(0);
    expect(body).toContain(`pid="${process.pid}",program="counted",node="hl0"} 3`);
    const checked = spawnSync('promtool', ['check', 'metrics'], { input: body, encoding: 'utf8' });
    // Where it is not installed, the text is checked by metrics.test.ts alone.
    if (checked.error === undefined) expect(checked.stdout + checked.stderr).toBe('');
    await device.close();

    expect((await runCli(['stop', ...at])).code).toBe(EXIT.ok);
    await untilGone(url);
  });

  it('a daemon that is killed takes the server with it, too', async () => {
    using directory = temporaryDirectory();
    const port = await freePort();
    const at = ['--socket', path.join(directory.path, 'd.sock')];
    const { out } = await runCli(['start', '--devices', '1', '--metrics', String(port), '--json', ...at]);
    process.kill((JSON.parse(out) as { pid: number }).pid, 'SIGKILL');
    await untilGone(`http://127.0.0.1:${port}/metrics`);
  });

  it('a port that is taken: no daemon, and the reason', async () => {
    using directory = temporaryDirectory();
    const at = ['--socket', path.join(directory.path, 'd.sock')];
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    const { code, err } = await runCli(['start', '--devices', '1', '--metrics', String(port), ...at]);
    expect(code).toBe(EXIT.deviceError);
    expect(err).toBe(`pedrera: --metrics: cannot listen on http://127.0.0.1:${port}: somebody else uses that port\n`);
    expect((await runCli(['status', ...at])).code).toBe(EXIT.noDaemon);
    await new Promise((resolve) => taken.close(resolve));
  });
});
