/**
 * docs/grafana-dashboard.json: a dashboard to begin with, from a list of panels.
 *
 * Owns: what it shows, in PromQL. Must not know: where the numbers come from. Grafana's form of a dashboard is its schema version 39.
 */

interface Panel {
  readonly title: string;
  readonly description: string;
  /** One of Grafana's names of units. */
  readonly unit: string;
  readonly width: number;
  readonly kind: 'timeseries' | 'stat' | 'heatmap';
  readonly queries: readonly { readonly expr: string; readonly legend: string }[];
}

/** What Grafana asks for when the dashboard is imported. */
const INPUT = 'DS_PROMETHEUS';
const WIDTH = 24;
const HEIGHT = { timeseries: 8, heatmap: 8, stat: 4 } as const;
/** Chosen on the dashboard; `.*` without a choice. */
const DEVICE = 'device=~"$device"';
const rate = (name: string, labels = DEVICE) => `rate(${name}{${labels}}[$__rate_interval])`;
const engineRate = (name: string) => `sum by (device, engine) (${rate(name)}) > 0`;

const PANELS: readonly Panel[] = [
  panel('stat', 'Daemon', 'bool_on_off', 4, 'Whether the daemon answers.', [['pedrera_up', 'daemon']]),
  panel('stat', 'Devices that work', 'short', 5, 'Devices that take work, of all.', [
    [`sum(pedrera_device_operational{${DEVICE}})`, 'operational'],
    [`count(pedrera_device_operational{${DEVICE}})`, 'devices'],
  ]),
  panel('stat', 'Open files', 'short', 4, 'Clients of the daemon.', [['pedrera_clients', 'open files']]),
  panel('stat', 'Blocked streams', 'short', 5, 'Streams at a fence; `pedrera why` explains them.', [
    [`sum(pedrera_device_streams{${DEVICE}, state="fence"}) or vector(0)`, 'at a fence'],
  ]),
  panel('stat', 'Oldest submission', 's', 6, 'A submission that only gets older hangs.', [
    [`max(pedrera_device_oldest_submission_seconds{${DEVICE}})`, 'age'],
  ]),
  panel('timeseries', 'Engines busy', 'percentunit', 12, 'Part of the time each engine works.', [
    [engineRate('pedrera_engine_busy_seconds_total'), '{{device}} {{engine}}'],
  ]),
  panel(
    'timeseries',
    'Engines waiting',
    'percentunit',
    12,
    'Part of the time each engine has work and waits, at a fence or for memory.',
    [
      [engineRate('pedrera_engine_wait_sync_seconds_total'), '{{device}} {{engine}} sync'],
      [engineRate('pedrera_engine_wait_memory_seconds_total'), '{{device}} {{engine}} memory'],
    ],
  ),
  panel('timeseries', 'Submissions', 'ops', 12, 'Handed in, ended well, failed.', [
    [rate('pedrera_device_submissions_total'), '{{device}} handed in'],
    [rate('pedrera_device_submissions_completed_total'), '{{device}} completed'],
    [rate('pedrera_device_submissions_failed_total'), '{{device}} failed'],
  ]),
  panel('timeseries', 'Submission time', 's', 12, 'From the queue to the end.', [
    [quantile(0.5), 'median'],
    [quantile(0.99), '99%'],
  ]),
  panel('heatmap', 'Submission times', 's', 12, 'How many submissions took how long.', [
    [`sum by (le) (${rate('pedrera_device_submission_duration_seconds_bucket')})`, '{{le}}'],
  ]),
  panel('timeseries', 'Bytes moved', 'Bps', 12, 'By DMA engines, and over the bus.', [
    [rate('pedrera_device_dma_bytes_total'), '{{device}} DMA'],
    [rate('pedrera_device_bus_read_bytes_total'), '{{device}} bus read'],
    [rate('pedrera_device_bus_written_bytes_total'), '{{device}} bus written'],
  ]),
  panel('timeseries', 'Device memory', 'bytes', 12, 'Allocated, and all there is.', [
    [`pedrera_device_memory_used_bytes{${DEVICE}}`, '{{device}} used'],
    [`pedrera_device_memory_size_bytes{${DEVICE}}`, '{{device}} size'],
  ]),
  panel('timeseries', 'Device memory by client', 'bytes', 12, 'The ten largest.', [
    ['topk(10, sum by (pid, program, node) (pedrera_client_device_memory_bytes))', '{{pid}} {{program}} {{node}}'],
  ]),
  panel('timeseries', 'Engine time by client', 'percentunit', 12, 'The ten busiest; two engines make 200%.', [
    [
      `topk(10, sum by (pid, program) (${rate('pedrera_client_engine_busy_seconds_total', '')}))`,
      '{{pid}} {{program}}',
    ],
  ]),
  panel('timeseries', 'Trouble', 'short', 12, 'Faults, failed submissions and resets.', [
    [`increase(pedrera_device_faults_total{${DEVICE}}[$__rate_interval])`, '{{device}} faults'],
    [`increase(pedrera_device_submissions_failed_total{${DEVICE}}[$__rate_interval])`, '{{device}} failed'],
    [`increase(pedrera_device_resets_total{${DEVICE}}[$__rate_interval])`, '{{device}} {{kind}} reset'],
  ]),
  panel('timeseries', 'Temperature', 'celsius', 12, 'As the firmware reports it.', [
    [`pedrera_device_temperature_celsius{${DEVICE}}`, '{{device}}'],
  ]),
  panel('timeseries', 'Power', 'watt', 12, 'As the firmware reports it.', [
    [`pedrera_device_power_watts{${DEVICE}}`, '{{device}}'],
    [`pedrera_device_power_limit_watts{${DEVICE}}`, '{{device}} limit'],
  ]),
];

type Query = readonly [expr: string, legend: string];

function panel(
  kind: Panel['kind'],
  title: string,
  unit: string,
  width: number,
  description: string,
  queries: readonly Query[],
): Panel {
  return { kind, title, unit, width, description, queries: queries.map(([expr, legend]) => ({ expr, legend })) };
}

function quantile(part: number): string {
  return `histogram_quantile(${part}, sum by (le) (${rate('pedrera_device_submission_duration_seconds_bucket')}))`;
}

export function renderDashboard(): string {
  const dashboard = {
    __inputs: [
      {
        name: INPUT,
        label: 'Prometheus',
        type: 'datasource',
        pluginId: 'prometheus',
        pluginName: 'Prometheus',
      },
    ],
    title: 'Pedrera',
    uid: 'pedrera',
    tags: ['pedrera'],
    schemaVersion: 39,
    editable: true,
    refresh: '10s',
    time: { from: 'now-30m', to: 'now' },
    templating: {
      list: [
        {
          name: 'device',
          label: 'Device',
          type: 'query',
          datasource: DATA_SOURCE,
          query: 'label_values(pedrera_device_operational, device)',
          includeAll: true,
          multi: true,
          allValue: '.*',
          current: { text: 'All', value: '$__all' },
          refresh: 2,
        },
      ],
    },
    panels: placed(PANELS),
  };
  return `${JSON.stringify(dashboard, null, 2)}\n`;
}

const DATA_SOURCE = { type: 'prometheus', uid: `\${${INPUT}}` };

/** From left to right, as many beside each other as there is room for. */
function placed(panels: readonly Panel[]): object[] {
  let [x, y, lowest] = [0, 0, 0];
  return panels.map(({ kind, title, description, unit, width, queries }, i) => {
    if (x + width > WIDTH) [x, y] = [0, lowest];
    const gridPos = { x, y, w: width, h: HEIGHT[kind] };
    x += width;
    lowest = Math.max(lowest, y + HEIGHT[kind]);
    return {
      id: i + 1,
      type: kind,
      title,
      description,
      datasource: DATA_SOURCE,
      gridPos,
      fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
      targets: queries.map(({ expr, legend }, query) => ({
        refId: String.fromCharCode('A'.charCodeAt(0) + query),
        datasource: DATA_SOURCE,
        expr,
        legendFormat: legend,
        ...(kind === 'heatmap' ? { format: 'heatmap' } : {}),
        ...(kind === 'stat' ? { instant: true } : {}),
      })),
    };
  });
}
