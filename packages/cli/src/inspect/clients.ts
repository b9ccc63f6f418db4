/**
 * `pedrera ps`: the open files of every device, and what each waits for.
 *
 * Owns: the document `pedrera.ps/1` as the command prints it, and its text form. Must not know: how waits are explained.
 */
import type { ClientState, ClientsSnapshot, Snapshot } from '@pedrera/uapi';
import { printable, type Style } from '../text/style.js';
import { type Column, drawTable } from '../text/table.js';
import { formatDuration, formatSize, orDash } from '../text/units.js';
import { explainSure } from '../why/confirm.js';
import type { WhyDocument } from '../why/document.js';
import { fileKey, shortWaits } from '../why/short.js';
import { explain, WHY_SECTIONS } from '../why/why.js';
import type { Inspection } from './inspection.js';
import { cutRows, isIn, notShownLines, type Scope, type SortKeys, sortRows } from './rows.js';

export interface ClientsDocument extends ClientsSnapshot {
  clients: ClientRow[];
  /** How many more match. */
  notShown: number;
}

interface ClientRow extends ClientState {
  /** In a few words; null when it waits for nothing. */
  waitsFor: string | null;
}

interface ClientOptions extends Scope {
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
  { title: 'ASID', align: 'right', value: (client) => orDash(client.asid) },
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
      const { snapshot, document } = await explainSure(
        () => session.inspect({ sections: WHY_SECTIONS }),
        (look) => explain(look, null),
      );
      return clientsDocument(snapshot, options, document);
    },
    render: renderClients,
  };
}

/** `sure`: what two looks agree on, the later of which is the snapshot. */
export function clientsDocument(
  snapshot: Snapshot,
  options: ClientOptions,
  sure: WhyDocument = explain(snapshot, null),
): ClientsDocument {
  const waits = shortWaits(snapshot, sure);
  const chosen = (snapshot.clients ?? [])
    .filter((client) => isIn(options, client))
    .map((client) => ({ ...client, waitsFor: waitOf(client, waits) }));
  const { rows, notShown } = cutRows(sortRows(chosen, SORT_KEYS[options.sort]), options.limit);
  return { schema: 'pedrera.ps/1', clients: rows, notShown };
}

/** What is known of the file, or else of the process on that device. */
function waitOf({ pid, device, asid }: ClientState, waits: ReadonlyMap<string, string>): string | null {
  return waits.get(fileKey(pid, device, asid)) ?? waits.get(fileKey(pid, device, null)) ?? null;
}

export function renderClients({ clients, notShown }: ClientsDocument, style: Style): string {
  if (clients.length === 0) return 'no clients';
  // A column of dashes tells nothing.
  const columns = COLUMNS.filter(
    ({ title }) => title !== 'WAITS FOR' || clients.some(({ waitsFor }) => waitsFor !== null),
  );
  return [...drawTable(clients, columns, style), ...notShownLines(notShown, 'clients', style)].join('\n');
}

function handleCounts({ commandBuffers, hostBuffers, dmaBufs }: ClientState['handles']): string {
  return `${commandBuffers}/${hostBuffers}/${dmaBufs}`;
}
