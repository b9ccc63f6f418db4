/** The channel of child_process, as it comes: messages are JSON. Owns the other process and one call at a time. */
import type { TestProcess } from '@pedrera/testkit';
import type { BenchContext } from '../benchmark.js';

export class IpcEcho {
  readonly #process: TestProcess;

  private constructor(process: TestProcess) {
    this.#process = process;
  }

  static async start(context: BenchContext): Promise<IpcEcho> {
    const process = await context.process(new URL('./ipc-echo-worker.js', import.meta.url));
    await process.next();
    return new IpcEcho(process);
  }

  roundTrip(message: object): Promise<unknown> {
    const { child } = this.#process;
    return new Promise((resolve, reject) => {
      child.once('message', resolve);
      child.send(message, (error) => {
        if (error !== null) reject(error);
      });
    });
  }
}
