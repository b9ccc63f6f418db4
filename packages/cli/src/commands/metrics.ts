/** `pedrera metrics`, as data. What it does is loaded when it runs. */
import { defineCommand, flag, integer } from '../command.js';
import { DEFAULT_METRICS_PORT, metricsHost } from './daemon-options.js';
import { jsonOption } from './inspection-options.js';

export const metrics = defineCommand({
  name: 'metrics',
  summary: "serve the daemon's counters for Prometheus",
  details:
    'Serves http://127.0.0.1:PORT/metrics until Ctrl-C: counters, gauges and histograms of devices, engines and clients (docs/metrics.md). `pedrera start --metrics PORT` does the same together with the daemon.',
  options: {
    port: integer({
      metavar: 'port',
      summary: 'where to listen; 0 for any free port',
      min: 0,
      max: 65_535,
      initial: DEFAULT_METRICS_PORT,
    }),
    host: metricsHost('address to listen on: another than this machine lets others read them'),
    once: flag('print them once, and end'),
    json: jsonOption,
  },
  example: {
    line: 'pedrera metrics --once | promtool check metrics',
    meaning: 'Prints what Prometheus would see, for its own checker.',
  },
  async run(context, options) {
    const { runMetrics } = await import('../metrics/run.js');
    return runMetrics(context, options);
  },
});
