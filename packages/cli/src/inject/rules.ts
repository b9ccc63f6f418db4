/**
 * `pedrera inject rule | plan | list | clear`: failures that wait for their moment.
 *
 * Owns: reading a plan, and how rules are listed. Must not know: the words of a rule (rule.ts).
 */
import { readFileSync } from 'node:fs';
import type { FaultRulesDocument } from '@pedrera/uapi';
import type { Context } from '../command.js';
import { CliError, EXIT, type ExitCode, usageError } from '../exit.js';
import { type DaemonSession, withSession } from '../session.js';
import { plural } from '../text/units.js';
import { BadRule, type FaultRule, formatRule, parseRule } from './rule.js';

interface ArmedDocument {
  readonly schema: 'pedrera.armed/1';
  readonly ids: readonly number[];
}

interface ClearedDocument {
  readonly schema: 'pedrera.cleared/1';
  readonly cleared: number;
}

export const RULE_WORDS = ['rule', 'plan', 'list', 'clear'] as const;
type RuleWord = (typeof RULE_WORDS)[number];

export async function runRules(context: Context, word: RuleWord, args: readonly string[]): Promise<ExitCode> {
  switch (word) {
    case 'rule':
      if (args.length === 0) throw usageError('inject rule needs a rule', "such as 'call=CB_CREATE errno=ENOMEM'");
      return asking(context, (session) => arm(context, session, [ruleOf(args.join(' '), 'the rule')]));
    case 'plan': {
      const [file, ...more] = args;
      if (file === undefined || more.length > 0) throw usageError('inject plan needs one file');
      const rules = parsePlan(readPlan(file), file);
      return asking(context, (session) => arm(context, session, rules));
    }
    case 'list':
      if (args.length > 0) throw usageError(`inject list has no target, got '${args[0]}'`);
      return asking(context, async (session) => {
        const { faults } = await session.ioctl('INJECT_LIST', {});
        context.output.result(faults, renderRules);
      });
    case 'clear': {
      const [id = '0', ...more] = args;
      if (!/^\d{1,9}$/.test(id) || more.length > 0)
        throw usageError(`inject clear takes one number of a rule, or nothing`);
      return asking(context, async (session) => {
        const { cleared } = await session.ioctl('INJECT_CLEAR', { id: Number(id) });
        const document: ClearedDocument = { schema: 'pedrera.cleared/1', cleared };
        context.output.result(document, (doc) => `${plural(doc.cleared, 'rule')} cleared`);
      });
    }
  }
}

/** One rule a line; blank lines and what follows a # are for people. Throws a usage error with the line's number. */
export function parsePlan(text: string, name: string): FaultRule[] {
  const rules = text.split('\n').flatMap((line, i) => {
    const rule = line.replace(/#.*/, '').trim();
    return rule === '' ? [] : [ruleOf(rule, `${name}, line ${i + 1}`)];
  });
  if (rules.length === 0) throw usageError(`${name} has no rules`);
  return rules;
}

export function renderRules({ rules }: FaultRulesDocument): string {
  if (rules.length === 0) return 'no rules';
  return rules
    .map(
      (rule) =>
        `${String(rule.id).padStart(3)}  ${formatRule(rule)}\n     matched ${rule.matched}, struck ${rule.struck}`,
    )
    .join('\n');
}

/** All or none: a plan with a rule the daemon refuses leaves nothing behind. */
async function arm(context: Context, session: DaemonSession, rules: readonly FaultRule[]): Promise<void> {
  const ids: number[] = [];
  try {
    for (const rule of rules) ids.push((await session.ioctl('INJECT_ARM', rule)).id);
  } catch (error) {
    for (const id of ids) await session.ioctl('INJECT_CLEAR', { id });
    throw error;
  }
  const document: ArmedDocument = { schema: 'pedrera.armed/1', ids };
  context.output.result(document, ({ ids: armed }) => {
    const names = armed.length === 1 ? `rule ${armed[0]}` : `rules ${armed[0]} to ${armed.at(-1)}`;
    return `armed ${names}; \`pedrera inject list\` shows what they did, \`pedrera inject clear\` takes them away`;
  });
}

function asking(context: Context, work: (session: DaemonSession) => Promise<void>): Promise<ExitCode> {
  return withSession(context, async (session) => {
    await work(session);
    return EXIT.ok;
  });
}

function ruleOf(text: string, where: string): FaultRule {
  try {
    return parseRule(text);
  } catch (error) {
    if (!(error instanceof BadRule)) throw error;
    throw usageError(`${where}: ${error.message}`);
  }
}

function readPlan(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CliError({ exitCode: EXIT.usage, code: 'NO_PLAN', message: `the plan cannot be read: ${why}` });
  }
}
