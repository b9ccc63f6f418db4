/** The demo as users run it: real daemon, real client processes, and every way it can end. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { isAlive } from '../background/process-state.js';
import { EXIT } from '../exit.js';
import { runCli, startCli, temporaryDirectory } from '../testing/run-cli.js';
import { reachedByArrows, type TraceEvent } from '../trace/testing/trace-events.js';
import type { DemoDocument } from './report.js';

const GONE_TIMEOUT_MS = 20_000;

/** The processes the story names, by role. */
function pidsIn(story: string): Record<string, number> {
  const found = story.matchAll(/^(\w+(?: \d)?) +pid (\d+) /gm);
  return Object.fromEntries([...found].map(([, name, pid]) => [name, Number(pid)]));
}

async function untilGone(pids: readonly number[]): Promise<void> {
  const deadline = performance.now() + GONE_TIMEOUT_MS;
  while (pids.some(isAlive)) {
    if (performance.now() > deadline) throw new Error(`still alive: ${pids.filter(isAlive)}`);
    await delay(10);
  }
}

/** A file that takes the demo a while to move, and nobody any time to make. */
function largeFile(directory: string): string {
  const file = path.join(directory, 'large');
  writeFileSync(file, '');
  truncateSync(file, 256 * 2 ** 20);
  return file;
}

describe('the demo', () => {
  it('moves the default file, shows why relay and reader are blocked, and leaves nothing behind', async () => {
    using temporary = temporaryDirectory();
    const { code, out, err } = await runCli(['demo'], { TMPDIR: temporary.path });
    expect(err).toBe('');
    expect(code).toBe(EXIT.ok);
    const { relay, reader } = pidsIn(out);
    expect(out).toMatch(new RegExp(`DMA_1_0 +external +${relay} .* FENCE`));
    expect(out).toMatch(new RegExp(`DMA_1_1 +external +${reader} .* FENCE`));
    expect(
      out.match(/blocked at fence 0: needs 1, has 0; monitor E_N \d+ waits for SOB E_N \d+ >= 1, now 0/g),
    ).toHaveLength(2);
    const sha256 = createHash('sha256').update(readFileSync('docs/demo/quarry.png')).digest('hex');
    expect(out).toContain(`${sha256}  of what came back: identical`);
    expect(readdirSync(temporary.path)).toEqual([]);
    expect(Object.values(pidsIn(out)).filter(isAlive)).toEqual([]);
  });

  it('JSON: one document, over three devices, with a last chunk that is not whole', async () => {
    using temporary = temporaryDirectory();
    const file = path.join(temporary.path, 'file');
    writeFileSync(file, Buffer.alloc(1_000_001, 'pedrera '));
    const { code, out } = await runCli(['demo', file, '--devices', '3', '--json'], { TMPDIR: temporary.path });
    expect(code).toBe(EXIT.ok);
    const document = JSON.parse(out) as DemoDocument;
    expect(document).toMatchObject({ schema: 'pedrera.demo/1', sizeBytes: 1_000_001, devices: 3, chunks: 16 });
    expect(document.sha256.identical).toBe(true);
    const steps = document.transfers.map(({ step, device }) => `${step} ${device}`);
    expect(steps).toEqual(['upload 0', 'relay 1', 'relay 2', 'read back 2']);
    expect(document.overlap).toHaveLength(2);
    const blocked = document.blocked.devices.map(({ queues }) => queues.filter((queue) => queue.blockedOn !== null));
    expect(blocked.map((queues) => queues.length)).toEqual([0, 1, 2]);
    const { blockedOn } = blocked[2]?.[0] ?? {};
    expect(blockedOn?.fence).toEqual({ id: 0, target: 1, value: 0 });
    expect(blockedOn?.monitors[0]).toMatchObject({ dcore: 'E_N', mode: '>=', awaited: 1 });
    expect(blockedOn?.monitors[0]?.objects[0]).toMatchObject({ value: 0, awaited: 1 });
    expect(readdirSync(temporary.path)).toEqual(['file']);
  });

  it('moves a single byte', async () => {
    using temporary = temporaryDirectory();
    const file = path.join(temporary.path, 'byte');
    writeFileSync(file, 'x');
    const { code, out } = await runCli(['demo', file, '--json']);
    expect(code).toBe(EXIT.ok);
    expect((JSON.parse(out) as DemoDocument).sha256.identical).toBe(true);
  });
});

describe('a recording of it', () => {
  it('leads from the submit of the loader to the wake-up of the reader', async () => {
    using temporary = temporaryDirectory();
    const recording = path.join(temporary.path, 'demo.pedrera-trace');
    const trace = path.join(temporary.path, 'demo.json');
    const { code, out } = await runCli(['demo', '--record', recording]);
    expect(code).toBe(EXIT.ok);
    expect((await runCli(['trace', 'export', recording, '-o', trace])).code).toBe(EXIT.ok);
    const { traceEvents } = JSON.parse(readFileSync(trace, 'utf8')) as { traceEvents: TraceEvent[] };
    const pids = pidsIn(out);
    const submits = traceEvents.filter(({ ph, name, pid }) => ph === 'X' && name === 'CS' && pid === pids.loader);
    const names = submits.flatMap((submit) =>
      reachedByArrows(traceEvents, submit).map(({ name, pid }) => `${pid === pids.reader ? 'reader ' : ''}${name}`),
    );
    expect(names).toContain('reader WAIT_CS');
  });
});

describe('ended from outside', () => {
  const blocked = /waits for SOB/;

  it.each([
    ['SIGINT', 'to the whole group, as a terminal does'],
    ['SIGTERM', 'to the demo alone'],
  ] as const)('%s %s: cleans up and says so', async (signal, whom) => {
    using temporary = temporaryDirectory();
    const running = startCli(['demo', largeFile(temporary.path)], { TMPDIR: temporary.path });
    const pids = pidsIn(await running.outputMatching(blocked));
    const pid = running.child.pid as number;
    process.kill(whom.includes('group') ? -pid : pid, signal);
    const { code, err } = await running.finished;
    expect(code).toBe(EXIT.interrupted);
    expect(err).toBe(`pedrera: ended by ${signal}; everything is cleaned up\n`);
    expect(Object.values(pids).filter(isAlive)).toEqual([]);
    expect(readdirSync(temporary.path)).toEqual(['large']);
  });

  it.each(['loader', 'relay', 'daemon'])('the %s is killed: an error, and nothing is left', async (victim) => {
    using temporary = temporaryDirectory();
    const running = startCli(['demo', largeFile(temporary.path)], { TMPDIR: temporary.path });
    const pids = pidsIn(await running.outputMatching(blocked));
    process.kill(pids[victim] as number, 'SIGKILL');
    const { code, err } = await running.finished;
    expect(code).toBe(EXIT.deviceError);
    expect(err).toContain(
      victim === 'daemon' ? 'the daemon ended with SIGKILL' : `the ${victim} process ended (SIGKILL)`,
    );
    expect(Object.values(pids).filter(isAlive)).toEqual([]);
    expect(readdirSync(temporary.path)).toEqual(['large']);
  });

  it('nobody reads what it says: cleans up', async () => {
    using temporary = temporaryDirectory();
    const running = startCli(['demo', largeFile(temporary.path)], { TMPDIR: temporary.path });
    const pids = pidsIn(await running.outputMatching(/the read of chunk/));
    running.child.stdout?.destroy();
    const { code } = await running.finished;
    expect(code).toBe(EXIT.interrupted);
    expect(Object.values(pids).filter(isAlive)).toEqual([]);
    expect(readdirSync(temporary.path)).toEqual(['large']);
  });

  it('the demo itself is killed: daemon and clients end with it', async () => {
    using temporary = temporaryDirectory();
    const running = startCli(['demo', largeFile(temporary.path)], { TMPDIR: temporary.path });
    const pids = pidsIn(await running.outputMatching(blocked));
    running.child.kill('SIGKILL');
    await untilGone(Object.values(pids));
  });
});
