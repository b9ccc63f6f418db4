/** Metrics of devices and their queues. Owns: their names, units and what they are read from. */
import type { DeviceSection, Snapshot } from '@pedrera/uapi';
import { type Metric, ofDevice } from './metric.js';

const counter = (name: string, help: string, field: keyof DeviceSection['counters']): Metric =>
  ofDevice({ name, type: 'counter', help }, ({ counters }) => counters[field]);
const gauge = (name: string, help: string, value: (device: DeviceSection) => number): Metric =>
  ofDevice({ name, type: 'gauge', help }, value);

export const DEVICE_METRICS: readonly Metric[] = [
  gauge(
    'pedrera_device_operational',
    '1 while the device takes work, 0 in a reset or when it is disabled.',
    (device) => (device.status === 'operational' ? 1 : 0),
  ),
  gauge('pedrera_device_contexts', 'Contexts that are open.', ({ contexts }) => contexts),
  gauge('pedrera_device_memory_size_bytes', 'Device memory (HBM) there is for programs.', ({ hbm }) => hbm.total),
  gauge('pedrera_device_memory_used_bytes', 'Device memory that is allocated.', ({ hbm }) => hbm.used),
  gauge('pedrera_device_sram_size_bytes', 'SRAM there is for programs.', ({ sram }) => sram.size),
  gauge('pedrera_device_sram_leased_bytes', 'SRAM that is leased to contexts.', ({ sram }) => sram.leased),
  gauge(
    'pedrera_device_temperature_celsius',
    'Temperature of the chip, as its firmware reports it.',
    (device) => device.temperatureC,
  ),
  gauge('pedrera_device_power_watts', 'Power drawn, as the firmware reports it.', ({ powerMw }) => powerMw / 1000),
  gauge('pedrera_device_power_limit_watts', 'Power the device may draw.', ({ maxPowerMw }) => maxPowerMw / 1000),
  gauge('pedrera_device_clock_hertz', 'Clock rate, as the firmware reports it.', ({ clockMhz }) => clockMhz * 1e6),
  gauge(
    'pedrera_device_utilization_ratio',
    'How busy the device is, from 0 to 1, as the driver reports it.',
    ({ utilizationPercent }) => utilizationPercent / 100,
  ),
  gauge('pedrera_device_ports', 'NIC ports that exist.', ({ ports }) => ports.total),
  gauge('pedrera_device_ports_down', 'NIC ports without a link.', ({ ports }) => ports.down),
  {
    name: 'pedrera_device_resets_total',
    type: 'counter',
    help: 'Resets since the daemon began, by kind (hard, soft).',
    labels: ['device', 'kind'],
    read: ({ devices = [] }) =>
      devices.flatMap(({ index: device, resets }) => [
        { labels: { device, kind: 'hard' }, value: resets.hard },
        { labels: { device, kind: 'soft' }, value: resets.soft },
      ]),
  },
  counter('pedrera_device_submissions_total', 'Submissions that were put on their queues.', 'submissions'),
  counter('pedrera_device_submissions_completed_total', 'Submissions that ended well.', 'completed'),
  counter('pedrera_device_submissions_failed_total', 'Submissions that ended with an error.', 'failed'),
  {
    name: 'pedrera_device_submission_duration_seconds',
    type: 'histogram',
    help: 'Time from when a submission is put on its queues to its end, however it ends.',
    labels: ['device'],
    read: ({ devices = [] }) =>
      devices.flatMap(({ index, durations }) =>
        durations === undefined ? [] : [{ labels: { device: index }, ...durations }],
      ),
  },
  counter('pedrera_device_packets_total', 'Packets that command processors executed.', 'packets'),
  counter('pedrera_device_dma_bytes_total', 'Bytes that DMA engines moved.', 'dmaBytes'),
  counter(
    'pedrera_device_bus_read_bytes_total',
    'Bytes read over the bus: host memory, other devices.',
    'busReadBytes',
  ),
  counter('pedrera_device_bus_written_bytes_total', 'Bytes written over the bus.', 'busWrittenBytes'),
  counter('pedrera_device_sync_object_writes_total', 'Writes to sync objects.', 'sobWrites'),
  counter('pedrera_device_monitors_fired_total', 'Monitors that became true and wrote their payload.', 'monitorsFired'),
  counter('pedrera_device_faults_total', 'Accesses the device did not carry out.', 'faults'),
  counter('pedrera_device_interrupts_total', 'Interrupts the daemon handled.', 'interrupts'),
  {
    name: 'pedrera_device_streams',
    type: 'gauge',
    help: 'Streams of contexts by what they do (idle, running, fence, dma, stalled, stopped, hung, arbitration, barrier).',
    labels: ['device', 'state'],
    read: streamStates,
  },
  {
    name: 'pedrera_device_jobs_waiting',
    type: 'gauge',
    help: 'Jobs on queues that the device has not begun.',
    labels: ['device'],
    read: ({ queues = [] }) =>
      queues.map(({ index, queues: streams }) => ({
        labels: { device: index },
        value: streams.reduce((sum, { pending }) => sum + pending, 0),
      })),
  },
  {
    name: 'pedrera_device_oldest_submission_seconds',
    type: 'gauge',
    help: 'Age of the oldest submission that is not over; 0 without one.',
    labels: ['device'],
    read: ({ queues = [] }) =>
      queues.map(({ index, queues: streams }) => ({
        labels: { device: index },
        value: streams.reduce((oldest, { oldestMs }) => Math.max(oldest, oldestMs ?? 0), 0) / 1000,
      })),
  },
];

function streamStates({ queues = [] }: Snapshot) {
  return queues.flatMap(({ index: device, queues: streams }) => {
    const counts = new Map<string, number>();
    for (const { pid, state, blockedOn, inFlight } of streams) {
      // A stream of no context is only a place for one.
      if (pid === null) continue;
      const now = state ?? (blockedOn !== null ? 'fence' : inFlight > 0 ? 'running' : 'idle');
      counts.set(now, (counts.get(now) ?? 0) + 1);
    }
    return [...counts].map(([state, value]) => ({ labels: { device, state }, value }));
  });
}
