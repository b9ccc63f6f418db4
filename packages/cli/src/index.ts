/** @pedrera/cli: the `pedrera` command. Other packages may run it, and render its documentation. */
export { CLI_PATH } from './cli-path.js';
export { renderCliMarkdown } from './markdown.js';
