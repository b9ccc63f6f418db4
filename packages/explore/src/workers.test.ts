/** That the number of threads, and who is faster, decides nothing. The threads here run no schedules: seeds fail as the test says. */
import { describe, expect, it } from 'vitest';
import { Workers } from './workers.js';

/** A thread in which these seeds fail. Those with an even piece answer late. */
function threadsWhere(failing: readonly number[]): URL {
  const code = `
    import { parentPort } from 'node:worker_threads';
    const failing = new Set(${JSON.stringify(failing)});
    parentPort.on('message', async ({ from, count }) => {
      const seeds = Array.from({ length: count }, (_, i) => from + i);
      const failedSeed = seeds.find((seed) => failing.has(seed));
      const runs = failedSeed === undefined ? count : failedSeed - from;
      for (let turns = from % 2 === 0 ? 50 : 0; turns > 0; turns--) await new Promise((go) => setImmediate(go));
      parentPort.postMessage({ runs, moves: 2 * runs, answers: new Map([['CS', runs]]), failedSeed });
    });`;
  return new URL(`data:text/javascript,${encodeURIComponent(code)}`);
}

async function outcome(jobs: number, failing: readonly number[]) {
  await using workers = new Workers(jobs, threadsWhere(failing));
  const pieces = await workers.run({ scenario: 'any', seed: 11, runs: 1000, length: 1 });
  return { runs: pieces.reduce((sum, { runs }) => sum + runs, 0), failed: pieces.at(-1)?.failedSeed };
}

describe('threads that share seeds', () => {
  it.each([1, 2, 3, 7])('%i of them: all seeds, each once', async (jobs) => {
    expect(await outcome(jobs, [])).toEqual({ runs: 1000, failed: undefined });
  });

  it.each([1, 2, 3, 7])('%i of them: the lowest seed that fails, and those before it', async (jobs) => {
    expect(await outcome(jobs, [900, 411, 412, 500])).toEqual({ runs: 400, failed: 411 });
    expect(await outcome(jobs, [11])).toEqual({ runs: 0, failed: 11 });
  });

  it('one that ends says so', async () => {
    await using workers = new Workers(2, new URL('data:text/javascript,process.exit(3)'));
    await expect(workers.run({ scenario: 'any', seed: 1, runs: 500, length: 1 })).rejects.toThrow('ended with 3');
  });
});
