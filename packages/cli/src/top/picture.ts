/**
 * The picture of `pedrera top`.
 *
 * Owns: the layout, for any size of terminal. Pure. Must not know: keys, terminals, where the numbers come from.
 */
import { printable, type Style } from '../text/style.js';
import { formatDuration, formatNumber, formatSize, orDash, plural } from '../text/units.js';
import { type Glyphs, memoryBar, sharesBar } from './bars.js';
import type { Shares, TopClient, TopDevice, TopDocument, TopEngine } from './rates.js';
import { chosenClients, KEYS, type TopState } from './state.js';

export interface Place {
  readonly columns: number;
  readonly rows: number;
  readonly style: Style;
  readonly glyphs: Glyphs;
}

/** Of the rows left by the heading, what engines take at most; clients are what people look for. */
const ENGINES_SHARE = 0.5;
const MIN_CLIENT_ROWS = 4;
/** Two engines side by side. */
const TWO_COLUMNS = 130;

/** Exactly as many lines as there are rows, none longer than the terminal is wide. */
export function picture(document: TopDocument, state: TopState, place: Place): string[] {
  const { rows, style } = place;
  const head = [titleLine(document, state, place), ...deviceLines(document, state, place)];
  const foot = footLine(state, place);
  const room = rows - head.length - 1;
  const body = state.help ? helpLines(place) : bodyLines(document, state, place, room);
  const lines = [...head, ...body].slice(0, Math.max(0, rows - 1));
  while (lines.length < rows - 1) lines.push('');
  return [...lines, style.dim(foot)];
}

function cut(text: string, width: number): string {
  return text.length > width ? text.slice(0, Math.max(0, width)) : text;
}

function titleLine({ daemon, clients }: TopDocument, state: TopState, { columns, style }: Place): string {
  const { policy, uptimeMs, tracing, armedFaults } = daemon;
  const left = `pedrera top  ${plural(clients.length, 'client')}, ${policy}, up ${formatDuration(uptimeMs)}`;
  const notes = [...(tracing ? ['tracing'] : []), ...(armedFaults > 0 ? [`${armedFaults} faults armed`] : [])];
  const middle = notes.length === 0 ? left : `${left}, ${notes.join(', ')}`;
  const right = state.paused ? 'PAUSED' : `every ${formatDuration(state.intervalMs)}`;
  const gap = columns - middle.length - right.length;
  return style.bold(gap < 1 ? cut(middle, columns) : middle + ' '.repeat(gap) + right);
}

function deviceLines({ devices }: TopDocument, { device: only }: TopState, place: Place): string[] {
  const { columns, style, glyphs } = place;
  const bar = columns >= 100 ? 22 : 12;
  return devices
    .filter(({ index }) => only === null || index === only)
    .map((device) => {
      const { index, hbm, status } = device;
      const percent = hbm.total === 0 ? 0 : (hbm.used * 100) / hbm.total;
      const memory = `${formatSize(hbm.used)}/${formatSize(hbm.total)}`;
      const front = `dev ${index} HBM `;
      const rest = cut(` ${memory}  ${deviceNumbers(device)}`, columns - front.length - bar);
      const isFine = status === 'operational' && device.blockedStreams === 0;
      return `${style.bold(front)}${memoryBar(percent, bar, glyphs, style)}${isFine ? rest : style.yellow(rest)}`;
    });
}

function deviceNumbers(device: TopDevice): string {
  const { status, submissionsPerS, dmaBytesPerS, blockedStreams, failedPerS, faults } = device;
  if (status !== 'operational') return status.toUpperCase();
  const parts = [
    `${formatNumber(submissionsPerS)} cs/s`,
    `DMA ${formatSize(Math.round(dmaBytesPerS))}/s`,
    ...(blockedStreams > 0 ? [`${blockedStreams} blocked`] : []),
    ...(failedPerS > 0 ? [`${formatNumber(failedPerS)} failed/s`] : []),
    ...(faults > 0 ? [plural(faults, 'fault')] : []),
  ];
  return parts.join('  ');
}

function bodyLines(document: TopDocument, state: TopState, place: Place, room: number): string[] {
  const clients = chosenClients(document, state);
  // Titles of two tables, and a line between them.
  const forEngines = Math.max(
    0,
    Math.min(Math.floor((room - 3) * ENGINES_SHARE), room - 3 - MIN_CLIENT_ROWS),
    room - 3 - Math.max(clients.length, MIN_CLIENT_ROWS),
  );
  const engines = engineLines(document, state, place, forEngines);
  const left = room - engines.length - (engines.length > 0 ? 1 : 0);
  return [...engines, ...(engines.length > 0 ? [''] : []), ...clientLines(clients, state, place, left)];
}

function engineLines({ engines }: TopDocument, state: TopState, place: Place, room: number): string[] {
  const { columns, style, glyphs } = place;
  const shown = engines.filter(({ device, used, hung }) => {
    return (state.device === null || device === state.device) && (used || hung || state.idle);
  });
  if (shown.length === 0 || room < 2) return [];
  const sides = columns >= TWO_COLUMNS ? 2 : 1;
  const width = Math.floor((columns - (sides - 1) * 2) / sides);
  const fitting = Math.max(1, (room - 1) * sides);
  const cutOff = shown.length > fitting;
  const drawn = cutOff ? busiest(shown, fitting - sides) : shown;
  const cell = (engine: TopEngine | undefined) => (engine === undefined ? '' : engineCell(engine, width, place));
  const legend = `[${glyphs.busy} busy ${glyphs.sync} sync ${glyphs.memory} memory]`;
  const title = `${'DEV ENGINE'.padEnd(11)} BUSY  SYNC   MEM  `;
  const lines = [style.dim(cut(sides === 1 ? title + legend : `${(title + legend).padEnd(width)}  ${title}`, columns))];
  const half = Math.ceil(drawn.length / sides);
  for (let i = 0; i < half; i++)
    lines.push(sides === 1 ? cell(drawn[i]) : `${cell(drawn[i])}  ${cell(drawn[i + half])}`);
  if (cutOff) lines.push(style.dim(`${shown.length - drawn.length} more engines with less to do`));
  return lines;
}

/** In their own order. */
function busiest(engines: readonly TopEngine[], count: number): TopEngine[] {
  const load = ({ hung, shares }: TopEngine) => (hung ? 1000 : shares.busy + shares.waitMemory + shares.waitSync / 100);
  const chosen = new Set([...engines].sort((a, b) => load(b) - load(a)).slice(0, Math.max(1, count)));
  return engines.filter((engine) => chosen.has(engine));
}

function engineCell({ device, name, shares, hung }: TopEngine, width: number, { style, glyphs }: Place): string {
  const front = `${String(device).padStart(3)} ${name.padEnd(7)}${sharesText(shares)}  `;
  const room = Math.max(4, width - front.length);
  if (hung) return front + style.red('HANGS'.padEnd(room));
  return front + sharesBar(shares, room, glyphs, style);
}

function sharesText({ busy, waitSync, waitMemory }: Shares): string {
  return [busy, waitSync, waitMemory]
    .map((percent) => `${percent.toFixed(0)}%`.padStart(5))
    .join(' ')
    .slice(1)
    .padStart(17);
}

interface ClientColumn {
  readonly title: string;
  readonly width: number;
  /** From so many columns on. */
  readonly from: number;
  readonly left?: boolean;
  text(client: TopClient): string;
}

const BEFORE_BARS: readonly ClientColumn[] = [
  { title: 'PID', width: 7, from: 0, text: ({ pid }) => String(pid) },
  { title: 'DEV', width: 3, from: 0, text: ({ device }) => orDash(device) },
  { title: 'ASID', width: 4, from: 100, text: ({ asid }) => orDash(asid) },
  { title: 'CS/S', width: 6, from: 0, text: ({ submissionsPerS }) => formatNumber(submissionsPerS) },
  { title: 'FLIGHT', width: 6, from: 0, text: ({ inFlight }) => String(inFlight) },
  { title: 'HOST', width: 8, from: 120, text: ({ hostBytes }) => formatSize(hostBytes) },
  { title: 'FAULTS', width: 6, from: 120, text: ({ faults }) => String(faults) },
];

function clientLines(clients: readonly TopClient[], state: TopState, place: Place, room: number): string[] {
  const { columns, style } = place;
  const shownColumns = BEFORE_BARS.filter(({ from }) => columns >= from);
  const bar = Math.max(8, Math.min(30, Math.floor((columns - 52) / 4)));
  const cells = (text: (column: ClientColumn) => string) =>
    shownColumns.map((column) => text(column).padStart(column.width)).join(' ');
  const sorted = `by ${state.sort}${state.reverse ? ', reversed' : ''}`;
  const title = `${cells(({ title: name }) => name)} ${'ENGINES'.padEnd(bar + 5)} ${'HBM'.padEnd(bar + 9)} PROGRAM (${sorted})`;
  const lines = [style.bold(cut(title, columns))];
  const from = Math.min(state.scroll, Math.max(0, clients.length - (room - 1)));
  const drawn = clients.slice(from, from + Math.max(0, room - 1));
  for (const client of drawn) lines.push(clientLine(client, cells, bar, place));
  const more = clients.length - from - drawn.length;
  if (more > 0) lines.splice(-1, 1, style.dim(`${more + 1} more clients: down`));
  if (clients.length === 0)
    lines.push(style.dim(state.filter === '' ? 'no clients' : `no client matches '${printable(state.filter)}'`));
  return lines.slice(0, Math.max(0, room));
}

function clientLine(
  client: TopClient,
  cells: (text: (column: ClientColumn) => string) => string,
  bar: number,
  { columns, style, glyphs }: Place,
): string {
  const { shares, hbmPercent, hbmBytes, program, blockedStreams } = client;
  const numbers = cells((column) => cut(column.text(client), Math.max(column.width, 7)));
  const engines = `${sharesBar(shares, bar, glyphs, style)}${`${shares.busy.toFixed(0)}%`.padStart(5)}`;
  const memory = `${memoryBar(hbmPercent, bar, glyphs, style)}${formatSize(hbmBytes).padStart(9)}`;
  const used = numbers.length + 1 + bar + 5 + 1 + bar + 9 + 1;
  const note = blockedStreams === 0 ? '' : ` (${blockedStreams} blocked)`;
  const name = cut(printable(program) + note, columns - used);
  return `${numbers} ${engines} ${memory} ${blockedStreams === 0 ? name : style.yellow(name)}`;
}

function helpLines({ columns }: Place): string[] {
  const wide = Math.max(...KEYS.map(([key]) => key.length));
  return [
    '',
    ...KEYS.map(([key, meaning]) => cut(`  ${key.padEnd(wide)}  ${meaning}`, columns)),
    '',
    '  any key goes back',
  ];
}

function footLine(state: TopState, { columns }: Place): string {
  if (state.typing) return cut(`filter: ${printable(state.filter)}_`, columns);
  const device = state.device === null ? 'all' : String(state.device);
  const filter = state.filter === '' ? '' : ` '${printable(state.filter)}'`;
  return cut(
    `q quit  h help  s sort:${state.sort}  d device:${device}  p ${state.paused ? 'go on' : 'pause'}  i idle  +/- time  / filter${filter}`,
    columns,
  );
}
