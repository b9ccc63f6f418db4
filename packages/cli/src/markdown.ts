/**
 * The command's reference, docs/cli.md and the manual page, from the list of commands.
 *
 * Owns: the shape of that page, and what is said about the JSON documents.
 * Must not know: what any command does.
 */
import type { ArgumentSpec, Command, OptionSpec } from './command.js';
import { COMMAND_GROUPS, COMMANDS } from './commands/all.js';
import { renderManual } from './manual.js';
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
| \`pedrera.queues/1\` | \`queues\` | \`QueuesSnapshot\` in packages/uapi/src/inspect.ts; each device also has \`status\` and \`held\` (submissions that wait for fences before their queues, as in \`pedrera.cs/1\`) |
| \`pedrera.ring/1\` | \`queues --ring\` | \`RingSnapshot\`, the same place |
| \`pedrera.cs/1\` | \`cs\` | \`SubmissionsDocument\` in packages/cli/src/inspect/submissions.ts: \`counts\`, \`submissions\` (\`SubmissionState\` in packages/uapi/src/snapshot.ts with \`program\` and \`waitsFor\`, a sentence or null) |
| \`pedrera.mem/1\` | \`mem\` | \`MemoryDocument\` in packages/cli/src/inspect/memory.ts: \`devices\` and \`owners\` of \`MemorySection\` in packages/uapi/src/snapshot.ts, \`totals\` over all owners that match |
| \`pedrera.vm/1\` | \`vm\` | \`AddressSpacesDocument\` in packages/cli/src/inspect/address-space.ts: \`spaces\`, each an \`AddressSpaceState\` of packages/uapi/src/snapshot.ts with \`walkNotes\` and \`faultNotes\`, sentences about what is mapped beside the address |
| \`pedrera.engines/1\` | \`engines\` | \`EnginesDocument\` in packages/cli/src/inspect/engines.ts: \`engines\` (\`EngineSection\` of packages/uapi/src/snapshot.ts with \`shares\`: \`busy\`, \`waitSync\`, \`waitMemory\` of \`periodMs\`, from 0 to 1; null on the first look), \`unused\` |
| \`pedrera.events/1\` | \`events\` | \`EventsDocument\` in packages/cli/src/inspect/events.ts: \`events\` (\`EventState\` of packages/uapi/src/snapshot.ts with \`time\`, ISO 8601), \`lost\`; with \`--follow\` one for each look that has news, with only those |
| \`pedrera.smi/1\` | \`smi\` | \`SmiDocument\` in packages/cli/src/inspect/smi.ts: \`devices\` (\`DeviceSection\` of packages/uapi/src/snapshot.ts), \`processes\` |
| \`pedrera.smi-query/1\` | \`smi -Q\` | \`rows\`, one for each device: the fields by name, numbers without their unit; null for what is \`N/A\` |
| \`pedrera.ps/1\` | \`ps\` | \`ClientsSnapshot\`, the same place |
| \`pedrera.bufs/1\` | \`bufs\` | \`BuffersSnapshot\` in packages/uapi/src/inspect.ts; each buffer also has \`suspicion\`, why it may have been forgotten, or null |
| \`pedrera.ls/1\`, \`pedrera.cat/1\`, \`pedrera.write/1\` | \`ls\`, \`cat\`, \`write\` | \`path\`; \`ls\`: \`entries\` (\`name\`, \`kind\`, \`mode\`, \`target\` of a link); \`cat\`, one document a file: \`text\`, or \`base64\` where the bytes are none; \`write\`: \`written\`, in bytes |
| \`pedrera.daemon/1\` | \`status\` | \`DaemonSnapshot\`, the same place |
| \`pedrera.start/1\`, \`pedrera.stop/1\` | \`start\`, \`stop\` | \`pid\`, \`socket\`; \`start\` also \`started\` (false: was running), \`devices\`, \`policy\`, \`log\`, \`metrics\` (null, or where they are) |
| \`pedrera.demo/1\` | \`demo\` | \`DemoDocument\` in packages/cli/src/demo/report.ts |
| \`pedrera.doctor/1\` | \`doctor\` | \`DoctorDocument\` in packages/cli/src/doctor/doctor.ts |
| \`pedrera.inject/1\` | \`inject\` | \`device\`, \`kind\`, \`target\`, \`value\`, \`effect\` (a sentence: what was done) |
| \`pedrera.explore/1\`, \`pedrera.explore-replay/1\` | \`explore\`, \`explore --replay\` | \`ExploreDocument\` (one a scenario), \`ReplayDocument\` in packages/cli/src/commands/explore.ts; \`--list\`: \`pedrera.explore-list/1\` with \`scenarios\` |
| \`pedrera.metrics/1\`, \`pedrera.metrics-text/1\` | \`metrics\`, \`metrics --once\` | \`url\`, once it is served; \`text\` |
| \`pedrera.web-server/1\` | \`web\` | \`url\`, once it is served, with the token |
| \`pedrera.version/1\` | \`version\` | \`pedrera\`, \`node\` |

Where a document is a list that \`--limit\` can cut, \`notShown\` says how many rows more there are.

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
| \`state\` | what the stream does: \`idle\`, \`running\`, \`fence\`, \`dma\`, \`stalled\`, \`stopped\`, \`hung\`, \`arbitration\`, \`barrier\` |
| \`seq\` | the submission its oldest unfinished job belongs to, or null |
| \`arbitration\` | null, or \`waiting\` (for the arbiter) and \`holder\` (the queue it serves) |
`;

export function renderCliMarkdown(): string {
  return [INTRODUCTION, contents(), ...COMMANDS.map(commandSection), JSON_DOCUMENTS].join('\n');
}

/** man/pedrera.1. */
export function renderCliManual(): string {
  return renderManual(COMMAND_GROUPS);
}

function contents(): string {
  const rows = COMMAND_GROUPS.map(({ title, commands }) => {
    return `| ${title} | ${commands.map(({ name }) => `\`${name}\``).join(', ')} |`;
  });
  return ['| what for | commands |', '|---|---|', ...rows, ''].join('\n');
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
