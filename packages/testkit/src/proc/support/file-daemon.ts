/**
 * One daemon for all tests of a file.
 *
 * Owns: that each test ends with the leak check and finds the daemon alive, and that the last one leaves none behind.
 */
import { TestDaemon, type TestDaemonOptions } from '../../test-daemon.js';

/** The hooks of the test runner, handed in by the test. */
export interface Hooks {
  beforeAll(fn: () => Promise<void>): void;
  afterEach(fn: () => Promise<void>): void;
  afterAll(fn: () => Promise<void>): void;
}

/** The daemon. Only inside a test. */
export type FileDaemon = () => TestDaemon;

export function fileDaemon({ beforeAll, afterEach, afterAll }: Hooks, options: TestDaemonOptions = {}): FileDaemon {
  let daemon: TestDaemon | undefined;
  const running = () => {
    if (daemon === undefined) {
      throw new Error('the daemon did not start');
    }
    return daemon;
  };
  beforeAll(async () => {
    daemon = await TestDaemon.start(options);
  });
  afterEach(async () => {
    if (!running().process.alive) {
      throw new Error(`the daemon is dead; it printed:\n${running().process.output}`);
    }
    await running().settled();
  });
  afterAll(async () => {
    await daemon?.[Symbol.asyncDispose]();
  });
  return running;
}
