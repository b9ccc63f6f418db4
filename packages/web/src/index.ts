/** @pedrera/web: the live page. Its server needs to know where its files are, and what goes over the connection. */
export * from './page/protocol.js';

/** What the server hands out: `*.html`, `*.css` and `*.svg` of the one directory, `*.js` of the other. Nothing has to be copied or bundled. */
export const PAGE_FILES: URL = new URL('../page/', import.meta.url);
export const PAGE_SCRIPTS: URL = new URL('./page/', import.meta.url);
