/** Metrics of clients: one set for each open file. Owns: their names, labels and what they are read from. */
import type { ClientState, EngineTimes } from '@pedrera/uapi';
import { contextKey, timesByContext } from '../inspect/engine-times.js';
import type { NumberMetric } from './metric.js';

const NS_PER_S = 1e9;
/** `client` is the connection's number: a process may have a node open more than once. */
const LABELS = ['client', 'pid', 'program', 'node'] as const;

function labelsOf({ client, pid, program, node }: ClientState): Record<(typeof LABELS)[number], string | number> {
  return { client, pid, program, node };
}

function ofClient(
  name: string,
  type: 'counter' | 'gauge',
  help: string,
  value: (client: ClientState) => number,
): NumberMetric {
  return {
    name,
    type,
    help,
    labels: LABELS,
    read: ({ clients = [] }) => clients.map((client) => ({ labels: labelsOf(client), value: value(client) })),
  };
}

/** Of all engines together. */
function engineSeconds(name: string, help: string, field: keyof EngineTimes): NumberMetric {
  return {
    name,
    type: 'counter',
    help,
    labels: LABELS,
    read: ({ clients = [], engines }) => {
      const sums = timesByContext(engines);
      return clients
        .filter(({ asid }) => asid !== null)
        .map((client) => ({
          labels: labelsOf(client),
          value: (sums.get(contextKey(client.device, client.asid))?.[field] ?? 0) / NS_PER_S,
        }));
    },
  };
}

export const CLIENT_METRICS: readonly NumberMetric[] = [
  ofClient(
    'pedrera_client_device_memory_bytes',
    'gauge',
    'Device memory the file has allocated.',
    ({ memory }) => memory.hbmBytes,
  ),
  ofClient(
    'pedrera_client_host_memory_bytes',
    'gauge',
    'Host memory the file has: command buffers and host buffers.',
    ({ memory }) => memory.hostBytes,
  ),
  ofClient(
    'pedrera_client_mapped_bytes',
    'gauge',
    "Memory mapped in the context's address space.",
    ({ memory }) => memory.mappedBytes,
  ),
  ofClient(
    'pedrera_client_submissions_in_flight',
    'gauge',
    'Submissions that are not over.',
    ({ inFlight }) => inFlight,
  ),
  ofClient(
    'pedrera_client_submissions_total',
    'counter',
    'Submissions the file has made.',
    ({ submitted }) => submitted,
  ),
  ofClient('pedrera_client_calls_total', 'counter', 'Calls made on the file.', ({ requests }) => requests),
  ofClient('pedrera_client_faults_total', 'counter', 'Faults of its packets.', ({ faults }) => faults),
  engineSeconds('pedrera_client_engine_busy_seconds_total', 'Time engines worked for the context.', 'busyNs'),
  engineSeconds('pedrera_client_engine_wait_sync_seconds_total', 'Time its streams stood at fences.', 'waitSyncNs'),
  engineSeconds(
    'pedrera_client_engine_wait_memory_seconds_total',
    'Time its streams waited for memory.',
    'waitMemoryNs',
  ),
];
