/**
 * The answer of `pedrera why` as text: the root cause first, then the chain of who waits for what.
 *
 * Owns: the layout. Must not know: how causes are found.
 */
import { printable, type Style } from '../text/style.js';
import { wrap } from '../text/table.js';
import { plural } from '../text/units.js';
import type { Cause, WaitNode, WhyDocument } from './document.js';

/** More than these are counted only. */
const CAUSES = 10;
const OTHERS = 8;
/** Of a longer chain its beginning and its end are shown: whoever waits, and whoever is to blame. */
const CHAIN = { first: 20, last: 25 } as const;

interface Indexed {
  readonly document: WhyDocument;
  readonly nodes: ReadonlyMap<string, WaitNode>;
  readonly programs: ReadonlyMap<number, string>;
  /** Text of the edge between two nodes. */
  edge(from: string, to: string): string | null;
}

export function renderWhy(document: WhyDocument, style: Style, { all = false }: { all?: boolean } = {}): string {
  const { causes } = document;
  if (causes.length === 0) return [nothingStuck(document), ...cutLines(document, style)].join('\n');
  const edges = new Map(document.edges.map(({ from, to, text }) => [`${from}>${to}`, text]));
  const indexed: Indexed = {
    document,
    nodes: new Map(document.nodes.map((node) => [node.id, node])),
    programs: new Map(document.programs.map(({ pid, program }) => [pid, printable(program)])),
    edge: (from, to) => edges.get(`${from}>${to}`) ?? null,
  };
  const shown = all ? causes : causes.slice(0, CAUSES);
  const blocks = shown.map((cause, i) => {
    const number = causes.length === 1 ? '' : `${i + 1}. `;
    return causeLines(cause, indexed, style, { number, all }).join('\n');
  });
  const left = causes.length - shown.length;
  if (left > 0) blocks.push(`and ${plural(left, 'more root cause')}: pedrera why --all`);
  if (document.moving > 0 && causes.every(({ kind }) => kind !== 'running')) {
    blocks.push(
      style.dim(
        `${plural(document.moving, 'other wait')} will end ${document.moving === 1 ? 'by itself' : 'by themselves'}`,
      ),
    );
  }
  const cut = cutLines(document, style);
  if (cut.length > 0) blocks.push(cut.join('\n'));
  return blocks.join('\n\n');
}

/** What a process waits for is searched first: of one that was named only its own gaps are told. */
function cutLines({ asked, causes, notSearched }: WhyDocument, style: Style): string[] {
  if (notSearched === 0 || (asked.pid !== null && causes.every(({ kind }) => kind !== 'unknown'))) return [];
  const what = plural(notSearched, 'fence or sync object', 'fences or sync objects');
  const text =
    asked.pid === null
      ? `so much waits at once that the signallers of ${what} were not searched for; begin with one process: pedrera why PID`
      : `so much waits at once that the signallers of ${what} were not searched for, some of them of this process`;
  return wrap(text, style.width).map(style.yellow);
}

function nothingStuck({ asked, moving }: WhyDocument): string {
  const who = asked.pid !== null ? `pid ${asked.pid} waits for nothing` : 'nothing is stuck';
  if (moving === 0) return who;
  return `${who}; ${plural(moving, 'wait')} will end ${moving === 1 ? 'by itself' : 'by themselves'}`;
}

function causeLines(
  cause: Cause,
  indexed: Indexed,
  style: Style,
  { number, all }: { number: string; all: boolean },
): string[] {
  const paint = cause.fate === 'stuck' ? style.red : cause.fate === 'depends' ? style.yellow : style.green;
  const indent = { first: number, rest: ' '.repeat(number.length) };
  const lines = wrap(printable(cause.sentence), style.width, indent).map((line) => style.bold(paint(line)));
  return [
    ...lines,
    '',
    ...chainLines(cause, indexed, style, all),
    ...othersLine(cause, indexed, style),
    '',
    ...lookNextLines(cause, style),
  ];
}

/** One line for each node, under a heading wherever the process or device changes. */
function chainLines({ chain, cycle }: Cause, indexed: Indexed, style: Style, all: boolean): string[] {
  const nodes = chain.flatMap((id) => indexed.nodes.get(id) ?? []);
  const wide = nodes.reduce((widest, { title }) => Math.max(widest, title.length), 0);
  const lines: string[] = [];
  const round = new Set(cycle);
  let heading = '';
  const add = (mark: string, title: string, text: string) => {
    const first = `${mark} ${title.padEnd(wide)}  `;
    lines.push(...wrap(printable(text), style.width, { first, rest: ' '.repeat(first.length) }));
  };
  const cut = all || nodes.length <= CHAIN.first + CHAIN.last + 1 ? nodes.length : CHAIN.first;
  nodes.forEach((node, i) => {
    if (i === cut) lines.push(style.dim(`   ... ${nodes.length - CHAIN.first - CHAIN.last} more (--all)`));
    if (i >= cut && i < nodes.length - CHAIN.last) return;
    const now = headingOf(nodes, i, indexed);
    if (now !== null && !`${heading},`.startsWith(`${now},`)) {
      lines.push(style.bold(now));
      heading = now;
    }
    const mark = round.has(node.id) ? ' |' : '  ';
    add(mark, node.title, node.text);
    for (const note of node.notes) add(mark, '', `(${note})`);
    const next = nodes[i + 1];
    const packet = next === undefined ? null : indexed.edge(node.id, next.id);
    if (packet !== null) add(mark, '', `-> ${packet}`);
  });
  return [...lines, ...closingLines(nodes, cycle, indexed, style)];
}

/** How a circle gets back to where it began. */
function closingLines(nodes: readonly WaitNode[], cycle: Cause['cycle'], indexed: Indexed, style: Style): string[] {
  const back = indexed.nodes.get(cycle?.[0] ?? '');
  const last = nodes.at(-1);
  if (back === undefined || last === undefined) return [];
  const packet = indexed.edge(last.id, back.id);
  const where = back.pid === null || back.kind === 'process' ? '' : ` of pid ${back.pid}`;
  return [
    ...(packet === null ? [] : [` | -> ${packet}`]),
    style.bold(`  = ${back.title}${where}, as above: the circle is closed`),
  ];
}

/**
 * Null for a node that belongs to nobody: it stays under the heading of the one before. A call has no context; what it waits for
 * says which one is meant.
 */
function headingOf(nodes: readonly WaitNode[], i: number, { programs }: Indexed): string | null {
  const { pid, device, kind } = nodes[i] as WaitNode;
  if (pid === null) return kind === 'engine' || kind === 'device' ? `device ${device}` : null;
  let last = i;
  while (nodes[last]?.asid === null && nodes[last + 1]?.pid === pid) last++;
  const { asid, device: on } = nodes[last] as WaitNode;
  const program = programs.get(pid);
  return `pid ${pid}${program ? ` ${program}` : ''}${asid === null ? '' : `, device ${on}, ASID ${asid}`}`;
}

function othersLine({ pids, chain }: Cause, indexed: Indexed, style: Style): string[] {
  const named = new Set(chain.flatMap((id) => indexed.nodes.get(id)?.pid ?? []));
  const others = pids.filter((pid) => !named.has(pid));
  if (others.length === 0) return [];
  const names = others.slice(0, OTHERS).map((pid) => `${pid} ${indexed.programs.get(pid) ?? ''}`.trim());
  const more = others.length > OTHERS ? ` and ${others.length - OTHERS} more` : '';
  const text = `also waiting because of this: pid ${names.join(', ')}${more}`;
  return wrap(text, style.width);
}

function lookNextLines({ lookNext }: Cause, style: Style): string[] {
  const wide = Math.max(0, ...lookNext.map(({ command }) => command.length));
  return lookNext.map(({ command, why }, i) => {
    const before = i === 0 ? 'look next: ' : '           ';
    const padded = before + command.padEnd(wide);
    const comment = `  # ${why}`;
    return padded.length + comment.length <= style.width ? padded + style.dim(comment) : before + command;
  });
}
