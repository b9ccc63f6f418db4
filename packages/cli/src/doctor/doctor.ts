/**
 * `pedrera doctor`: what this build supports, what this machine allows, whether a daemon runs.
 *
 * Owns: the document and its text. Must not know: how anything was found out (machine.ts, support.ts).
 */
import type { Context } from '../command.js';
import { EXIT, type ExitCode } from '../exit.js';
import { packageVersion } from '../package-version.js';
import { isDefaultSocket, socketPathOf, startCommand, tryOpenSession } from '../session.js';
import type { Style } from '../text/style.js';
import { type Column, tableLines } from '../text/table.js';
import { plural } from '../text/units.js';
import { examineMachine, type Finding } from './machine.js';
import { countLevels, LEVELS, type SupportEntry, supportMatrix } from './support.js';

type Kind = SupportEntry['kind'];

type DaemonFinding =
  | {
      readonly running: true;
      readonly socket: string;
      readonly pid: number;
      readonly devices: number;
      readonly policy: string;
      /** What programs have asked for in vain, with how often. */
      readonly refused: Readonly<Record<string, number>>;
    }
  | { readonly running: false; readonly socket: string; readonly reason: string };

export interface DoctorDocument {
  readonly schema: 'pedrera.doctor/1';
  /** Nothing essential is missing. */
  readonly ok: boolean;
  readonly pedrera: string;
  readonly support: {
    /** How many rows of the support matrix are of each level, by what they are about. */
    readonly counts: Readonly<Partial<Record<Kind, Readonly<Record<(typeof LEVELS)[number], number>>>>>;
    readonly refused: readonly { readonly name: string; readonly errno: string; readonly why: string }[];
  };
  readonly machine: readonly Finding[];
  readonly daemon: DaemonFinding;
}

export async function runDoctor(context: Context): Promise<ExitCode> {
  const socket = { path: socketPathOf(context), isDefault: isDefaultSocket(context) };
  const machine = await examineMachine(socket, context.env);
  const document: DoctorDocument = {
    schema: 'pedrera.doctor/1',
    ok: machine.every(({ state }) => state !== 'missing'),
    pedrera: packageVersion(),
    support: describeSupport(),
    machine,
    daemon: await findDaemon(context),
  };
  context.output.result(document, (doc, style) => renderDoctor(doc, style, startCommand(context)));
  return document.ok ? EXIT.ok : EXIT.deviceError;
}

const KINDS: readonly Kind[] = ['call', 'flag', 'value', 'packet', 'queue', 'engine'];

function describeSupport(): DoctorDocument['support'] {
  const { rows } = supportMatrix();
  const ofKind = (kind: Kind) => countLevels(rows.filter((row) => row.kind === kind));
  return {
    counts: Object.fromEntries(KINDS.map((kind) => [kind, ofKind(kind)])),
    refused: rows
      .filter(({ level }) => level === 'refused')
      .map(({ name, errno = '', note, evidence }) => ({ name, errno, why: note ?? evidence.section })),
  };
}

/** A daemon that does not answer as one is as good as none here, but its reason is told. */
async function findDaemon(context: Context): Promise<DaemonFinding> {
  const socket = socketPathOf(context);
  try {
    const session = await tryOpenSession(context);
    if (session === undefined) return { running: false, socket, reason: 'nothing listens there' };
    const { daemonPid: pid, devices, policy } = session.greeting;
    // An older daemon counts nothing; it runs all the same.
    const counted = await session.inspectDaemon().catch(() => undefined);
    await session.close();
    const refused = counted?.refused ?? {};
    return { running: true, socket, pid, devices, policy, refused };
  } catch (error) {
    return { running: false, socket, reason: error instanceof Error ? error.message : String(error) };
  }
}

const REFUSED_COLUMNS: readonly Column<DoctorDocument['support']['refused'][number]>[] = [
  { title: 'REFUSED', value: ({ name }) => name },
  { title: 'ERRNO', value: ({ errno }) => errno },
  { title: 'WHY', shrink: true, value: ({ why }) => why },
];

function renderDoctor(document: DoctorDocument, style: Style, start: string): string {
  const { support, machine, daemon, ok } = document;
  const counts = Object.entries(support.counts).map(
    ([kind, levels]) => `  ${`${kind}s`.padEnd(8)} ${LEVELS.map((level) => `${levels[level]} ${level}`).join(', ')}`,
  );
  const [titles = '', ...refused] = tableLines(support.refused, REFUSED_COLUMNS, style.width - 2);
  return [
    style.bold(`pedrera ${document.pedrera}`),
    'This build, measured by the driver of Linux 6.1 (docs/support-matrix.json has every row):',
    ...counts,
    `  ${style.dim(titles)}`,
    ...refused.map((line) => `  ${line}`),
    'This machine:',
    ...machine.flatMap((finding) => findingLines(finding, style)),
    'The daemon:',
    ...(daemon.running ? [] : [`  none on ${daemon.socket}: ${daemon.reason}; start one with: ${start}`]),
    ...(daemon.running ? runningLines(daemon, style) : []),
    ok ? style.green('Nothing essential is missing.') : style.red('Something essential is missing: see above.'),
  ].join('\n');
}

/** How the daemon counts it (its dispatch.ts). */
const BARE_INDEX = /which is no command$/;

function runningLines(daemon: Extract<DaemonFinding, { running: true }>, style: Style): string[] {
  const { socket, pid, devices, policy } = daemon;
  const refused = Object.entries(daemon.refused).map(([call, count]) => `${count} ${call}`);
  return [
    `  running on ${socket}, pid ${pid}, ${plural(devices, 'device')}, policy ${policy}`,
    ...(refused.length === 0 ? [] : [`  programs asked in vain for: ${refused.join(', ')}`]),
    ...(Object.keys(daemon.refused).some((call) => BARE_INDEX.test(call))
      ? [
          style.yellow(
            '  a program passes indices to ioctl(2) where commands are due: HL_IOCTL_* of Linux 6.7 and later go through',
          ),
          style.yellow('  DRM_IOWR. Let it use DRM_IOCTL_HL_* on /dev/accel, or build it with an earlier header.'),
        ]
      : []),
  ];
}

const MARKS: Readonly<Record<Finding['state'], string>> = { ok: 'ok', lack: 'lack', missing: 'MISSING' };

function findingLines({ check, state, found, advice }: Finding, style: Style): string[] {
  const paint = { ok: style.green, lack: style.yellow, missing: style.red }[state];
  const mark = paint(MARKS[state].padEnd(7));
  return [`  ${mark} ${check}: ${found}`, ...(advice === undefined ? [] : [`          ${advice}`])];
}
