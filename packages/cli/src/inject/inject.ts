/**
 * `pedrera inject`: from words to one INJECT call.
 *
 * Owns: which words and options a kind takes. Must not know: what the daemon makes of it.
 */
import type { Req } from '@pedrera/uapi';
import type { Context } from '../command.js';
import { EXIT, type ExitCode, usageError } from '../exit.js';
import { withSession } from '../session.js';

type Injection = Req<'INJECT'>;

interface InjectOptions {
  readonly device: number;
  readonly value: number | undefined;
  readonly double: boolean;
  readonly up: boolean;
  readonly down: boolean;
}

interface InjectDocument extends Injection {
  readonly schema: 'pedrera.inject/1';
  /** What was done, in a sentence. */
  readonly effect: string;
}

interface KindSpec {
  /** What the target is, for the message that one is missing; absent where there is none. */
  readonly target?: string;
  /** Options the kind takes. */
  readonly options: readonly (keyof InjectOptions)[];
  value?(options: InjectOptions): number;
}

const KINDS: Readonly<Record<Injection['kind'], KindSpec>> = {
  hang: { target: 'an engine such as DMA0', options: [] },
  event: { target: 'the name or number of an event', options: ['value'], value: ({ value }) => value ?? 0 },
  heartbeat: { options: [] },
  thermal: { target: 'start or end', options: [] },
  power: { target: 'start or end', options: [] },
  ecc: { target: 'a memory such as HBM0', options: ['double'], value: ({ double }) => Number(double) },
  link: { target: 'the number of a NIC port', options: ['up', 'down'], value: ({ up }) => Number(up) },
  reset: { options: [] },
};

export async function runInject(
  context: Context,
  kind: string,
  targets: readonly string[],
  options: InjectOptions,
): Promise<ExitCode> {
  if (targets.length > 1) throw usageError(`inject ${kind} has one target, got ${targets.length}`);
  const injection = injectionOf(kind, targets[0], options);
  return withSession(context, async (session) => {
    const { effect } = await session.ioctl('INJECT', injection);
    const document: InjectDocument = { schema: 'pedrera.inject/1', ...injection, effect };
    context.output.result(document, (doc) => doc.effect);
    return EXIT.ok;
  });
}

/** Throws usage errors: an unknown kind, a target too many or too few, an option of another kind. */
export function injectionOf(word: string, target: string | undefined, options: InjectOptions): Injection {
  if (!(word in KINDS))
    throw usageError(
      `'${word}' is nothing to inject`,
      `one of ${Object.keys(KINDS).join(', ')}; rule, plan, list, clear`,
    );
  const kind = word as Injection['kind'];
  const spec = KINDS[kind];
  if (spec.target === undefined && target !== undefined)
    throw usageError(`inject ${kind} has no target, got '${target}'`);
  if (spec.target !== undefined && target === undefined) throw usageError(`inject ${kind} needs ${spec.target}`);
  for (const name of ['value', 'double', 'up', 'down'] as const) {
    const given = options[name] !== undefined && options[name] !== false;
    if (given && !spec.options.includes(name)) throw usageError(`--${name} means nothing to inject ${kind}`);
  }
  if (kind === 'link' && options.up === options.down) throw usageError('inject link needs one of --up and --down');
  return { device: options.device, kind, target: target ?? '', value: spec.value?.(options) ?? 0 };
}
