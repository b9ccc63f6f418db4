/**
 * A real daemon for one test: the `pedrera daemon` command on a socket in a directory of its own.
 *
 * Owns: its start and end, and the leak check at the end: no object may live that was not there at the start.
 */
import { CLI_PATH } from '@pedrera/cli';
import { connectDaemon, type DaemonClient } from '@pedrera/thunk';
import { type TempDirectory, tempDirectory } from './temp-directory.js';
import { TestProcess } from './test-process.js';

export interface TestDaemonOptions {
  readonly devices?: number;
  readonly policy?: 'shared' | 'exclusive';
  /** More options of the command. */
  readonly args?: readonly string[];
}

/** Asked again and again until the daemon has let go of everything; far more than any release takes. */
const SETTLE_MS = 20_000;

export class TestDaemon {
  readonly directory: TempDirectory;
  readonly process: TestProcess;
  readonly socketPath: string;
  #client: DaemonClient | undefined;
  #baseline: Record<string, number> = {};

  private constructor(options: TestDaemonOptions) {
    this.directory = tempDirectory();
    this.socketPath = this.directory.file('d.sock');
    const { devices = 2, policy = 'shared', args: more = [] } = options;
    const args = ['daemon', '--socket', this.socketPath, '--devices', String(devices), '--policy', policy];
    this.process = new TestProcess(CLI_PATH, {
      args: [...args, '--log-level', 'info', ...more],
      env: { PEDRERA_EXIT_WITH_PARENT: '1' },
    });
  }

  static async start(options: TestDaemonOptions = {}): Promise<TestDaemon> {
    const daemon = new TestDaemon(options);
    try {
      const ready = await daemon.process.next<{ type: string }>();
      if (ready.type !== 'ready') {
        throw new Error(`the daemon did not start: ${JSON.stringify(ready)}`);
      }
      daemon.#client = await connectDaemon({ socketPath: daemon.socketPath });
      daemon.#baseline = (await daemon.client.inspectDaemon()).objects;
    } catch (error) {
      // Nobody gets an object to dispose of.
      await daemon.#discard();
      throw error;
    }
    return daemon;
  }

  /** A connection of the test itself, for inspection. */
  get client(): DaemonClient {
    if (this.#client === undefined) {
      throw new Error('the daemon was not started');
    }
    return this.#client;
  }

  /** Resolves when no client is left and every object that clients made is gone; fails with what remains. */
  async settled(): Promise<void> {
    const until = Date.now() + SETTLE_MS;
    for (;;) {
      const [daemon, clients, buffers] = await Promise.all([
        this.client.inspectDaemon(),
        this.client.inspectClients(),
        this.client.inspectBuffers(),
      ]);
      const left = differences(this.#baseline, daemon.objects);
      const hbm = daemon.devices.reduce((sum, device) => sum + device.hbm.used, 0);
      if (left === '' && hbm === 0 && clients.clients.length === 0 && buffers.buffers.length === 0) {
        return;
      }
      if (Date.now() >= until) {
        throw new Error(
          `left behind: ${left} HBM ${hbm}; clients ${JSON.stringify(clients.clients)}; buffers ${JSON.stringify(buffers.buffers)}`,
        );
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /** The leak check, then SIGTERM, which must end the daemon with 0 and take its socket away. */
  async stop(): Promise<void> {
    await this.settled();
    await this.#client?.close();
    const ending = await Promise.race([this.process.signal('SIGTERM'), patience()]);
    if (ending !== '0') {
      throw new Error(`the daemon ended with ${ending}; it printed:\n${this.process.output}`);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      if (this.process.alive) {
        await this.stop();
      }
    } finally {
      await this.#discard();
    }
  }

  async #discard(): Promise<void> {
    await this.process[Symbol.asyncDispose]();
    await this.#client?.close();
    this.directory[Symbol.dispose]();
  }
}

/** What becomes of a daemon that ignores SIGTERM; whoever disposes of it kills it. */
function patience(): Promise<string> {
  return new Promise((resolve) => {
    setTimeout(() => resolve('nothing, and lives on'), SETTLE_MS).unref();
  });
}

function differences(before: Record<string, number>, now: Record<string, number>): string {
  return Object.keys({ ...before, ...now })
    .filter((kind) => (before[kind] ?? 0) !== (now[kind] ?? 0))
    .map((kind) => `${(now[kind] ?? 0) - (before[kind] ?? 0)} ${kind}`)
    .join(', ');
}
