/**
 * `pedrera bufs`: the dma-bufs, laid out as the kernel's dma_buf/bufinfo, with who keeps each and whether it looks forgotten.
 *
 * Owns: the document `pedrera.bufs/1` as the command prints it, its text forms, and what is suspicious about a buffer.
 * Must not know: how the daemon counts; the graph is in buffers-graph.ts.
 */
import { type BufferHolder, type BufferState, type BuffersSnapshot, SNAPSHOT_SECTION } from '@pedrera/uapi';
import type { DaemonSession } from '../session.js';
import { printable, type Style } from '../text/style.js';
import { type Column, drawTable, wrap } from '../text/table.js';
import { formatDuration, formatHex, formatSize, plural } from '../text/units.js';
import { renderBufferGraph } from './buffers-graph.js';
import type { Inspection } from './inspection.js';
import { cutRows, notShownLines, type SortKeys, sortRows } from './rows.js';

export interface BuffersDocument extends BuffersSnapshot {
  buffers: BufferRow[];
  /** How many more match. */
  notShown: number;
}

export interface BufferRow extends BufferState {
  /** Why it may have been forgotten; null when it is in use. */
  suspicion: string | null;
}

interface BufferOptions {
  readonly pid: number | undefined;
  readonly brief: boolean;
  readonly graph: boolean;
  readonly sort: keyof typeof SORT_KEYS;
  readonly limit: number;
}

/** Long enough for a program to hand a buffer over, and for the other one to take it. */
export const FORGOTTEN_MS = 60_000;

const SORT_KEYS = {
  id: (buffer) => -buffer.id,
  size: (buffer) => buffer.size,
  age: (buffer) => buffer.ageMs,
  refs: (buffer) => buffer.refs,
} as const satisfies SortKeys<BufferState>;

const BRIEF: readonly Column<BufferRow>[] = [
  { title: 'ID', align: 'right', value: (buffer) => String(buffer.id) },
  { title: 'KIND', value: (buffer) => buffer.kind },
  { title: 'SIZE', align: 'right', value: (buffer) => formatSize(buffer.size) },
  { title: 'NAME', value: (buffer) => printable(buffer.name) || '-' },
  { title: 'EXPORTER', value: ({ exporter }) => exporterText(exporter) },
  { title: 'AGE', align: 'right', value: (buffer) => formatDuration(buffer.ageMs) },
  { title: 'FENCES', optional: true, value: fencesText },
  { title: 'HELD BY', shrink: true, value: ({ references }) => references.map(holderText).join(', ') },
  { title: 'IMPORTERS', shrink: true, optional: true, value: importersText },
];

/** The columns of the kernel that mean something here, then our own. */
const BUFINFO: readonly Column<BufferRow>[] = [
  { title: 'size', value: (buffer) => String(buffer.size).padStart(8, '0') },
  { title: 'count', value: (buffer) => String(buffer.refs).padStart(8, '0') },
  { title: 'exp_name', value: ({ exporter }) => exporter.driver },
  { title: 'ino', value: (buffer) => String(buffer.id).padStart(8, '0') },
  { title: 'kind', value: (buffer) => buffer.kind },
  { title: 'age', align: 'right', value: (buffer) => formatDuration(buffer.ageMs) },
  { title: 'name', shrink: true, value: (buffer) => printable(buffer.name) || '<none>' },
];

/** Of a daemon that tells none. */
const NO_TOTALS = { buffers: 0, attachments: 0, references: 0, pendingFences: 0, tokens: 0, devices: [] };

const INDENT = '    ';
const HELD_INDENT = { first: INDENT, rest: `${INDENT}  ` };

export function buffersInspection(options: BufferOptions): Inspection<BuffersDocument> {
  return {
    fetch: async (session) => buffersDocument(await askForBuffers(session), options),
    render: (document, style) => {
      if (options.graph) return renderBufferGraph(document);
      return options.brief ? renderBriefly(document, style) : renderBuffers(document, style);
    },
  };
}

/** All of them: one that somebody else exported may concern a process. */
async function askForBuffers(session: DaemonSession): Promise<BuffersSnapshot> {
  const { buffers = [], bufferTotals } = await session.inspect({ sections: SNAPSHOT_SECTION.BUFFERS });
  return { schema: 'pedrera.bufs/1', buffers, next: null, totals: bufferTotals ?? NO_TOTALS };
}

export function buffersDocument(
  snapshot: BuffersSnapshot,
  { pid, sort, limit }: Pick<BufferOptions, 'pid' | 'sort' | 'limit'>,
): BuffersDocument {
  const matching = snapshot.buffers
    .filter((buffer) => pid === undefined || concerns(buffer, pid))
    .map((buffer) => ({ ...buffer, suspicion: suspicionOf(buffer) }));
  const { rows, notShown } = cutRows(sortRows(matching, SORT_KEYS[sort]), limit);
  return { ...snapshot, buffers: rows, notShown };
}

function concerns({ exporter, importers, attachments, references }: BufferState, pid: number): boolean {
  return [exporter, ...importers, ...attachments, ...references].some((other) => other.pid === pid);
}

/** A buffer in use has somebody's mapping, or work that has not ended. */
function suspicionOf({ exporter, attachments, importers, fences, references, ageMs }: BufferState): string | null {
  const mapped = importers.length > 0 || attachments.some((attachment) => attachment.mapped > 0);
  if (mapped || fences.some(({ state }) => state === 'pending')) return null;
  const keepers = references.map(holderText).join(' and ');
  if (!exporter.alive) return `its exporter has closed the device and nobody has it mapped; kept by ${keepers}`;
  if (ageMs < FORGOTTEN_MS) return null;
  const age = formatDuration(ageMs);
  if (attachments.length === 0) return `shared for ${age}, and nobody is attached; kept by ${keepers}`;
  return `attached, but not mapped by anybody after ${age}; kept by ${keepers}`;
}

export function renderBuffers({ buffers, notShown, totals }: BuffersDocument, style: Style): string {
  if (buffers.length === 0) return 'no dma-bufs';
  const bytes = buffers.reduce((sum, { size }) => sum + size, 0);
  return [
    'Dma-buf Objects:',
    ...drawTable(buffers, BUFINFO, style, (line, buffer) => objectLines(line, buffer, style)),
    `Total ${buffers.length} objects, ${bytes} bytes`,
    ...notShownLines(notShown, 'dma-bufs', style),
    ...wrap(totalsText(totals), style.width),
  ].join('\n');
}

function objectLines(line: string, buffer: BufferRow, style: Style): string[] {
  const { fences, attachments, attachmentCount, exporter, references, suspicion } = buffer;
  const more = attachmentCount - attachments.length;
  const words = (text: string) => wrap(text, style.width, HELD_INDENT);
  return [
    style.bold(line),
    ...words(`exported by ${exporterText(exporter)}, held by ${references.map(holderText).join(', ')}`),
    ...(suspicion === null ? [] : words(`leaked? ${suspicion}`).map(style.yellow)),
    ...fences.map(({ name, usage, state, error }) => {
      const outcome =
        state === 'failed' ? `signalled (${error ?? 'failed'})` : state === 'pending' ? 'unsignalled' : state;
      const text = `${INDENT}${usage} fence:${printable(name)} ${outcome}`;
      return state === 'failed' ? style.red(text) : state === 'pending' ? style.yellow(text) : text;
    }),
    `${INDENT}Attached Devices:`,
    ...attachmentTexts(buffer).map((text) => `${INDENT}${text}`),
    ...(more > 0 ? [`${INDENT}and ${more} more`] : []),
    `Total ${attachmentCount} devices attached`,
    '',
  ];
}

function attachmentTexts({ attachments, importers }: BufferState): string[] {
  return attachments.map(({ pid, importer, device, mapped, peer2peer }) => {
    const at = importers.filter((other) => other.pid === pid && other.device === device);
    const addresses = at.map(({ address }) => formatHex(address)).join(', ');
    const where = mapped === 0 ? 'not mapped' : addresses === '' ? 'mapped' : `mapped at ${addresses}`;
    return `${importer} (pid ${pid}): ${where}${peer2peer ? '' : ', not peer to peer'}`;
  });
}

/** One line each. */
export function renderBriefly({ buffers, notShown, totals }: BuffersDocument, style: Style): string {
  if (buffers.length === 0) return 'no dma-bufs';
  return [
    ...drawTable(buffers, BRIEF, style, (line, { suspicion }) => (suspicion === null ? line : style.yellow(line))),
    '',
    ...notShownLines(notShown, 'dma-bufs', style),
    ...wrap(totalsText(totals), style.width),
  ].join('\n');
}

function exporterText({ pid, device, alive }: BufferState['exporter']): string {
  return `pid ${pid} on device ${device}${alive ? '' : ' (gone)'}`;
}

/** What an access would wait for comes first; errors last. */
function fencesText({ fences }: BufferState): string {
  const count = (wanted: BufferState['fences'][number]['state']) => {
    const found = fences.filter(({ state }) => state === wanted);
    const usages = [...new Set(found.map(({ usage }) => usage))].join('+');
    const errors = [...new Set(found.flatMap(({ error }) => error ?? []))].join('+');
    const detail = wanted === 'failed' ? errors : usages;
    return found.length === 0 ? [] : [`${found.length} ${wanted} (${detail})`];
  };
  return [...count('pending'), ...count('failed'), ...count('signalled')].join(', ') || '-';
}

function holderText({ holder, pid, count }: BufferHolder): string {
  const what = count === 1 ? holder : `${count} ${holder}s`;
  return pid === 0 ? what : `${what} of ${pid}`;
}

/** Attached, or attached and mapped. */
function importersText({ importers, importerCount, attachments }: BufferState): string {
  const idle = attachments.filter(({ mapped }) => mapped === 0);
  const texts = [
    ...importers.map(({ pid, device, address }) => `pid ${pid} on device ${device} at ${formatHex(address)}`),
    ...idle.map(({ pid, importer }) => `pid ${pid} on ${importer}, not mapped`),
    ...(importerCount > importers.length ? [`${importerCount - importers.length} more`] : []),
  ];
  return texts.join(', ') || '-';
}

function totalsText({ buffers, attachments, references, pendingFences, devices }: BuffersSnapshot['totals']): string {
  const all = [
    plural(buffers, 'dma-buf'),
    plural(attachments, 'attachment'),
    plural(references, 'reference'),
    plural(pendingFences, 'pending fence'),
  ].join(', ');
  const memory = devices
    .filter(({ allocations }) => allocations > 0)
    .map(({ device, usedBytes, exportedBytes }) => {
      return `device ${device}: ${formatSize(usedBytes)} allocated, ${formatSize(exportedBytes)} of it exported`;
    });
  return [all, ...memory].join('; ');
}
