/** `pedrera stop`: asks the daemon to end, and returns when it has. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Context } from '../command.js';
import { deviceError, EXIT, type ExitCode } from '../exit.js';
import { openSession } from '../session.js';
import { isAlive } from './process-state.js';

/** Work in flight is finished first; what takes longer than this is hanging. */
const STOP_TIMEOUT_MS = 30_000;
const LOOK_INTERVAL_MS = 10;

export async function stopDaemon(context: Context): Promise<ExitCode> {
  const session = await openSession(context);
  // Of the greeting: a daemon of another build need not know any other call to be stopped.
  const { daemonPid: pid } = session.greeting;
  const socket = session.socketPath;
  await session.close();
  try {
    process.kill(pid, 'SIGTERM');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ESRCH') throw deviceError(`cannot stop the daemon (pid ${pid}): ${code}`);
  }
  const deadline = performance.now() + STOP_TIMEOUT_MS;
  while (isAlive(pid)) {
    if (performance.now() > deadline) {
      throw deviceError(
        `the daemon (pid ${pid}) has not ended after ${STOP_TIMEOUT_MS / 1000} s`,
        `kill it with: kill -9 ${pid}`,
      );
    }
    await delay(LOOK_INTERVAL_MS);
  }
  context.output.result({ schema: 'pedrera.stop/1', pid, socket }, () => `stopped the daemon on ${socket}, pid ${pid}`);
  return EXIT.ok;
}
