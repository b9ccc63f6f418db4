/**
 * A daemon for the demo alone, in a directory of its own.
 *
 * Owns: the directory, the daemon process, and that neither is left behind.
 * Must not know: what the demo does with it.
 */
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { launchDaemon, logTail } from '../background/launch.js';
import { deviceError } from '../exit.js';

/** Room that is left for the directory's and the socket's own names in a socket path (unix(7): 107 bytes). */
const MAX_PARENT_BYTES = 80;
const END_TIMEOUT_MS = 5_000;

export class PrivateDaemon {
  readonly socketPath: string;
  readonly pid: number;
  readonly #directory: string;
  readonly #child: ChildProcess;
  readonly #ended: Promise<string>;

  private constructor(directory: string, child: ChildProcess) {
    this.#directory = directory;
    this.#child = child;
    this.socketPath = socketIn(directory);
    this.pid = child.pid ?? 0;
    this.#ended = new Promise((resolve) => {
      if (child.exitCode !== null || child.signalCode !== null)
        resolve(child.signalCode ?? `exit code ${child.exitCode}`);
      else child.once('exit', (code, signal) => resolve(signal ?? `exit code ${code}`));
    });
  }

  static async start(devices: number): Promise<PrivateDaemon> {
    const directory = mkdtempSync(path.join(directoryForDirectories(), 'pedrera-demo-'));
    try {
      const child = await launchDaemon({
        socketPath: socketIn(directory),
        devices,
        policy: 'shared',
        logLevel: 'info',
        logPath: logIn(directory),
        lifetime: 'ours',
      });
      return new PrivateDaemon(directory, child);
    } catch (error) {
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** Ends the daemon and removes the directory. Throws if the daemon did not end as it should. */
  async stop(): Promise<void> {
    try {
      this.#child.kill('SIGTERM');
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), END_TIMEOUT_MS);
      const ending = await this.#ended;
      clearTimeout(timer);
      if (ending !== 'exit code 0')
        throw deviceError(`the daemon ended with ${ending}${logTail(logIn(this.#directory))}`);
    } finally {
      rmSync(this.#directory, { recursive: true, force: true });
    }
  }
}

function socketIn(directory: string): string {
  return path.join(directory, 'pedrera.sock');
}

function logIn(directory: string): string {
  return path.join(directory, 'daemon.log');
}

function directoryForDirectories(): string {
  return Buffer.byteLength(tmpdir()) <= MAX_PARENT_BYTES ? tmpdir() : '/tmp';
}
