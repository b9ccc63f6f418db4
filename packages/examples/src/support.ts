/**
 * What every example needs and no example is about: other processes, and saying what was verified.
 *
 * Owns: the exit code. Must not know: devices.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** Says what was found; a claim that does not hold makes the program fail. */
export function verify(holds: boolean, claim: string): void {
  console.log(`${holds ? 'ok    ' : 'FAILED'}  ${claim}`);
  if (!holds) process.exitCode = 1;
}

/** Another process of the same program; `moduleUrl` is the program's `import.meta.url`. Its `role` is its first argument. */
export function startProcess(moduleUrl: string, role: string, ...args: string[]): ChildProcess {
  return fork(fileURLToPath(moduleUrl), [role, ...args]);
}

/** Argument 0 is what this process was started as; undefined in the process the user started. */
export function roleOfThisProcess(): string | undefined {
  return process.argv[2];
}

/** The next message of another process, or for a child of its parent. Fails when there will be none. */
export async function nextMessage<T>(from: ChildProcess | NodeJS.Process): Promise<T> {
  const gone = once(from, 'disconnect').then(() => {
    throw new Error(from === process ? 'the parent is gone' : 'the other process ended without a word');
  });
  gone.catch(() => {});
  const [message] = await Promise.race([once(from, 'message'), gone]);
  return message as T;
}

/** To the parent of this process. */
export function tellParent(message: object): void {
  process.send?.(message);
}

/** How a process ended: its exit code, or the signal. */
export async function ending(child: ChildProcess): Promise<number | string> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode ?? child.signalCode ?? '';
  const [code, signal] = await once(child, 'exit');
  return (code as number | null) ?? (signal as string);
}
