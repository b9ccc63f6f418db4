/** The process with the idle clients, seen from the benchmark. Owns it. */
import type { TestProcess } from '@pedrera/testkit';
import { type BenchContext, DEVICES } from '../benchmark.js';
import type { CrowdKind, CrowdReply, CrowdRequest } from './crowd-protocol.js';

export class Crowd {
  readonly #process: TestProcess;

  private constructor(process: TestProcess) {
    this.#process = process;
  }

  static async start(context: BenchContext, kind: CrowdKind, socketPath: string): Promise<Crowd> {
    const worker = new URL('./crowd-worker.js', import.meta.url);
    return new Crowd(await context.process(worker, [kind, socketPath, String(DEVICES)]));
  }

  /** Until there are so many; 0 sends them all away. Returns nanoseconds. */
  async resize(clients: number): Promise<number> {
    const request: CrowdRequest = { clients };
    this.#process.tell(request);
    return (await this.#process.next<CrowdReply>()).tookNs;
  }
}
