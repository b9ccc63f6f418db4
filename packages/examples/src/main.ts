/**
 * `npm run example -- NAME`: runs an example, with a daemon of its own unless PEDRERA_SOCKET names one.
 *
 * Owns: the list of examples, that daemon, and the check that the example left nothing behind in it.
 * Must not know: what an example does.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { connectDaemon } from '@pedrera/thunk';
import { EXAMPLES } from './list.js';
import { ending, nextMessage } from './support.js';

/** Four devices whose NIC ports exist: what the most demanding example takes. */
const DAEMON_OPTIONS = ['--devices', '4', '--nic-ports', '0x3ff'];
const SETTLE_MS = 10_000;

const [name = '', ...more] = process.argv.slice(2);
if (EXAMPLES[name] === undefined || more.length > 0) {
  const width = Math.max(...Object.keys(EXAMPLES).map((known) => known.length));
  console.log('npm run example -- NAME');
  for (const [known, about] of Object.entries(EXAMPLES)) console.log(`  ${known.padEnd(width)}  ${about}`);
  process.exitCode = name === '' ? 0 : 2;
} else if (process.env.PEDRERA_SOCKET !== undefined) {
  process.exitCode = await run(name);
} else {
  process.exitCode = await runPrivately(name);
}

async function run(example: string): Promise<number> {
  const file = fileURLToPath(new URL(`./${example}.js`, import.meta.url));
  const end = await ending(fork(file));
  if (end !== 0) console.error(`${example} failed (${end})`);
  return end === 0 ? 0 : 1;
}

async function runPrivately(example: string): Promise<number> {
  const directory = mkdtempSync(path.join(tmpdir(), 'pedrera-example-'));
  const socketPath = path.join(directory, 'pedrera.sock');
  let daemon: ChildProcess | undefined;
  try {
    daemon = await startDaemon(socketPath, path.join(directory, 'log'));
    process.env.PEDRERA_SOCKET = socketPath;
    const code = await run(example);
    return code === 0 ? await leftBehind(socketPath) : code;
  } finally {
    if (daemon !== undefined) {
      daemon.kill('SIGTERM');
      await ending(daemon);
    }
    rmSync(directory, { recursive: true });
  }
}

async function startDaemon(socketPath: string, log: string): Promise<ChildProcess> {
  const pedrera = fileURLToPath(new URL('../../cli/bin/pedrera.cjs', import.meta.url));
  const daemon = fork(pedrera, ['daemon', ...DAEMON_OPTIONS, '--socket', socketPath, '--log-file', log], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    env: { ...process.env, PEDRERA_EXIT_WITH_PARENT: '1' },
    // Ctrl-C ends the example; the daemon ends when this process does.
    detached: true,
  });
  const said = await nextMessage<{ readonly type: string }>(daemon);
  if (said.type !== 'ready') throw new Error(`the daemon did not start: ${JSON.stringify(said)}`);
  return daemon;
}

/** 0 once the daemon knows of no object any more; what a process held goes shortly after it. */
async function leftBehind(socketPath: string): Promise<number> {
  await using daemon = await connectDaemon({ socketPath });
  const deadline = performance.now() + SETTLE_MS;
  for (;;) {
    const { objects } = await daemon.inspectDaemon();
    const left = Object.entries(objects).filter(([, count]) => count > 0);
    if (left.length === 0) return 0;
    if (performance.now() > deadline) {
      console.error(`left behind: ${left.map(([kind, count]) => `${count} ${kind}`).join(', ')}`);
      return 1;
    }
    await delay(10);
  }
}
