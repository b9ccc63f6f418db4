/** Metrics of engines. Owns: their names and what they are read from. */
import type { EngineSection, EngineTimes } from '@pedrera/uapi';
import type { NumberMetric } from './metric.js';

const NS_PER_S = 1e9;

function ofEngine(
  name: string,
  type: 'counter' | 'gauge',
  help: string,
  value: (engine: EngineSection) => number,
): NumberMetric {
  return {
    name,
    type,
    help,
    labels: ['device', 'engine'],
    read: ({ engines = [] }) =>
      engines.map((engine) => ({ labels: { device: engine.device, engine: engine.name }, value: value(engine) })),
  };
}

const seconds = (name: string, help: string, field: keyof EngineTimes) =>
  ofEngine(name, 'counter', help, ({ times }) => times[field] / NS_PER_S);

export const ENGINE_METRICS: readonly NumberMetric[] = [
  seconds('pedrera_engine_busy_seconds_total', 'Time the engine worked.', 'busyNs'),
  seconds('pedrera_engine_wait_sync_seconds_total', 'Time the engine had work and waited at a fence.', 'waitSyncNs'),
  seconds(
    'pedrera_engine_wait_memory_seconds_total',
    'Time the engine had work and waited for memory.',
    'waitMemoryNs',
  ),
  ofEngine('pedrera_engine_hung', 'gauge', '1 while the engine hangs.', ({ hung }) => (hung ? 1 : 0)),
];
