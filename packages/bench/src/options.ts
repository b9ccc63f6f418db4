/** The command line. Owns: what it may say. Must not know: what the benchmarks do. */
import { parseArgs } from 'node:util';

export interface Options {
  readonly json: boolean;
  readonly quick: boolean;
  readonly help: boolean;
  /** Names of benchmarks; all of them when empty. */
  readonly only: readonly string[];
}

export class UsageError extends Error {}

export function parseOptions(args: readonly string[], names: readonly string[]): Options {
  const { json, quick, help, only } = parse(args);
  const unknown = only.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new UsageError(`no benchmark is named ${unknown}; there are ${names.join(', ')}`);
  return { json, quick, help, only };
}

function parse(args: readonly string[]): Options {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        json: { type: 'boolean', default: false },
        quick: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
        only: { type: 'string', multiple: true, default: [] },
      },
    });
    return values;
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

export function usage(benchmarks: readonly { readonly name: string; readonly title: string }[]): string {
  const width = Math.max(...benchmarks.map(({ name }) => name.length));
  return [
    'usage: npm run bench -- [--json] [--quick] [--only NAME]...',
    '',
    '  --json       print the report as JSON (schema pedrera.bench/1) instead of a table',
    '  --quick      a few seconds; the figures are rough',
    '  --only NAME  this benchmark; may be given several times',
    '',
    ...benchmarks.map(({ name, title }) => `  ${name.padEnd(width)}  ${title}`),
  ].join('\n');
}
