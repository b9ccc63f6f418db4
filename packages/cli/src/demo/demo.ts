/**
 * `pedrera demo`: what is checked before the performance, what is told after it, and that nothing is left behind.
 *
 * Owns: the exit code, and the end in every case. Must not know: how the performance goes (performance.ts).
 */
import { existsSync, readFileSync } from 'node:fs';
import { DRAM_USER_SIZE } from '@pedrera/hw';
import { isAlive } from '../background/process-state.js';
import type { Context } from '../command.js';
import { CliError, deviceError, EXIT, type ExitCode, toFailure } from '../exit.js';
import { formatSize } from '../text/units.js';
import { Cleanup, interruption } from './cleanup.js';
import { type DemoFile, examineFile } from './file.js';
import { perform, type Stage, type Traces } from './performance.js';
import { MAX_PLANNED_BYTES, planChunks } from './plan.js';
import { type DemoDocument, renderDemo } from './report.js';

interface DemoOptions {
  readonly file: string | undefined;
  readonly devices: number;
  readonly record: string | undefined;
}

export async function runDemo(context: Context, options: DemoOptions): Promise<ExitCode> {
  const { devices, record } = options;
  const file = examineFile(options.file, Math.min(DRAM_USER_SIZE, MAX_PLANNED_BYTES));
  checkMemory(file, devices);
  const { document, traces } = await performAndCleanUp({
    context,
    cleanup: new Cleanup(),
    file,
    plan: planChunks(file.sizeBytes),
    devices,
    record,
  });
  checkTraces(traces);
  context.output.result(document, (result, style) =>
    [renderDemo(result, style), '', 'left behind: no process, no client, no dma-buf, no socket, no file'].join('\n'),
  );
  if (document.sha256.identical) return EXIT.ok;
  throw deviceError('what came back differs from the file');
}

async function performAndCleanUp(stage: Stage): Promise<{ document: DemoDocument; traces: Traces }> {
  const { interrupted, release } = interruption();
  const performing = perform(stage);
  const [outcome] = await Promise.allSettled([Promise.race([performing, interrupted])]);
  // If the interruption wins, what was going on fails for want of daemon and clients; that is no news.
  performing.catch(() => {});
  const [cleaned] = await Promise.allSettled([stage.cleanup.run()]);
  release();
  if (cleaned.status === 'rejected')
    throw outcome.status === 'rejected' ? because(outcome.reason, cleaned.reason) : cleaned.reason;
  if (outcome.status === 'rejected') throw outcome.reason;
  return outcome.value;
}

/** What failed, and what was found out about it while cleaning up. */
function because(failed: unknown, found: unknown): CliError {
  const { exitCode, code, message } = toFailure(failed);
  const cause = toFailure(found);
  return new CliError({ exitCode, code, message, hint: [cause.message, cause.hint].filter(Boolean).join('\n') });
}

function checkTraces({ pids, directory }: Traces): void {
  const alive = pids.filter(isAlive);
  if (alive.length > 0) throw deviceError(`still alive: pid ${alive.join(', ')}`);
  if (existsSync(directory)) throw deviceError(`${directory} could not be removed`);
}

/** Every device the file passes holds a copy of it, in shared memory of this machine. */
function checkMemory({ path: file, sizeBytes }: DemoFile, devices: number): void {
  const match = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'latin1'));
  const available = match === null ? Number.POSITIVE_INFINITY : Number(match[1]) * 1024;
  const needed = sizeBytes * devices;
  if (needed > available) {
    throw deviceError(
      `moving ${file} over ${devices} devices takes ${formatSize(needed)} of memory; ${formatSize(available)} are available`,
    );
  }
}
