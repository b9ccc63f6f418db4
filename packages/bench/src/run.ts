/**
 * A run: the benchmarks one after the other, the report at the end.
 *
 * Owns: that one that fails does not cost the figures of the others, and that each gives back what it used before the next starts.
 */
import { cpus, loadavg, totalmem } from 'node:os';
import { BenchContext, type Benchmark } from './benchmark.js';
import { nowNs } from './latency.js';
import type { Machine, Report, Section } from './report.js';
import type { Resources } from './resources.js';

export interface RunOptions {
  readonly quick: boolean;
  readonly resources: Resources;
  /** Told before each of them. */
  progress(benchmark: Benchmark): void;
}

export async function runBenchmarks(benchmarks: readonly Benchmark[], options: RunOptions): Promise<Report> {
  const machine = thisMachine();
  const start = nowNs();
  const sections: Section[] = [];
  for (const benchmark of benchmarks) {
    options.progress(benchmark);
    sections.push(await runOne(benchmark, options));
  }
  return {
    schema: 'pedrera.bench/1',
    quick: options.quick,
    seconds: secondsSince(start),
    machine,
    benchmarks: sections,
  };
}

const NOTHING = { figures: [], notes: [], skipped: null } as const;

async function runOne(benchmark: Benchmark, { resources, quick }: RunOptions): Promise<Section> {
  const { name, title } = benchmark;
  const start = nowNs();
  const context = new BenchContext(resources, quick);
  let found: Pick<Section, 'figures' | 'notes' | 'skipped' | 'error'>;
  try {
    found = { skipped: null, ...(await benchmark.run(context)), error: null };
  } catch (error) {
    found = { ...NOTHING, error: describe(error) };
  }
  try {
    await context.end();
  } catch (error) {
    // A daemon with something left over, for one: figures of a broken run are no figures.
    found = { ...NOTHING, error: found.error ?? describe(error) };
  }
  return { name, title, seconds: secondsSince(start), ...found };
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

function secondsSince(startNs: number): number {
  return (nowNs() - startNs) / 1e9;
}

function thisMachine(): Machine {
  const all = cpus();
  return {
    cpu: (all[0]?.model ?? 'unknown').trim(),
    cpus: all.length,
    memoryBytes: totalmem(),
    platform: `${process.platform} ${process.arch}`,
    node: process.versions.node,
    loadBefore: loadavg()[0] ?? 0,
  };
}
