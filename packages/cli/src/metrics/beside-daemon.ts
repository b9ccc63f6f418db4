/**
 * The exporter of a daemon that was started with --metrics: a process of its own, so that a scrape takes nothing of the daemon's thread
 * but the snapshot.
 *
 * Owns: that process from its start to its end. Must not know: the metrics.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { EXIT_WITH_PARENT, READY_DESCRIPTOR } from '../background/messages.js';
import { CLI_PATH } from '../cli-path.js';
import { CliError, deviceError } from '../exit.js';
import type { Address } from '../http/address.js';
import { isExporterMessage } from './messages.js';

export interface Exporter {
  readonly url: string;
  /** Resolves when it has ended, with how. */
  readonly ended: Promise<string>;
  close(): Promise<void>;
}

/** Throws what the exporter says when it cannot begin. */
export async function startExporter(socketPath: string, { host, port }: Address): Promise<Exporter> {
  const args = ['metrics', '--port', String(port), '--host', host, '--socket', socketPath];
  const child = spawn(process.execPath, [CLI_PATH, ...args], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    // Ctrl-C is for the daemon, which ends this one.
    detached: true,
    env: { ...process.env, [EXIT_WITH_PARENT]: '1', [READY_DESCRIPTOR]: undefined },
  });
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
  });
  const url = await serving(child, ended);
  // It must not keep the daemon's process alive; it ends when the channel does.
  child.unref();
  child.channel?.unref();
  const close = async () => {
    if (child.connected) child.disconnect();
    await ended;
  };
  return { url, ended, close };
}

async function serving(child: ChildProcess, ended: Promise<string>): Promise<string> {
  const first = await Promise.race([
    new Promise<unknown>((resolve) => child.once('message', resolve)),
    ended.then((how) => ({ type: 'ended', how })),
  ]);
  if (!isExporterMessage(first) || (first.type !== 'serving' && first.type !== 'failed')) {
    throw deviceError(`the metrics server ended before it began (${await ended})`);
  }
  if (first.type === 'failed') {
    const { exitCode, code, message } = first.failure;
    throw new CliError({ exitCode, code, message: `--metrics: ${message}` });
  }
  return first.url;
}
