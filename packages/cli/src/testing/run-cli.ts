/** For tests: runs the built command as a shell would, and keeps what it said. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { CLI_PATH } from '../cli-path.js';

export interface Finished {
  readonly code: number | null;
  readonly signal: string | null;
  readonly out: string;
  readonly err: string;
}

interface Running {
  readonly child: ChildProcess;
  readonly finished: Promise<Finished>;
  /** Resolves when standard output matches; rejects when the process ends first. */
  outputMatching(pattern: RegExp): Promise<string>;
}

export function startCli(args: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
  const child = spawn(process.execPath, [CLI_PATH, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // A process group of its own, so that a test can do to it what a terminal does on Ctrl-C.
    detached: true,
    env: { ...process.env, PEDRERA_SOCKET: '', ...env },
  });
  let out = '';
  let err = '';
  const looks = new Set<() => void>();
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    for (const look of looks) look();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const finished = new Promise<Finished>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, out, err }));
  });
  const outputMatching = (pattern: RegExp) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        if (!pattern.test(out)) return;
        looks.delete(look);
        resolve(out);
      };
      looks.add(look);
      look();
      finished.then((end) => reject(new Error(`ended before ${pattern}: ${JSON.stringify(end)}`)), reject);
    });
  return { child, finished, outputMatching };
}

export function runCli(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Finished> {
  return startCli(args, env).finished;
}

/** A directory that is removed at the end of the scope. */
export function temporaryDirectory(): { readonly path: string } & Disposable {
  const directory = mkdtempSync(path.join(tmpdir(), 'pedrera-cli-'));
  return { path: directory, [Symbol.dispose]: () => rmSync(directory, { recursive: true, force: true }) };
}
