/** strace, trace record, export and replay on real daemons and real clients. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Dcore, openDevice, Queue } from '@pedrera/thunk';
import type { ClientsSnapshot } from '@pedrera/uapi';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EXIT } from '../exit.js';
import { runCli, startCli, temporaryDirectory } from '../testing/run-cli.js';
import { checkTraceEvents, type TraceEvent } from './testing/trace-events.js';

const directory = temporaryDirectory();
const socket = path.join(directory.path, 'p.sock');
const file = (name: string) => path.join(directory.path, name);
/** A small client: fills memory, moves it there and back, waits twice, makes one mistake. */
const PROGRAM = fileURLToPath(new URL('../../dist/trace/testing/small-client.js', import.meta.url));
const OWN_DAEMON = ['--devices', '2', '--policy', 'shared'];
const JSON_OF = (out: string) => JSON.parse(out) as Record<string, unknown>;

beforeAll(async () => {
  expect(await runCli(['start', '--devices', '2', '--socket', socket])).toMatchObject({ code: EXIT.ok });
});

afterAll(async () => {
  expect(await runCli(['stop', '--socket', socket])).toMatchObject({ code: EXIT.ok });
  directory[Symbol.dispose]();
});

describe('strace', () => {
  it('shows the calls of a program and of nobody else, and ends with its exit code', async () => {
    await using other = await openDevice(1, { socketPath: socket, program: 'other' });
    await other.createCommandBuffer();
    const { code, err, out } = await runCli(['strace', '--socket', socket, '--', 'node', PROGRAM, '3']);
    expect({ code, out }).toEqual({ code: 3, out: 'small client\n' });
    expect(err).toMatch(/^HELLO\(version=\d+, program="small-client\.js"\) = 0 \{.*\} <\d\.\d{6}>$/m);
    expect(err).toMatch(/^CB_CREATE\(size=4096, flags=0\) = 0 \{handle=0x[0-9a-f]+\} <\d\.\d{6}>$/m);
    expect(err).toMatch(/^CB_DESTROY\(handle=0x[0-9a-f]+\) = -1 EINVAL \(.+\) <\d\.\d{6}>$/m);
    expect(err).toMatch(/^\+\+\+ closed hl0 \+\+\+$/m);
    expect(err).not.toContain('hl1');
  });

  it('filters, counts, and writes to a file', async () => {
    const output = file('calls.txt');
    const filtered = await runCli(['strace', ...OWN_DAEMON, '-e', 'fault', '-o', output, '--', 'node', PROGRAM]);
    expect({ code: filtered.code, err: filtered.err }).toEqual({ code: 0, err: '' });
    expect(
      readFileSync(output, 'utf8')
        .split('\n')
        .filter((line) => !line.startsWith('+++') && !line.startsWith('---') && line !== ''),
    ).toEqual([expect.stringMatching(/^CB_DESTROY\(.*\) = -1 EINVAL /)]);
    const counted = await runCli(['strace', ...OWN_DAEMON, '-c', '--', 'node', PROGRAM]);
    expect(counted.err).toMatch(/^ *\d+\.\d\d +\d\.\d{6} +\d+ +\d\.\d{6} +2 {10}CS$/m);
    expect(counted.err).toMatch(/^ *\d+\.\d\d .* 1 +1 {2}CB_DESTROY$/m);
  });

  it('attaches to a client that runs, shows what it hangs in, and lets go of it', async () => {
    const device = await openDevice(0, { socketPath: socket, program: 'hangs' });
    const lease = await device.leaseSync({ dcore: Dcore.E_N, syncObjects: 1, monitors: 1 });
    const strace = startCli(['strace', '-p', String(process.pid), '--socket', socket]);
    const clients = async () =>
      (JSON_OF((await runCli(['ps', '--json', '--socket', socket])).out) as unknown as ClientsSnapshot).clients;
    expect((await clients()).map(({ program }) => program)).toContain('hangs');
    // Until the line is there the listener may not listen yet.
    const probe = await device.createCommandBuffer();
    let seen = false;
    const line = strace.outputMatching(/^INFO_DEVICE_STATUS\(\) = 0/m).then(() => {
      seen = true;
    });
    while (!seen) await Promise.race([device.ioctl('INFO_DEVICE_STATUS', {}), line]);
    const stuck = await device.createCommandBuffer();
    stuck.waitFor({ syncObject: lease.object(0), monitor: lease.monitor(0), value: 1, queue: Queue.DMA_1_0, fence: 0 });
    const work = await device.submit({ queue: Queue.DMA_1_0, cb: stuck });
    const waiting = work.wait();
    await strace.outputMatching(/^WAIT_CS\(seq=1, .*\) <unfinished \.\.\.>$/m);
    probe.signal(lease.object(0), 1);
    await device.submit({ queue: Queue.DMA_0_0, cb: probe });
    await waiting;
    await strace.outputMatching(/^<\.\.\. WAIT_CS resumed> = 0 \{status=COMPLETED, .*\} <\d\.\d{6}>$/m);
    await device.close();
    expect(await strace.finished).toMatchObject({ code: EXIT.ok, err: '' });
  });

  it('says what is wrong with its command line', async () => {
    for (const args of [[], ['-p', '1', '--', 'true'], ['-e', 'trace=NO_SUCH', '--', 'true']]) {
      expect((await runCli(['strace', '--socket', socket, ...args])).code).toBe(EXIT.usage);
    }
    const { code, err } = await runCli(['strace', '-p', '4000000', '--socket', socket]);
    expect(code).toBe(EXIT.deviceError);
    expect(err).toMatch(/^pedrera: process 4000000 has no device open/);
    const output = file('kept.txt');
    writeFileSync(output, 'of another time');
    const none = await runCli(['strace', '-p', '1', '-o', output, '--socket', file('none.sock')]);
    expect(none.code).toBe(EXIT.noDaemon);
    expect(readFileSync(output, 'utf8')).toBe('of another time');
  });
});

describe('trace', () => {
  const recording = file('small.pedrera-trace');

  beforeAll(async () => {
    const args = ['trace', 'record', '--replayable', ...OWN_DAEMON, '-o', recording, '--', 'node', PROGRAM];
    const { code, err } = await runCli(args);
    expect(code).toBe(EXIT.ok);
    expect(err).toMatch(/^pedrera: recorded \d+ records, .* into .*small\.pedrera-trace$/m);
  });

  it('export: a trace that obeys the format, with the way from submit to wake', async () => {
    const { code } = await runCli(['trace', 'export', recording, '-o', file('small.json')]);
    expect(code).toBe(EXIT.ok);
    const { traceEvents } = JSON.parse(readFileSync(file('small.json'), 'utf8')) as { traceEvents: TraceEvent[] };
    expect(checkTraceEvents(traceEvents)).toEqual([]);
    const arrows = new Set(traceEvents.filter(({ ph }) => ph === 's').map(({ name }) => name));
    for (const arrow of ['submit', 'signal', 'release', 'wake']) expect(arrows).toContain(arrow);
    const text = await runCli(['trace', 'export', recording, '--format', 'text']);
    expect(text.out).toMatch(/^ +\d\.\d{6} {2}submit +\d+ hl0 asid 1 seq 1 on DMA_1_0\[0\]$/m);
    expect(text.out.trimEnd()).toMatch(/# \d+ records, 0 lost$/);
    expect(text.out).not.toMatch(/^ *-\d/m);
    expect(traceEvents.every(({ ts }) => ts === undefined || ts >= 0)).toBe(true);
  });

  it('replay: the same on a fresh daemon; a changed answer is found', async () => {
    const { code, out, err } = await runCli(['trace', 'replay', recording]);
    expect({ code, err }).toEqual({ code: EXIT.ok, err: '' });
    expect(out).toMatch(/^the same: 1 client, \d+ calls, 2 submissions, 2 pieces of memory$/m);
    const other = file('other.pedrera-trace');
    await runCli(['trace', 'record', '--replayable', ...OWN_DAEMON, '-o', other, '--', 'node', PROGRAM, '0', '9']);
    const compared = await runCli(['trace', 'replay', recording, '--against', other, '--json']);
    expect(compared.code).toBe(EXIT.deviceError);
    expect(JSON_OF(compared.out)).toMatchObject({ identical: false, difference: { what: 'memory at its end' } });
  });

  it('stop ends a recording of another terminal', async () => {
    const record = startCli(['trace', 'record', '-o', file('stopped.pedrera-trace'), '--socket', socket]);
    await record.outputMatching(/^recording into /m);
    const { out } = await runCli(['trace', 'stop', '--socket', socket]);
    expect(out).toMatch(/^ended 1 recording of \d+ records?$/m);
    expect(await record.finished).toMatchObject({ code: EXIT.ok, err: '' });
    expect((await runCli(['trace', 'stop', '--socket', socket])).out).toBe('nobody records\n');
    const replayed = await runCli(['trace', 'replay', file('stopped.pedrera-trace')]);
    expect(replayed.code).toBe(EXIT.usage);
    expect(replayed.err).toMatch(/cannot be replayed: it was not recorded for that/);
  });

  it('what is no recording is refused', async () => {
    writeFileSync(file('text'), 'x'.repeat(1000));
    for (const action of ['export', 'replay']) {
      const { code, err } = await runCli(['trace', action, file('text')]);
      expect(code).toBe(EXIT.usage);
      expect(err).toMatch(/is no recording of pedrera/);
    }
    expect((await runCli(['trace', 'sing'])).code).toBe(EXIT.usage);
  });
});
