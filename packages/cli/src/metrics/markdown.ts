/** docs/metrics.md, from the table of metrics. */
import { METRICS, UP } from './table.js';

const INTRODUCTION = `# Metrics

Generated from \`packages/cli/src/metrics\`; change it there, then run \`npm run docs\`.

\`\`\`
pedrera start --metrics 9464          # with the daemon, which takes them down with it
pedrera metrics --port 9464           # by themselves, of a daemon that runs
pedrera metrics --once                # once, on standard output
\`\`\`

Prometheus text on \`http://127.0.0.1:9464/metrics\`. The address is this machine's alone unless \`--metrics-host\` (\`--host\`) says otherwise;
on a loopback address requests that come under another name, or from another site's page, are refused. Every scrape takes one snapshot
of the daemon, the one that \`pedrera top\` shows: no two numbers of a scrape contradict each other. A counter that begins at zero again, because the
device was reset or the daemon is another one, is what \`rate()\` knows how to take.

[grafana-dashboard.json](grafana-dashboard.json) is a dashboard to begin with: import it in Grafana and choose the data source.

Labels: \`device\` is the device's number, \`engine\` and \`state\` are the names \`pedrera engines\` and \`pedrera queues\` show. A client is an open
file: \`client\` is the number of its connection, \`program\` the name it gave itself.

| metric | type | labels | meaning |
|---|---|---|---|
`;

const HISTOGRAM = `
The buckets of the histogram are powers of two from 1 µs to 67 s.
`;

export function renderMetricsMarkdown(): string {
  const rows = [UP, ...METRICS].map(
    ({ name, type, labels, help }) =>
      `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |\n`,
  );
  return INTRODUCTION + rows.join('') + HISTOGRAM;
}
