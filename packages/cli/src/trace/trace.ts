/**
 * `pedrera trace`: which of its actions is meant.
 *
 * Owns: the check of action and arguments. Must not know how any action works.
 */
import { TRACE_KIND } from '@pedrera/uapi';
import type { Context } from '../command.js';
import { type ExitCode, usageError } from '../exit.js';
import type { DaemonChoice } from '../run/run-program.js';

export interface TraceCommandOptions extends DaemonChoice {
  readonly output: string | undefined;
  readonly kinds: readonly string[] | undefined;
  readonly pid: number | undefined;
  readonly replayable: boolean;
  readonly memory: number;
  readonly format: 'perfetto' | 'text';
  readonly against: string | undefined;
}

const KIND_BITS: Readonly<Record<string, number>> = {
  calls: TRACE_KIND.CALLS,
  submissions: TRACE_KIND.SUBMISSIONS,
  engines: TRACE_KIND.ENGINES,
  sync: TRACE_KIND.SYNC,
  events: TRACE_KIND.EVENTS,
};

export async function runTrace(
  context: Context,
  options: TraceCommandOptions,
  [action, ...rest]: readonly string[],
): Promise<ExitCode> {
  switch (action) {
    case 'record': {
      const { runRecord } = await import('./record.js');
      const kinds = options.kinds?.reduce((all, word) => all | (KIND_BITS[word] ?? 0), 0);
      return runRecord(context, { ...options, kinds }, rest);
    }
    case 'stop': {
      if (rest.length > 0) throw usageError('trace stop takes no file: it ends every recording under way');
      const { runStop } = await import('./record.js');
      return runStop(context);
    }
    case 'export': {
      const { runExport } = await import('./export.js');
      return runExport(context, fileIn(rest, 'export'), options);
    }
    case 'replay': {
      const { runReplay } = await import('./replay.js');
      return runReplay(context, fileIn(rest, 'replay'), options);
    }
    default:
      throw usageError(`trace ${action ?? ''}: expected record, stop, export or replay`, 'see: pedrera trace --help');
  }
}

function fileIn(rest: readonly string[], action: string): string {
  const [file, ...more] = rest;
  if (file === undefined || more.length > 0) throw usageError(`trace ${action}: which recording? One file`);
  return file;
}
