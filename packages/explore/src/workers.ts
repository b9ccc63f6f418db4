/**
 * Threads that share the seeds of an exploration.
 *
 * Owns: the threads, and who gets which piece next. Pieces are handed out in ascending order, and none behind one that failed: whatever
 * the number of threads, the seeds up to the lowest one that fails have all been run, and only they count.
 * Must not know what a seed is, or what its failure means.
 */
import { Worker } from 'node:worker_threads';
import type { Order } from './seed-worker.js';
import type { PieceResult } from './seeds.js';

/** Below this a thread costs more than it gives. */
const MIN_RUNS = 100;
const MAX_PIECE = 64;
/** So that all end at about the same time. */
const PIECES_PER_THREAD = 8;

export interface SeedRange {
  readonly scenario: string;
  readonly seed: number;
  readonly runs: number;
  readonly length: number;
}

export class Workers {
  readonly jobs: number;
  readonly #idle: Worker[] = [];
  readonly #all = new Set<Worker>();
  readonly #entry: URL;

  /** `entry` is where the code of a thread is: for tests, which are not built. */
  constructor(jobs: number, entry = new URL('./seed-worker.js', import.meta.url)) {
    this.jobs = jobs;
    this.#entry = entry;
  }

  /** It would pay to share these. */
  worthwhile(runs: number): boolean {
    return this.#threads(runs) > 1;
  }

  /** What the pieces came to, in the order of their seeds, up to the first with a seed that fails. */
  async run({ scenario, seed, runs, length }: SeedRange): Promise<readonly PieceResult[]> {
    const threads = this.#threads(runs);
    const size = Math.max(1, Math.min(MAX_PIECE, Math.ceil(runs / (threads * PIECES_PER_THREAD))));
    const results: PieceResult[] = [];
    let next = 0;
    let end = Math.ceil(runs / size);
    const takePieces = async () => {
      const worker = this.#idle.pop() ?? this.#start();
      while (next < end) {
        const index = next++;
        const from = seed + index * size;
        const count = Math.min(size, runs - index * size);
        const result = await ask(worker, { scenario, from, count, length });
        results[index] = result;
        if (result.failedSeed !== undefined) {
          end = Math.min(end, index + 1);
        }
      }
      this.#idle.push(worker);
    };
    await Promise.all(Array.from({ length: threads }, takePieces));
    return results.slice(0, end);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#all].map((worker) => worker.terminate()));
    this.#all.clear();
    this.#idle.length = 0;
  }

  #threads(runs: number): number {
    return Math.max(1, Math.min(this.jobs, Math.floor(runs / MIN_RUNS)));
  }

  #start(): Worker {
    const worker = new Worker(this.#entry);
    this.#all.add(worker);
    return worker;
  }
}

function ask(worker: Worker, order: Order): Promise<PieceResult> {
  return new Promise((resolve, reject) => {
    const over = () => {
      worker.off('message', answered);
      worker.off('error', failed);
      worker.off('exit', ended);
    };
    const answered = (result: PieceResult) => {
      over();
      resolve(result);
    };
    const failed = (error: Error) => {
      over();
      reject(error);
    };
    const ended = (code: number) => failed(new Error(`a thread of the explorer ended with ${code}`));
    worker.on('message', answered);
    worker.on('error', failed);
    worker.on('exit', ended);
    worker.postMessage(order);
  });
}
