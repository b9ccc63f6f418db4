/**
 * SIGKILL at random moments. Whatever a client was in the middle of, nothing of it stays behind, and a witness on the same
 * device keeps completing verified work all the while.
 */
import { Prng } from '@pedrera/base';
import type { BuffersSnapshot, ClientsSnapshot } from '@pedrera/uapi';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Habit, VictimOrders, VictimSteps } from './programs/victim/main.js';
import { runCli } from './support/cli-run.js';
import { ClientProcess } from './support/client-process.js';
import { effort, patience } from './support/effort.js';
import { fileDaemon } from './support/file-daemon.js';
import { untilNothing } from './support/until.js';

const daemon = fileDaemon({ beforeAll, afterEach, afterAll }, { devices: 2 });

type Victim = ClientProcess<VictimSteps>;

/** Seven die in each. */
const ROUNDS = effort(15);
/** Who dies in a round besides the exporter, and on which device. The witness lives on device 0. */
const CAST: readonly [Habit, number][] = [
  ['upload', 0],
  ['fence', 0],
  ['importer', 0],
  ['importer', 1],
  ['open', 0],
  ['mapped', 0],
];
const MOST_NEWS = 24;
const MOST_TURNS = 40;

const started: Victim[] = [];

function victim(habit: Habit | 'exporter', orders: VictimOrders): Victim {
  const args = [habit, JSON.stringify(orders)];
  const process: Victim = new ClientProcess('victim', { socketPath: daemon().socketPath, args });
  started.push(process);
  return process;
}

// Registered after the daemon's hook, so that it runs first.
afterEach(async () => {
  await Promise.all(started.splice(0).map((process) => process[Symbol.asyncDispose]()));
});

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** '' when nothing of the process is left, except memory it exported that others still hold. */
async function traceOf(pid: number): Promise<string> {
  const [{ clients }, { buffers }] = await Promise.all([
    daemon().client.inspectClients(),
    daemon().client.inspectBuffers(),
  ]);
  const left = [
    ...clients.filter((client) => client.pid === pid),
    ...buffers.filter(({ exporter, importers }) => {
      const imports = importers.some((importer) => importer.pid === pid);
      return imports || (exporter.pid === pid && (exporter.alive || importers.length === 0));
    }),
  ];
  return left.length === 0 ? '' : `pid ${pid} left ${JSON.stringify(left)}`;
}

/** Until the daemon holds what it held at the start. */
async function untilAsBefore(before: Record<string, number>): Promise<void> {
  await untilNothing(async () => {
    const { objects, devices } = await daemon().client.inspectDaemon();
    const hbm = devices.map((device) => device.hbm.used);
    const now = JSON.stringify({ ...objects, hbm });
    const wanted = JSON.stringify({ ...before, hbm: [hbm[0], 0] });
    return sorted(now) === sorted(wanted) ? '' : `${now} instead of ${wanted}`;
  });
}

function sorted(json: string): string {
  return JSON.stringify(Object.entries(JSON.parse(json) as object).sort(([a], [b]) => (a < b ? -1 : 1)));
}

interface Scene {
  readonly witness: Victim;
  readonly prng: Prng;
}

/** Lets a victim get somewhere, or nowhere at all, and kills it. */
async function strike({ witness, prng }: Scene, struck: Victim): Promise<void> {
  const news = prng.below(4) === 0 ? 0 : prng.below(MOST_NEWS);
  const wait = prng.below(MOST_TURNS);
  await struck.heard(news);
  await turns(wait);
  // Anything but SIGKILL means that it had ended already, of a failure of its own.
  expect(await struck.kill(), struck.process.output).toBe('SIGKILL');
  await untilNothing(() => traceOf(struck.pid));
  await witness.heard(witness.news + 1);
}

async function round(scene: Scene): Promise<number> {
  const { prng } = scene;
  const exporter = victim('exporter', { device: 0, seed: 0 });
  const { tokens } = await exporter.call('exportThings', { device: 0, seed: 0 });
  const others = CAST.map(([habit, device]) => victim(habit, { device, seed: prng.nextU32(), tokens }));
  // The exporter may go while others import from it, but not before they have begun.
  const importers = others.filter((_, i) => CAST[i]?.[0] === 'importer');
  await Promise.all(importers.map((importer) => importer.heard(1)));
  const condemned = [exporter, ...others];
  await Promise.all(condemned.map((struck) => strike(scene, struck)));
  return condemned.length;
}

describe('SIGKILL', () => {
  it('a-hundred-times-at-random-moments', { timeout: patience(180_000) }, async () => {
    const witness = victim('upload', { device: 0, seed: 1 });
    await witness.heard(1);
    const before = (await daemon().client.inspectDaemon()).objects;
    const scene = { witness, prng: new Prng(ROUNDS.seed) };
    let killed = 0;
    for (let i = 0; i < ROUNDS.numRuns; i++) {
      killed += await round(scene);
      await untilAsBefore(before);
    }
    expect(killed).toBeGreaterThanOrEqual(100);

    const shown = await runCli(daemon().socketPath, 'ps', '--json');
    expect((JSON.parse(shown.out) as ClientsSnapshot).clients.map(({ pid }) => pid)).toEqual([witness.pid]);
    const buffers = await runCli(daemon().socketPath, 'bufs', '--json');
    expect((JSON.parse(buffers.out) as BuffersSnapshot).buffers).toEqual([]);
    expect(await witness.kill()).toBe('SIGKILL');
  });

  it('exporter-of-memory-that-others-hold', async () => {
    const exporter = victim('exporter', { device: 0, seed: 0 });
    const { tokens } = await exporter.call('exportThings', { device: 0, seed: 0 });
    const importer = victim('importer', { device: 1, seed: 0, tokens });
    await importer.heard(2);
    await exporter.kill();
    await untilNothing(() => traceOf(exporter.pid));
    const { buffers } = await daemon().client.inspectBuffers();
    expect(buffers.map(({ kind, exporter: { pid, alive } }) => ({ kind, pid, alive }))).toEqual(
      expect.arrayContaining([
        { kind: 'memory', pid: exporter.pid, alive: false },
        { kind: 'sync-objects', pid: exporter.pid, alive: false },
      ]),
    );
    // It goes on reading the right bytes of a process that is dead.
    await importer.heard(importer.news + 8);
    await importer.kill();
  });

  it('many-at-once', async () => {
    const victims = Array.from({ length: 8 }, (_, i) =>
      victim(i % 2 === 0 ? 'fence' : 'mapped', { device: i % 2, seed: i }),
    );
    await Promise.all(victims.map((running) => running.heard(8)));
    for (const running of victims) {
      running.process.child.kill('SIGKILL');
    }
    await Promise.all(victims.map((running) => running.process.exited()));
  });
});
