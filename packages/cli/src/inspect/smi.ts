/**
 * `pedrera smi`: the devices and who computes on them, in the boxes of hl-smi.
 *
 * Owns: the documents `pedrera.smi/1` and `pedrera.smi-query/1`, and the layout, 79 columns wide as hl-smi's whatever the terminal.
 * Must not know: where a device's values come from; the fields of a query are in smi-query.ts.
 */
import { type DeviceSection, SNAPSHOT_SECTION, type Snapshot } from '@pedrera/uapi';
import { deviceError } from '../exit.js';
import type { DaemonSession } from '../session.js';
import { printable, type Style } from '../text/style.js';
import { formatDuration } from '../text/units.js';
import type { Inspection } from './inspection.js';
import { type CsvFormat, cardName, parseFields, parseFormat, queryRows, renderCsv } from './smi-query.js';

export interface SmiDocument {
  schema: 'pedrera.smi/1';
  /** ISO 8601, UTC. */
  time: string;
  build: string;
  policy: string;
  devices: DeviceSection[];
  /** Those with a context, in the order of devices. */
  processes: { device: number; pid: number; program: string; hbmBytes: number }[];
}

interface SmiQueryDocument {
  schema: 'pedrera.smi-query/1';
  rows: Record<string, string | number | null>[];
}

interface SmiOptions {
  readonly id: string | undefined;
  readonly queryAip: string | undefined;
  readonly format: string;
  readonly listAips: boolean;
}

const MIB = 2 ** 20;
const INSIDE = 77;
const RULE = `+${'-'.repeat(INSIDE)}+`;
const COLUMNS_RULE = `|${'-'.repeat(31)}+${'-'.repeat(22)}+${'-'.repeat(22)}+`;
const TITLES = [
  COLUMNS_RULE,
  '| AIP  Name        Persistence-M| Bus-Id        Disp.A | Volatile Uncorr. ECC |',
  '| Fan  Temp  Perf  Pwr:Usage/Cap|         Memory-Usage | AIP-Util  Compute M. |',
  `|${'='.repeat(31)}+${'='.repeat(22)}+${'='.repeat(22)}|`,
];
const PROCESS_TITLES = [
  '| Compute Processes:                                               AIP Memory |',
  '|  AIP       PID   Type   Process name                             Usage      |',
  `|${'='.repeat(INSIDE)}|`,
];

export function smiInspection(options: SmiOptions): Inspection<SmiDocument> {
  return {
    fetch: (session) => fetchSmi(session, options.id),
    render: options.listAips ? renderList : renderSmi,
  };
}

export function smiQueryInspection(options: SmiOptions & { queryAip: string }): Inspection<SmiQueryDocument> {
  const fields = parseFields(options.queryAip);
  const format = parseFormat(options.format);
  let header = format.header;
  return {
    fetch: async (session) => ({
      schema: 'pedrera.smi-query/1',
      rows: queryRows(fields, await fetchSmi(session, options.id)),
    }),
    render: ({ rows }) => {
      // Once, however often the query is repeated: it is one file for who reads it.
      const look: CsvFormat = { ...format, header };
      header = false;
      return renderCsv(fields, rows, look);
    },
  };
}

async function fetchSmi(session: DaemonSession, id: string | undefined): Promise<SmiDocument> {
  const snapshot = await session.inspect({ sections: SNAPSHOT_SECTION.DEVICES | SNAPSHOT_SECTION.CLIENTS });
  return smiDocument(snapshot, { id, time: new Date().toISOString() });
}

export function smiDocument(snapshot: Snapshot, { id, time }: { id: string | undefined; time: string }): SmiDocument {
  const all = snapshot.devices ?? [];
  const devices = all.filter(({ index, pciAddress }) => id === undefined || id === String(index) || id === pciAddress);
  if (devices.length === 0) {
    const there = all.map(({ index, pciAddress }) => `${index} (${pciAddress})`).join(', ');
    throw deviceError(`no device ${id ?? ''}`, `devices: ${there || 'none'}`);
  }
  const { build, policy } = snapshot.daemon;
  const processes = devices.flatMap(({ index }) =>
    (snapshot.clients ?? [])
      .filter(({ device, asid }) => device === index && asid !== null)
      .map(({ pid, program, memory }) => ({ device: index, pid, program, hbmBytes: memory.hbmBytes })),
  );
  return { schema: 'pedrera.smi/1', time, build, policy, devices, processes };
}

function renderList({ devices }: SmiDocument): string {
  return devices.map((device) => `AIP ${device.index}: ${cardName(device)} (UUID: ${device.uuid})`).join('\n');
}

export function renderSmi(document: SmiDocument, style: Style): string {
  const firmware = document.devices[0]?.firmware ?? 'N/A';
  return [
    RULE,
    boxed(` HL-SMI Version: ${firmware.padStart(50)}`),
    boxed(` Driver Version: ${document.build.padStart(50)}`),
    ...TITLES,
    ...document.devices.flatMap((device) => deviceLines(device, style)),
    ...PROCESS_TITLES,
    ...processLines(document),
    `+${'='.repeat(INSIDE)}+`,
    ...document.devices.flatMap((device) => troubleLines(device, style)),
  ].join('\n');
}

function deviceLines(device: DeviceSection, style: Style): string[] {
  const { index, pciAddress, temperatureC, powerMw, maxPowerMw, hbm, utilizationPercent, status } = device;
  const watts = (milliwatts: number, width: number) => `${Math.round(milliwatts / 1000)}W`.padStart(width);
  const power = `${watts(powerMw, 6)} / ${watts(maxPowerMw, 4)}`;
  const memory = `${Math.ceil(hbm.used / MIB)}MiB / ${Math.floor(hbm.total / MIB)}MiB`;
  const operational = status === 'operational';
  const head = `| ${String(index).padStart(3)}  ${cardName(device).slice(0, 16).padEnd(16)}    N/A  | ${pciAddress.padEnd(12)}     N/A |${'N/A'.padStart(20)}  |`;
  const util = operational ? `${Math.round(utilizationPercent)}%` : status;
  const body = `| N/A  ${`${Math.round(temperatureC)}C`.padStart(4)}   N/A ${power} |${memory.padStart(21)} |${util.padStart(operational ? 7 : 19)}${operational ? 'N/A'.padStart(14) : '  '} |`;
  return [...[head, body].map((line) => (operational ? line : style.red(line))), COLUMNS_RULE];
}

/** A device nobody uses has a row, too, as in hl-smi. */
function processLines({ devices, processes }: SmiDocument): string[] {
  return devices.flatMap(({ index }) => {
    const own = processes.filter(({ device }) => device === index);
    if (own.length === 0) return [processLine(index, ['N/A', 'N/A', 'N/A', 'N/A'])];
    return own.map(({ pid, program, hbmBytes }) => {
      const name = program.length > 40 ? `...${program.slice(-37)}` : program;
      return processLine(index, [String(pid), 'C', printable(name), `${Math.ceil(hbmBytes / MIB)}MiB`]);
    });
  });
}

function processLine(index: number, [pid, type, name, usage]: readonly [string, string, string, string]): string {
  return boxed(`${String(index).padStart(4)}${pid.padStart(11)}   ${type.padEnd(7)}${name.padEnd(41)}${usage}`);
}

/** What the boxes have no room for. */
function troubleLines({ index, status, lastReset }: DeviceSection, style: Style): string[] {
  if (status !== 'operational') {
    const why = lastReset === null ? '' : `: ${lastReset.reason}`;
    return [style.red(`device ${index} is ${status}${why}`)];
  }
  return lastReset === null
    ? []
    : [style.dim(`device ${index} was reset ${formatDuration(lastReset.ageMs)} ago: ${lastReset.reason}`)];
}

function boxed(text: string): string {
  return `|${text.slice(0, INSIDE).padEnd(INSIDE)}|`;
}
