/** @pedrera/cli: the `pedrera` command. Other packages may run it, and render its documentation. */
export { CLI_PATH } from './cli-path.js';
export { renderSupportMarkdown, type SupportEntry, type SupportMatrix, supportMatrix } from './doctor/support.js';
export { renderCliManual, renderCliMarkdown } from './markdown.js';
export { renderDashboard } from './metrics/dashboard.js';
export { renderMetricsMarkdown } from './metrics/markdown.js';
export { type ShimOptions, shimVariables } from './run/environment.js';
