/** Where the command is, for whoever starts it as a process of its own. */
import { fileURLToPath } from 'node:url';

/** The file to give to Node: `node CLI_PATH queues --json`. */
export const CLI_PATH: string = fileURLToPath(new URL('../bin/pedrera.cjs', import.meta.url));
