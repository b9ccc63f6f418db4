/** Every command, grouped by what one wants, in the order the help shows them. The modules listed here are data: what a command needs, its `run` imports. */
import type { Command, CommandGroup } from '../command.js';
import { bufs } from './bufs.js';
import { cat } from './cat.js';
import { completion } from './completion.js';
import { cs } from './cs.js';
import { daemon } from './daemon.js';
import { demo } from './demo.js';
import { doctor } from './doctor.js';
import { engines } from './engines.js';
import { env } from './env.js';
import { events } from './events.js';
import { explore } from './explore.js';
import { inject } from './inject.js';
import { leaks } from './leaks.js';
import { ls } from './ls.js';
import { manual } from './manual.js';
import { mem } from './mem.js';
import { metrics } from './metrics.js';
import { ps } from './ps.js';
import { queues } from './queues.js';
import { run } from './run.js';
import { smi } from './smi.js';
import { start } from './start.js';
import { status } from './status.js';
import { stop } from './stop.js';
import { strace } from './strace.js';
import { top } from './top.js';
import { trace } from './trace.js';
import { version } from './version.js';
import { vm } from './vm.js';
import { web } from './web.js';
import { why } from './why.js';
import { write } from './write.js';

export const COMMAND_GROUPS: readonly CommandGroup[] = [
  { title: 'Daemon', commands: [start, status, stop, daemon] },
  { title: 'Programs', commands: [run, env, demo] },
  { title: 'What is going on', commands: [why, top, ps, queues, cs, engines, smi, web, metrics] },
  { title: 'What happened', commands: [events, strace, trace] },
  { title: 'Memory', commands: [mem, vm, bufs, leaks] },
  { title: "The driver's files", commands: [ls, cat, write] },
  { title: 'Trouble on purpose', commands: [inject, explore] },
  { title: 'This command', commands: [doctor, completion, manual, version] },
];

export const COMMANDS: readonly Command[] = COMMAND_GROUPS.flatMap(({ commands }) => commands);
