/**
 * Every metric there is. The page of text, docs/metrics.md and the check of the dashboard come from this list.
 *
 * Owns: their order, the metrics of the daemon itself, and what has to be asked for to read them all.
 */
import { SNAPSHOT_SECTION } from '@pedrera/uapi';
import { CLIENT_METRICS } from './client-metrics.js';
import { DEVICE_METRICS } from './device-metrics.js';
import { ENGINE_METRICS } from './engine-metrics.js';
import { type Metric, ofDaemon } from './metric.js';

/** Clients, devices, engines and queues: as `pedrera top` asks. */
export const METRIC_SECTIONS =
  SNAPSHOT_SECTION.DEVICES | SNAPSHOT_SECTION.ENGINES | SNAPSHOT_SECTION.CLIENTS | SNAPSHOT_SECTION.QUEUES;

const DAEMON_METRICS: readonly Metric[] = [
  {
    name: 'pedrera_build_info',
    type: 'gauge',
    help: 'Always 1; which daemon it is.',
    labels: ['build', 'policy'],
    read: ({ daemon: { build, policy } }) => [{ labels: { build, policy }, value: 1 }],
  },
  ofDaemon(
    { name: 'pedrera_uptime_seconds', type: 'gauge', help: 'Age of the daemon.' },
    ({ daemon }) => daemon.uptimeMs / 1000,
  ),
  ofDaemon({ name: 'pedrera_clients', type: 'gauge', help: 'Open files.' }, ({ clients = [] }) => clients.length),
  ofDaemon({ name: 'pedrera_tracing', type: 'gauge', help: '1 while somebody records a trace.' }, ({ daemon }) =>
    daemon.tracing ? 1 : 0,
  ),
  ofDaemon(
    { name: 'pedrera_armed_faults', type: 'gauge', help: 'Plans of injected faults that are armed.' },
    ({ daemon }) => daemon.armedFaults,
  ),
];

/** There even when there is no daemon to ask. */
export const UP = {
  name: 'pedrera_up',
  type: 'gauge',
  help: '1 when the daemon answered; without it there is no other metric.',
  labels: [],
} as const;

/** Metrics that are read off a snapshot. */
export const METRICS: readonly Metric[] = [...DAEMON_METRICS, ...DEVICE_METRICS, ...ENGINE_METRICS, ...CLIENT_METRICS];
