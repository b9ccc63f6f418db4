/** Where the preload library is, and what it is made of. Owns the paths; must not know how it is built. */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const SOURCE = new URL('../src/', import.meta.url);

/** The library. Not there on a machine without a C compiler. */
export const SHIM_LIBRARY: string = fileURLToPath(new URL('../dist/libpedrera_shim.so', import.meta.url));

/** The header that is generated from the table, for the compiler to find. */
export const SHIM_TABLES: string = fileURLToPath(new URL('../dist/tables.generated.h', import.meta.url));

/** The C files, in the order of their names. */
export const SHIM_SOURCES: readonly string[] = readdirSync(SOURCE)
  .filter((name) => name.endsWith('.c'))
  .sort()
  .map((name) => fileURLToPath(new URL(name, SOURCE)));
