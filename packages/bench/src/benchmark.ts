/**
 * What a benchmark is, and what it is given.
 *
 * Owns: the interface between run.ts and the files in benchmarks/, and what several of them share: one daemon, one echo server.
 * Must not know: any particular benchmark.
 */
import { fileURLToPath } from 'node:url';
import { TestDaemon, TestProcess } from '@pedrera/testkit';
import type { Turns } from './latency.js';
import { EchoServer } from './references/echo-server.js';
import type { Figure } from './report.js';
import { type Resources, TempFiles } from './resources.js';

/** As many as `pedrera daemon` has unless told otherwise. */
export const DEVICES = 4;

export interface Findings {
  readonly figures: readonly Figure[];
  /** What exactly was measured, a sentence each. */
  readonly notes: readonly string[];
  /** Why there are no figures, where this machine lacks what they need. */
  readonly skipped?: string;
}

export interface Benchmark {
  readonly name: string;
  readonly title: string;
  run(context: BenchContext): Promise<Findings>;
}

export class BenchContext {
  readonly quick: boolean;
  readonly #resources: Resources;
  readonly #mark: number;
  #daemon: Promise<TestDaemon> | undefined;
  #echo: Promise<EchoServer> | undefined;
  #files: Promise<TempFiles> | undefined;

  constructor(resources: Resources, quick: boolean) {
    this.#resources = resources;
    this.#mark = resources.mark;
    this.quick = quick;
  }

  /** What a thorough run and a quick one take. */
  pick<T>(thorough: T, quick: T): T {
    return this.quick ? quick : thorough;
  }

  /** How sides take turns, unless a benchmark knows better. */
  get turns(): Turns {
    return this.pick({ rounds: 5, settleMs: 350, measureMs: 350 }, { rounds: 1, settleMs: 80, measureMs: 120 });
  }

  /** To be undone at the end of the benchmark, however it ends. */
  use<T extends AsyncDisposable>(made: T | Promise<T>): Promise<T> {
    return this.#resources.add(made);
  }

  /** The benchmark's daemon, with DEVICES devices. */
  daemon(): Promise<TestDaemon> {
    this.#daemon ??= this.use(TestDaemon.start({ devices: DEVICES }));
    return this.#daemon;
  }

  /** A process that echoes bytes on a Unix socket. */
  echo(): Promise<EchoServer> {
    this.#echo ??= this.#startEcho();
    return this.#echo;
  }

  /** A path for a socket, in a directory that goes away. */
  async socketPath(name: string): Promise<string> {
    this.#files ??= this.use(new TempFiles());
    return (await this.#files).path(name);
  }

  /** Another process of this package; `url` is that of its file. */
  process(url: URL, args: readonly string[] = []): Promise<TestProcess> {
    return this.use(new TestProcess(fileURLToPath(url), { args }));
  }

  /** Ends what the benchmark started. */
  async end(): Promise<void> {
    const [problem] = await this.#resources.undo(this.#mark);
    if (problem !== undefined) throw problem;
  }

  async #startEcho(): Promise<EchoServer> {
    return EchoServer.start(this, await this.socketPath('echo.sock'));
  }
}
