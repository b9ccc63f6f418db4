/** @pedrera/cli: the `pedrera` command. Other packages may run it, and render its documentation. */
export { CLI_PATH } from './cli-path.js';
export { renderSupportMarkdown, type SupportEntry, type SupportMatrix, supportMatrix } from './doctor/support.js';
export { renderCliMarkdown } from './markdown.js';
