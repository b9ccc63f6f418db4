/**
 * A snapshot as Prometheus reads it.
 *
 * Owns: what prom-client is told. Its counters count by themselves; here the daemon has counted, and prom-client writes the text.
 */
import type { Snapshot } from '@pedrera/uapi';
import { type Metric as PromMetric, Registry } from 'prom-client';
import type { Distribution, Metric } from './metric.js';
import { METRICS, UP } from './table.js';

export const CONTENT_TYPE: string = Registry.PROMETHEUS_CONTENT_TYPE;

interface Value {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  readonly metricName?: string;
}

/** Null: the daemon did not answer. */
export function exposition(snapshot: Snapshot | null): Promise<string> {
  const registry = new Registry();
  register(registry, UP, [{ labels: {}, value: snapshot === null ? 0 : 1 }]);
  if (snapshot !== null) {
    for (const metric of METRICS) register(registry, metric, valuesOf(metric, snapshot));
  }
  return registry.metrics();
}

function register(
  registry: Registry,
  { name, help, type }: Pick<Metric, 'name' | 'help' | 'type'>,
  values: readonly Value[],
): void {
  const metric = {
    name,
    help,
    type,
    aggregator: 'omit',
    get: async () => ({ name, help, type, aggregator: 'omit', values }),
  };
  // Of a metric the registry uses its name and get(); its type asks for all that a counter can do.
  registry.registerMetric(metric as unknown as PromMetric);
}

function valuesOf(metric: Metric, snapshot: Snapshot): readonly Value[] {
  if (metric.type !== 'histogram') return metric.read(snapshot);
  return metric.read(snapshot).flatMap((distribution) => bucketValues(metric.name, distribution));
}

/** Bucket i: at most 2^i us. Prometheus wants each to count those before it, too. */
function bucketValues(name: string, { labels, counts, sumNs }: Distribution): Value[] {
  let count = 0;
  const buckets = counts.map((own, i) => {
    count += own;
    const le = i === counts.length - 1 ? '+Inf' : 2 ** i / 1e6;
    return { labels: { ...labels, le }, value: count, metricName: `${name}_bucket` };
  });
  return [
    ...buckets,
    { labels, value: sumNs / 1e9, metricName: `${name}_sum` },
    { labels, value: count, metricName: `${name}_count` },
  ];
}
