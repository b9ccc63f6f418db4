/** Which build this is, as HELLO and the CLI show it. */
import { createRequire } from 'node:module';

const manifest = createRequire(import.meta.url)('../../package.json') as { version: string };

export const BUILD = manifest.version;
