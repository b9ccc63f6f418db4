/**
 * What a program of Node takes that does nothing: the floor of whatever is a process of its own.
 *
 * Owns: how a program is run and timed, from its start until it is gone.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { nowNs } from '../latency.js';

export const EMPTY_PROGRAM = 'node -e 0, to its end';

export function runEmptyProgram(): Promise<number> {
  return runToEnd(['-e', '0']);
}

/** Nanoseconds until it was gone. Its output goes nowhere; anything but success is an error. */
export async function runToEnd(args: readonly string[]): Promise<number> {
  const start = nowNs();
  const [status] = await once(spawn(process.execPath, args, { stdio: 'ignore' }), 'exit');
  const took = nowNs() - start;
  if (status !== 0) throw new Error(`node ${args.join(' ')} ended with ${String(status)}`);
  return took;
}
