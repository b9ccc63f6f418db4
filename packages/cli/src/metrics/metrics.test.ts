/** What Prometheus is told of a fixed snapshot, and that the dashboard asks for what there is. */
import { spawnSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { crowd } from '../testing/crowd.js';
import { renderDashboard } from './dashboard.js';
import { exposition } from './exposition.js';
import { renderMetricsMarkdown } from './markdown.js';
import { METRICS, UP } from './table.js';

const HOSTILE = 'evil"} 1\npedrera_up 7 \\';

function snapshotWith() {
  const snapshot = crowd({ clients: 3 });
  const [device] = snapshot.devices ?? [];
  const [client] = snapshot.clients;
  if (device === undefined || client === undefined) throw new Error('an empty crowd');
  // One of at most 1 us, two of at most 4 us, one beyond all bounds.
  device.durations = { counts: [1, 0, 2, ...Array.from({ length: 24 }, () => 0), 1], sumNs: 90_000_009_000 };
  client.program = HOSTILE;
  return snapshot;
}

function linesOf(text: string, name: string): string[] {
  return text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
}

describe('the metrics of a snapshot', () => {
  it('devices, engines and clients', async () => {
    const text = await exposition(snapshotWith());
    expect(linesOf(text, 'pedrera_up')).toEqual(['pedrera_up 1']);
    expect(linesOf(text, 'pedrera_device_dma_bytes_total')).toEqual([
      'pedrera_device_dma_bytes_total{device="0"} 2097152',
      'pedrera_device_dma_bytes_total{device="1"} 1048576',
    ]);
    expect(linesOf(text, 'pedrera_device_power_watts')[0]).toBe('pedrera_device_power_watts{device="0"} 102');
    expect(linesOf(text, 'pedrera_device_utilization_ratio')[0]).toBe(
      'pedrera_device_utilization_ratio{device="0"} 0.42',
    );
    expect(linesOf(text, 'pedrera_engine_wait_sync_seconds_total')[0]).toBe(
      'pedrera_engine_wait_sync_seconds_total{device="0",engine="DMA0"} 0.006',
    );
    expect(linesOf(text, 'pedrera_device_streams')).toEqual([
      'pedrera_device_streams{device="0",state="fence"} 2',
      'pedrera_device_streams{device="1",state="fence"} 1',
    ]);
    expect(linesOf(text, 'pedrera_device_oldest_submission_seconds')[1]).toBe(
      'pedrera_device_oldest_submission_seconds{device="1"} 2',
    );
    expect(linesOf(text, 'pedrera_client_engine_busy_seconds_total')[1]).toBe(
      'pedrera_client_engine_busy_seconds_total{client="2",pid="5001",program="worker-1.js",node="hl1"} 0.001',
    );
  });

  it('a histogram counts in each bucket what is in those before it', async () => {
    const text = await exposition(snapshotWith());
    const name = 'pedrera_device_submission_duration_seconds';
    const buckets = linesOf(text, `${name}_bucket`);
    expect(buckets).toHaveLength(28);
    expect(buckets.slice(0, 3)).toEqual([
      `${name}_bucket{device="0",le="0.000001"} 1`,
      `${name}_bucket{device="0",le="0.000002"} 1`,
      `${name}_bucket{device="0",le="0.000004"} 3`,
    ]);
    expect(buckets.slice(-2)).toEqual([
      `${name}_bucket{device="0",le="67.108864"} 3`,
      `${name}_bucket{device="0",le="+Inf"} 4`,
    ]);
    expect(linesOf(text, `${name}_sum`)).toEqual([`${name}_sum{device="0"} 90.000009`]);
    expect(linesOf(text, `${name}_count`)).toEqual([`${name}_count{device="0"} 4`]);
  });

  it('without a daemon there is one', async () => {
    expect((await exposition(null)).split('\n').filter((line) => line !== '' && !line.startsWith('#'))).toEqual([
      'pedrera_up 0',
    ]);
  });

  it('the name of a program cannot say anything', async () => {
    const text = await exposition(snapshotWith());
    expect(linesOf(text, 'pedrera_up')).toEqual(['pedrera_up 1']);
    expect(text).toContain('program="evil\\"} 1\\npedrera_up 7 \\\\"');
  });

  it('promtool finds nothing wrong', async ({ skip }) => {
    const text = await exposition(snapshotWith());
    const { error, status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: text,
      encoding: 'utf8',
    });
    skip((error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT', 'promtool is not installed');
    expect({ status, said: stdout + stderr }).toEqual({ status: 0, said: '' });
  });
});

describe('the table of metrics', () => {
  it.each([UP, ...METRICS])('$name', ({ name, type, help, labels }) => {
    expect(name).toMatch(/^pedrera_[a-z_]+$/);
    expect(name.endsWith('_total')).toBe(type === 'counter');
    expect(name).not.toMatch(/_(ms|ns|mib|percent|mhz|milliwatts)(_|$)/);
    expect(help).toMatch(/^[A-Z1].*\.$/);
    expect(new Set(labels).size).toBe(labels.length);
  });

  it('each is read from the crowd with the labels it says', () => {
    for (const metric of METRICS) {
      const [first] = metric.read(snapshotWith());
      expect(Object.keys(first?.labels ?? {}), metric.name).toEqual([...metric.labels]);
    }
  });

  it('the document has them all', () => {
    const text = renderMetricsMarkdown();
    for (const { name } of METRICS) expect(text).toContain(`| \`${name}\` |`);
  });
});

describe('the dashboard', () => {
  const dashboard = JSON.parse(renderDashboard()) as {
    panels: { title: string; gridPos: { x: number; y: number; w: number; h: number }; targets: { expr: string }[] }[];
    templating: { list: { query: string }[] };
  };
  const queries = [
    ...dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
    ...dashboard.templating.list.map(({ query }) => query),
  ];
  const names = new Set(
    [UP, ...METRICS].flatMap(({ name, type }) =>
      type === 'histogram' ? ['_bucket', '_sum', '_count'].map((part) => name + part) : [name],
    ),
  );

  it.each(queries)('%s', (query) => {
    const asked = query.match(/pedrera_\w+/g) ?? [];
    expect(asked.length).toBeGreaterThan(0);
    for (const name of asked) expect(names).toContain(name);
  });

  it('labels that are asked for are there', () => {
    const labels = new Set(['le', ...METRICS.flatMap((metric) => [...metric.labels])]);
    for (const query of queries) {
      const selected = [...query.matchAll(/(\w+)=~?"/g)].map(([, label]) => label);
      const grouped = [...query.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(', '));
      for (const label of [...selected, ...grouped]) expect(labels, query).toContain(label);
    }
  });

  it('no two panels lie on each other', () => {
    const cells = dashboard.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, i) => `${x + (i % w)} ${y + Math.floor(i / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    for (const { gridPos } of dashboard.panels) expect(gridPos.x + gridPos.w).toBeLessThanOrEqual(24);
  });
});
