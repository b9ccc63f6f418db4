/**
 * Runs tests: on which kernel, in which order, what became of them.
 *
 * Owns: kernels that tests share, and their end. Must not know any test.
 */

import { ShimTransport } from '../relay/shim.js';
import type { ConformanceTest } from './conformance-test.js';
import { DoesNotApply, whyNot } from './does-not-apply.js';
import { Env } from './env.js';
import { InProcessTransport } from './in-process.js';
import { SocketTransport } from './sockets.js';
import type { KernelNeeds, Mode, PolicyName, Transport } from './transport.js';

export interface Result {
  readonly test: ConformanceTest;
  readonly mode: Mode;
  readonly policy: PolicyName;
  /** Undefined: passed, or does not apply. */
  readonly error: Error | undefined;
  /** Why the test says nothing in this mode. */
  readonly notApplicable: string | undefined;
}

/** One test on one transport under one policy. */
export interface Run {
  readonly test: ConformanceTest;
  readonly mode: Mode;
  readonly policy: PolicyName;
  /** `cs@nop (exclusive)`. */
  readonly title: string;
}

const START: Readonly<Record<Mode, (needs: KernelNeeds) => Promise<Transport>>> = {
  'in-process': (needs) => InProcessTransport.start(needs),
  sockets: (needs) => SocketTransport.start(needs),
  shim: (needs) => ShimTransport.start(needs),
};

/** What is to be run, so that runs which can share a kernel follow each other. */
export function runsOf(tests: readonly ConformanceTest[], modes: readonly Mode[]): Run[] {
  const runs: Run[] = [];
  for (const mode of modes) {
    for (const test of tests) {
      const policies: PolicyName[] = test.policy === 'both' ? ['exclusive', 'shared'] : [test.policy];
      for (const policy of policies) {
        runs.push({ test, mode, policy, title: `${test.name} (${policy})` });
      }
    }
  }
  // Starting a kernel costs more than most tests do; those with a kernel of their own come last.
  const kernel = ({ mode, policy, test }: Run) =>
    [
      modes.indexOf(mode),
      test.family,
      Number(test.fresh && whyNot(test, mode) === undefined),
      policy,
      test.devices,
      Number(test.nics),
      Number(test.resetOnLockup),
    ].join('/');
  return runs.sort((a, b) => kernel(a).localeCompare(kernel(b)));
}

export class Runner {
  #transport: Transport | undefined;

  /** Rejects with what went wrong, or with DoesNotApply. A kernel that a test failed on, or may have worn out, is not used again. */
  async run({ test, mode, policy }: Run): Promise<void> {
    const reason = whyNot(test, mode);
    if (reason !== undefined) {
      throw new DoesNotApply(reason);
    }
    const { devices, nics, resetOnLockup } = test;
    const needs: KernelNeeds = { policy, devices, nics, resetOnLockup };
    if (test.fresh || !this.#fits(mode, needs)) {
      await this.close();
    }
    this.#transport ??= await START[mode](needs);
    const env = await Env.begin(this.#transport);
    let failure: unknown;
    try {
      await test.run(env);
    } catch (error) {
      failure = error;
    }
    try {
      await env.end();
    } catch (error) {
      failure = failure instanceof DoesNotApply ? error : (failure ?? error);
    }
    const complaints = this.#transport.complaints();
    if (complaints.length > 0) {
      const why = failure instanceof Error ? `${failure.message}; ` : '';
      failure = new Error(`${why}the kernel's log says:\n${complaints.join('\n')}`, { cause: failure });
    }
    if ((failure !== undefined && !(failure instanceof DoesNotApply)) || test.fresh) {
      await this.close().catch((error: unknown) => {
        failure ??= error;
      });
    }
    if (failure !== undefined) {
      throw failure;
    }
  }

  /** For a test runner that has its own way of saying that a test does not apply. */
  async runOrSkip(run: Run, skip: (reason: string) => void): Promise<void> {
    try {
      await this.run(run);
    } catch (error) {
      if (!(error instanceof DoesNotApply)) {
        throw error;
      }
      skip(error.message);
    }
  }

  async close(): Promise<void> {
    const transport = this.#transport;
    this.#transport = undefined;
    await transport?.close();
  }

  #fits(mode: Mode, wanted: KernelNeeds): boolean {
    if (this.#transport === undefined || this.#transport.mode !== mode) {
      return false;
    }
    const { needs } = this.#transport;
    return (
      needs.policy === wanted.policy &&
      needs.devices === wanted.devices &&
      needs.nics === wanted.nics &&
      needs.resetOnLockup === wanted.resetOnLockup
    );
  }
}

/** Runs them one after the other and tells of each; never rejects. */
export async function runAll(runs: readonly Run[], told: (result: Result) => void): Promise<Result[]> {
  const runner = new Runner();
  const results: Result[] = [];
  for (const run of runs) {
    let error: Error | undefined;
    let notApplicable: string | undefined;
    try {
      await runner.run(run);
    } catch (thrown) {
      if (thrown instanceof DoesNotApply) {
        notApplicable = thrown.message;
      } else {
        error = thrown instanceof Error ? thrown : new Error(String(thrown));
      }
    }
    const result = { test: run.test, mode: run.mode, policy: run.policy, error, notApplicable };
    results.push(result);
    told(result);
  }
  await runner.close().catch(() => undefined);
  return results;
}
