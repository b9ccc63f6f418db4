/**
 * `pedrera smi -Q`: fields of the devices, by the names hl-smi gives them.
 *
 * Owns: the fields there are, their units, and the CSV. Must not know: where a device's values come from.
 */
import type { DeviceSection } from '@pedrera/uapi';
import { usageError } from '../exit.js';

/** What a query is asked of. */
export interface QueriedDevices {
  /** ISO 8601, UTC. */
  readonly time: string;
  /** The version of the driver: the daemon's build. */
  readonly build: string;
  readonly devices: readonly DeviceSection[];
}

interface Field {
  /** As hl-smi writes it behind the name and behind the value. */
  readonly unit?: string;
  /** Null: the simulated device has none. */
  value(device: DeviceSection, all: QueriedDevices): string | number | null;
}

export interface CsvFormat {
  readonly header: boolean;
  readonly units: boolean;
}

const MIB = 2 ** 20;
const NONE: Field = { value: () => null };

export const FIELDS: Readonly<Record<string, Field>> = {
  timestamp: { value: (_, { time }) => time },
  name: { value: cardName },
  bus_id: { value: ({ pciAddress }) => pciAddress },
  driver_version: { value: (_, { build }) => build },
  'temperature.aip': { unit: 'C', value: ({ temperatureC }) => temperatureC },
  module_id: { value: ({ index }) => index },
  'utilization.aip': { unit: '%', value: ({ utilizationPercent }) => Math.round(utilizationPercent) },
  'memory.total': { unit: 'MiB', value: ({ hbm }) => Math.floor(hbm.total / MIB) },
  'memory.free': { unit: 'MiB', value: ({ hbm }) => Math.floor((hbm.total - hbm.used) / MIB) },
  'memory.used': { unit: 'MiB', value: ({ hbm }) => Math.ceil(hbm.used / MIB) },
  index: { value: ({ index }) => index },
  serial: { value: ({ serial }) => serial },
  uuid: { value: ({ uuid }) => uuid },
  'power.draw': { unit: 'W', value: ({ powerMw }) => Math.round(powerMw / 1000) },
  'power.limit': { unit: 'W', value: ({ maxPowerMw }) => Math.round(maxPowerMw / 1000) },
  'clocks.current.soc': { unit: 'MHz', value: ({ clockMhz }) => clockMhz },
  'clocks.max.soc': { unit: 'MHz', value: ({ maxClockMhz }) => maxClockMhz },
  'ecc.errors.uncorrected.aggregate.total': NONE,
  'ecc.errors.uncorrected.volatile.total': NONE,
  'ecc.errors.corrected.aggregate.total': NONE,
  'ecc.errors.corrected.volatile.total': NONE,
  'ecc.errors.dram.aggregate.total': NONE,
  'ecc.errors.dram-corrected.aggregate.total': NONE,
  'ecc.errors.dram.volatile.total': NONE,
  'ecc.errors.dram-corrected.volatile.total': NONE,
  'ecc.mode.current': NONE,
  'ecc.mode.pending': NONE,
  'stats.violation.power': NONE,
  'stats.violation.thermal': NONE,
  // What hl-smi has no word for.
  status: { value: ({ status }) => status },
  contexts: { value: ({ contexts }) => contexts },
};

/** As hl-smi spells it: `HL-205`. */
export function cardName({ card, name }: DeviceSection): string {
  return card === undefined ? name : card.replace(/^HL(?=\d)/, 'HL-');
}

/** `index,memory.used`. */
export function parseFields(text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  const unknown = names.find((name) => FIELDS[name] === undefined);
  if (unknown !== undefined) {
    throw usageError(`--query-aip '${unknown}': no such field`, `fields: ${Object.keys(FIELDS).join(', ')}`);
  }
  return names;
}

/** `csv`, `csv,noheader,nounits`. */
export function parseFormat(text: string): CsvFormat {
  const words = text.split(',').map((word) => word.trim());
  const known = words.every((word, i) => (i === 0 ? word === 'csv' : word === 'noheader' || word === 'nounits'));
  if (!known) throw usageError(`--format '${text}': expected csv, csv,noheader or csv,noheader,nounits`);
  return { header: !words.includes('noheader'), units: !words.includes('nounits') };
}

/** One object for each device; a value the device does not have is null. */
export function queryRows(fields: readonly string[], all: QueriedDevices): Record<string, string | number | null>[] {
  return all.devices.map((device) =>
    Object.fromEntries(fields.map((name) => [name, (FIELDS[name] ?? NONE).value(device, all)])),
  );
}

export function renderCsv(
  fields: readonly string[],
  rows: readonly Record<string, string | number | null>[],
  { header, units }: CsvFormat,
): string {
  const titles = fields.map((name) => (FIELDS[name]?.unit === undefined ? name : `${name} [${FIELDS[name]?.unit}]`));
  const lines = rows.map((row) =>
    fields.map((name) => cell(row[name] ?? null, units ? FIELDS[name]?.unit : undefined)),
  );
  return [...(header ? [titles] : []), ...lines].map((line) => line.join(', ')).join('\n');
}

function cell(value: string | number | null, unit: string | undefined): string {
  if (value === null) return 'N/A';
  return unit === undefined ? String(value) : `${value} ${unit}`;
}
