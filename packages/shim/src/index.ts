/** @pedrera/shim: the preload library, and the header it is compiled with. */
export { SHIM_LIBRARY, SHIM_SOURCES } from './places.js';
export { renderTables } from './tables.js';
