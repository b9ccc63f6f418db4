/** @pedrera/examples: programs, each in a file of its own; `npm run example` lists and runs them. */
export { EXAMPLES } from './list.js';
