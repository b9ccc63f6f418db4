/** Every command, in the order the help shows them. The modules listed here are data: what a command needs, its `run` imports. */
import type { Command } from '../command.js';
import { bufs } from './bufs.js';
import { daemon } from './daemon.js';
import { demo } from './demo.js';
import { ps } from './ps.js';
import { queues } from './queues.js';
import { start } from './start.js';
import { status } from './status.js';
import { stop } from './stop.js';
import { version } from './version.js';

export const COMMANDS: readonly Command[] = [start, status, stop, queues, ps, bufs, demo, daemon, version];
