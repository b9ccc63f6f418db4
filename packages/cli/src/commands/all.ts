/** Every command, in the order the help shows them. The modules listed here are data: what a command needs, its `run` imports. */
import type { Command } from '../command.js';
import { bufs } from './bufs.js';
import { cat } from './cat.js';
import { daemon } from './daemon.js';
import { demo } from './demo.js';
import { doctor } from './doctor.js';
import { env } from './env.js';
import { explore } from './explore.js';
import { inject } from './inject.js';
import { ls } from './ls.js';
import { ps } from './ps.js';
import { queues } from './queues.js';
import { run } from './run.js';
import { start } from './start.js';
import { status } from './status.js';
import { stop } from './stop.js';
import { version } from './version.js';
import { write } from './write.js';

export const COMMANDS: readonly Command[] = [
  start,
  status,
  stop,
  run,
  env,
  doctor,
  queues,
  ps,
  bufs,
  ls,
  cat,
  write,
  inject,
  explore,
  demo,
  daemon,
  version,
];
