/** `pedrera ps`: the open files of every device. Owns the text form of ClientsSnapshot. */
import type { ClientState, ClientsSnapshot } from '@pedrera/uapi';
import { printable, type Style } from '../text/style.js';
import { type Column, tableLines } from '../text/table.js';
import { formatDuration, formatSize } from '../text/units.js';
import type { Inspection } from './inspection.js';

const COLUMNS: readonly Column<ClientState>[] = [
  { title: 'PID', align: 'right', value: (client) => String(client.pid) },
  { title: 'NODE', value: (client) => client.node },
  { title: 'ASID', align: 'right', value: (client) => (client.asid === null ? '-' : String(client.asid)) },
  { title: 'HBM', align: 'right', value: (client) => formatSize(client.memory.hbmBytes) },
  { title: 'HOST', align: 'right', value: (client) => formatSize(client.memory.hostBytes) },
  { title: 'MAPPED', align: 'right', value: (client) => formatSize(client.memory.mappedBytes) },
  { title: 'CB/HOST/DMABUF', align: 'right', value: ({ handles }) => handleCounts(handles) },
  { title: 'FLIGHT', align: 'right', value: (client) => String(client.inFlight) },
  { title: 'CS', align: 'right', value: (client) => String(client.submitted) },
  { title: 'FAULTS', align: 'right', value: (client) => String(client.faults) },
  { title: 'AGE', align: 'right', value: (client) => formatDuration(client.connectedMs) },
  { title: 'PROGRAM', shrink: true, value: (client) => printable(client.program) },
];

export const clientsInspection: Inspection<ClientsSnapshot> = {
  fetch: (session) => session.inspectClients(),
  render: renderClients,
};

export function renderClients({ clients }: ClientsSnapshot, style: Style): string {
  if (clients.length === 0) return 'no clients';
  const [titles, ...rows] = tableLines(clients, COLUMNS, style.width);
  return [style.dim(titles ?? ''), ...rows].join('\n');
}

function handleCounts({ commandBuffers, hostBuffers, dmaBufs }: ClientState['handles']): string {
  return `${commandBuffers}/${hostBuffers}/${dmaBufs}`;
}
