/**
 * Runs `pedrera why`.
 *
 * Owns: what its argument may mean, and the form of the answer. Must not know: how the answer is found.
 */
import type { Snapshot } from '@pedrera/uapi';
import type { Context } from '../command.js';
import { CliError, EXIT, type ExitCode, usageError } from '../exit.js';
import { runInspection } from '../inspect/run.js';
import { explainSure } from './confirm.js';
import type { WhyDocument } from './document.js';
import { whyToDot } from './dot.js';
import { renderWhy } from './render.js';
import { type Asked, explain, WHY_SECTIONS } from './why.js';

interface WhyOptions {
  readonly graph: boolean;
  readonly all: boolean;
  readonly watch: boolean;
  readonly interval: number;
}

export async function runWhy(context: Context, options: WhyOptions, argument: string | undefined): Promise<ExitCode> {
  const wanted = argument === undefined ? undefined : parseArgument(argument);
  return runInspection<WhyDocument>(
    context,
    {
      fetch: async (session) => {
        const about = wanted === undefined || wanted.kind === 'seq' ? 0 : wanted.number;
        const { document } = await explainSure(
          () => session.inspect({ sections: WHY_SECTIONS, about }),
          (snapshot) => explain(snapshot, wanted === undefined ? null : whichOf(snapshot, wanted)),
        );
        return document;
      },
      render: (document, style) => (options.graph ? whyToDot(document) : renderWhy(document, style, options)),
    },
    options,
  );
}

interface Wanted {
  readonly kind: 'pid' | 'seq' | 'either';
  readonly number: number;
}

/** `4711`, `pid:4711`, `cs:7`. */
function parseArgument(text: string): Wanted {
  const match = /^(?:(pid|cs):)?(\d{1,15})$/.exec(text);
  if (match === null) throw usageError(`'${text}': expected a process (4711, pid:4711) or a submission (7, cs:7)`);
  const kind = match[1] === 'pid' ? 'pid' : match[1] === 'cs' ? 'seq' : 'either';
  return { kind, number: Number(match[2]) };
}

/** A number alone is a process if there is one. */
function whichOf({ clients = [], submissions = [] }: Snapshot, { kind, number }: Wanted): Asked {
  if (kind !== 'seq' && clients.some(({ pid }) => pid === number)) return { pid: number };
  if (kind !== 'pid' && submissions.some(({ seq }) => seq === number)) return { seq: number };
  const message = {
    pid: `no process ${number} has a device open`,
    seq: `no submission ${number} is known to the daemon`,
    either: `no process or submission ${number} is known to the daemon`,
  }[kind];
  throw new CliError({ exitCode: EXIT.deviceError, code: 'ESRCH', message, hint: 'see: pedrera ps, pedrera cs' });
}
