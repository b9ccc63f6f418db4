/**
 * `pedrera ps`: the open files of every device, and what each waits for.
 *
 * Owns: the document `pedrera.ps/1` as the command prints it, and its text form. Must not know: how waits are explained.
 */
import { type ClientState, type ClientsSnapshot, SNAPSHOT_SECTION, type Snapshot } from '@pedrera/uapi';
import { printable, type Style } from '../text/style.js';
import { type Column, tableLines } from '../text/table.js';
import { formatDuration, formatSize } from '../text/units.js';
import { fileKey, shortWaits } from '../why/short.js';
import { WHY_SECTIONS } from '../why/why.js';
import type { Inspection } from './inspection.js';
import { cutRows, notShownLines, type SortKeys, sortRows } from './rows.js';

export interface ClientsDocument extends ClientsSnapshot {
  clients: ClientRow[];
  /** How many more match. */
  notShown: number;
}

interface ClientRow extends ClientState {
  /** In a few words; null when it waits for nothing. */
  waitsFor: string | null;
}

interface ClientOptions {
  readonly device: number | undefined;
  readonly pid: number | undefined;
  readonly sort: keyof typeof SORT_KEYS;
  readonly limit: number;
}

export const SORT_KEYS = {
  pid: (row) => -row.pid,
  age: (row) => row.connectedMs,
  memory: (row) => row.memory.hbmBytes + row.memory.hostBytes,
  flight: (row) => row.inFlight,
  submissions: (row) => row.submitted,
  faults: (row) => row.faults,
  program: (row) => row.program,
} as const satisfies SortKeys<ClientRow>;

const COLUMNS: readonly Column<ClientRow>[] = [
  { title: 'PID', align: 'right', value: (client) => String(client.pid) },
  { title: 'NODE', value: (client) => client.node },
  { title: 'ASID', align: 'right', value: (client) => (client.asid === null ? '-' : String(client.asid)) },
  { title: 'HBM', align: 'right', value: (client) => formatSize(client.memory.hbmBytes) },
  { title: 'HOST', align: 'right', optional: true, value: (client) => formatSize(client.memory.hostBytes) },
  { title: 'MAPPED', align: 'right', optional: true, value: (client) => formatSize(client.memory.mappedBytes) },
  { title: 'CB/HOST/DMABUF', align: 'right', optional: true, value: ({ handles }) => handleCounts(handles) },
  { title: 'FLIGHT', align: 'right', value: (client) => String(client.inFlight) },
  { title: 'CS', align: 'right', optional: true, value: (client) => String(client.submitted) },
  { title: 'FAULTS', align: 'right', optional: true, value: (client) => String(client.faults) },
  { title: 'AGE', align: 'right', value: (client) => formatDuration(client.connectedMs) },
  { title: 'WAITS FOR', shrink: true, value: (client) => printable(client.waitsFor ?? '-') },
  { title: 'PROGRAM', shrink: true, value: (client) => printable(client.program) },
];

export function clientsInspection(options: ClientOptions): Inspection<ClientsDocument> {
  return {
    fetch: async (session) => {
      // Of all devices and processes: what one waits for may be another's to do.
      const snapshot = await session.inspect({ sections: WHY_SECTIONS | SNAPSHOT_SECTION.CLIENTS });
      return clientsDocument(snapshot, options);
    },
    render: renderClients,
  };
}

export function clientsDocument(snapshot: Snapshot, { device, pid, sort, limit }: ClientOptions): ClientsDocument {
  const waits = shortWaits(snapshot);
  const chosen = (snapshot.clients ?? [])
    .filter((client) => (device === undefined || client.device === device) && (pid === undefined || client.pid === pid))
    .map((client) => ({ ...client, waitsFor: waits.get(fileKey(client.pid, client.device)) ?? null }));
  const { rows, notShown } = cutRows(sortRows(chosen, SORT_KEYS[sort]), limit);
  return { schema: 'pedrera.ps/1', clients: rows, notShown };
}

export function renderClients({ clients, notShown }: ClientsDocument, style: Style): string {
  if (clients.length === 0) return 'no clients';
  // A column of dashes tells nothing.
  const columns = COLUMNS.filter(
    ({ title }) => title !== 'WAITS FOR' || clients.some(({ waitsFor }) => waitsFor !== null),
  );
  const [titles, ...rows] = tableLines(clients, columns, style.width);
  return [style.dim(titles ?? ''), ...rows, ...notShownLines(notShown, 'clients', style)].join('\n');
}

function handleCounts({ commandBuffers, hostBuffers, dmaBufs }: ClientState['handles']): string {
  return `${commandBuffers}/${hostBuffers}/${dmaBufs}`;
}
