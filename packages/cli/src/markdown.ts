/**
 * The command's reference, docs/cli.md, from the list of commands.
 *
 * Owns: the shape of that page, and what is said about the JSON documents.
 * Must not know: what any command does.
 */
import type { ArgumentSpec, Command, OptionSpec } from './command.js';
import { COMMANDS } from './commands/all.js';
import { optionNotes, spellArgument, spellOption } from './program.js';

const INTRODUCTION = `# The \`pedrera\` command

Generated from \`packages/cli/src/commands\`; change it there, then run \`npm run docs\`.

Every command takes \`--socket PATH\`. Without it the socket is \`$PEDRERA_SOCKET\`, else \`$XDG_RUNTIME_DIR/pedrera.sock\`, else
\`pedrera-<uid>/pedrera.sock\` in the directory for temporary files. Colour is used on a terminal only, and not with \`NO_COLOR\`.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | device error: the daemon or a device refused, or a result was wrong |
| 2 | usage: the command line or a named file cannot be used |
| 3 | no daemon listens on the socket |
| 130 | \`demo\`: ended by Ctrl-C (or SIGTERM, SIGHUP), everything cleaned up |
`;

const JSON_DOCUMENTS = `## JSON

With \`--json\` a command prints one document in one line, with numbers as numbers; with \`--watch\` one a look. The field \`schema\` names
its form: fields may be added under the same name, a change of meaning takes a new number. Errors go to standard error, as
\`{"schema":"pedrera.error/1","exitCode":3,"code":"NO_DAEMON","message":"...","hint":"..."}\`.

| schema | printed by | form |
|---|---|---|
| \`pedrera.queues/1\` | \`queues\` | \`QueuesSnapshot\` in packages/uapi/src/inspect.ts |
| \`pedrera.ps/1\` | \`ps\` | \`ClientsSnapshot\`, the same place |
| \`pedrera.bufs/1\` | \`bufs\` | \`BuffersSnapshot\`, the same place |
| \`pedrera.ls/1\`, \`pedrera.cat/1\`, \`pedrera.write/1\` | \`ls\`, \`cat\`, \`write\` | \`path\`; \`ls\`: \`entries\` (\`name\`, \`kind\`, \`mode\`, \`target\` of a link); \`cat\`, one document a file: \`text\`, or \`base64\` where the bytes are none; \`write\`: \`written\`, in bytes |
| \`pedrera.daemon/1\` | \`status\` | \`DaemonSnapshot\`, the same place |
| \`pedrera.start/1\`, \`pedrera.stop/1\` | \`start\`, \`stop\` | \`pid\`, \`socket\`; \`start\` also \`started\` (false: was running), \`devices\`, \`policy\`, \`log\` |
| \`pedrera.demo/1\` | \`demo\` | \`DemoDocument\` in packages/cli/src/demo/report.ts |
| \`pedrera.doctor/1\` | \`doctor\` | \`DoctorDocument\` in packages/cli/src/doctor/doctor.ts |
| \`pedrera.inject/1\` | \`inject\` | \`device\`, \`kind\`, \`target\`, \`value\`, \`effect\` (a sentence: what was done) |
| \`pedrera.explore/1\`, \`pedrera.explore-replay/1\` | \`explore\`, \`explore --replay\` | \`ExploreDocument\` (one a scenario), \`ReplayDocument\` in packages/cli/src/commands/explore.ts; \`--list\`: \`pedrera.explore-list/1\` with \`scenarios\` |
| \`pedrera.version/1\` | \`version\` | \`pedrera\`, \`node\` |

\`pedrera queues --json\` lists every stream of every queue, once for each context that uses it:

| field of a queue | meaning |
|---|---|
| \`id\`, \`name\`, \`kind\` | queue id of the driver's interface, its name, \`external\`, \`cpu\` or \`internal\` |
| \`pi\`, \`ci\` | producer and consumer index; they run to twice the length of the queue |
| \`pending\` | entries queued and not yet begun |
| \`inFlight\` | entries begun and not yet completed |
| \`completed\` | submissions that have |
| \`head\` | the packet the stream stands at: \`opcode\`, \`name\`, \`text\`; or null |
| \`blockedOn\` | null, or \`fence\` (\`id\`, \`target\`: value it waits for, \`value\`: value now), \`monitors\` and \`reason\`, a sentence |
| \`blockedOn.monitors[]\` | those that can raise the fence: \`dcore\`, \`monitor\`, \`mode\` (\`>=\` or \`==\`), \`awaited\`, \`objects\` |
| \`blockedOn.monitors[].objects[]\` | the sync objects it watches: \`sob\`, \`value\` now, \`awaited\`, \`address\` of the register |
| \`pid\`, \`asid\` | owner; null for a queue nobody uses |
| \`oldestMs\` | age of the oldest unfinished submission, or null |
`;

export function renderCliMarkdown(): string {
  return [INTRODUCTION, ...COMMANDS.map(commandSection), JSON_DOCUMENTS].join('\n');
}

function commandSection(command: Command): string {
  const args = (command.arguments ?? []).map(spellArgument);
  const options = Object.entries(command.options);
  const usage = ['pedrera', command.name, ...(options.length > 0 ? ['[options]'] : []), ...args].join(' ');
  const rows = [...(command.arguments ?? []).map(argumentRow), ...options.map(optionRow)];
  const table = rows.length === 0 ? [] : ['', '| argument or option | meaning |', '|---|---|', ...rows];
  const { line, meaning } = command.example;
  return [
    `## \`${usage}\``,
    '',
    command.details ?? `${command.summary[0]?.toUpperCase()}${command.summary.slice(1)}.`,
    ...table,
    '',
    '```',
    `$ ${line}`,
    '```',
    '',
    meaning,
    '',
  ].join('\n');
}

function argumentRow(argument: ArgumentSpec): string {
  return `| \`${spellArgument(argument)}\` | ${argument.summary} |`;
}

function optionRow([name, spec]: [string, OptionSpec<unknown>]): string {
  return `| \`${spellOption(name, spec)}\` | ${spec.summary}${optionNotes(spec)} |`;
}
