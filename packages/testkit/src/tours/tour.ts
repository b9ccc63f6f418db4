/**
 * One tour: a daemon, a program that goes wrong, and the commands that find out why, run as they stand in the document.
 *
 * Owns: the shell they run in, asking again until what was to be seen is seen, the transcript. Must not know what goes wrong.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { CLI_PATH } from '@pedrera/cli';
import { tempDirectory } from '../temp-directory.js';
import { TestDaemon } from '../test-daemon.js';
import { TestProcess } from '../test-process.js';
import { PidNames } from './transcript.js';

const PROGRAMS = 'packages/examples/dist/tours';
const CHECKOUT = fileURLToPath(new URL('../../../../', import.meta.url));
/** What fits a document. */
const COLUMNS = '108';
/** Far more than anything takes; reached only when something is broken. */
const PATIENCE_MS = 40_000;
const PAUSE_MS = 5;

interface RunOptions {
  readonly exitCode?: number;
  /** What it prints depends on the machine: the document has to show the same `expected`, not the same text. */
  readonly varies?: boolean;
  /** Another question to the output, for what a pattern cannot ask. */
  readonly until?: (output: string) => boolean;
}

export interface Shown {
  /** As in the document: the command behind `$ `, then its output. */
  readonly transcript: string;
  readonly expected: readonly RegExp[];
  readonly varies: boolean;
}

export class Tour implements AsyncDisposable {
  readonly shown: Shown[] = [];
  readonly #directory = tempDirectory();
  readonly #daemon: TestDaemon | undefined;
  readonly #names = new PidNames();
  readonly #programs: TestProcess[] = [];

  private constructor(daemon: TestDaemon | undefined) {
    this.#daemon = daemon;
    // The shell finds what the document names: `pedrera`, and the programs by their path in the checkout.
    symlinkSync(path.join(CHECKOUT, 'packages'), this.#directory.file('packages'));
    symlinkSync(CLI_PATH, this.#directory.file('pedrera'));
  }

  /** `devices` 0: the tour's commands start their daemons themselves. */
  static async start({ devices }: { devices: number }): Promise<Tour> {
    return new Tour(devices === 0 ? undefined : await TestDaemon.start({ devices }));
  }

  get daemon(): TestDaemon {
    if (this.#daemon === undefined) throw new Error('this tour has no daemon of its own');
    return this.#daemon;
  }

  /** The program in the background, until it has said all of `expected`; returns the pids it told. */
  async program(name: string, expected: readonly RegExp[]): Promise<string[]> {
    const program = new TestProcess(this.#directory.file(`${PROGRAMS}/${name}.js`), { env: this.#env });
    this.#programs.push(program);
    await this.#seen(async () => {
      if (!program.alive) throw new Error(`${name} ended; it printed:\n${program.output}`);
      return program.output;
    }, missing(expected));
    this.#names.learn(program.output);
    this.#show(`node ${PROGRAMS}/${name}.js &`, program.output, expected);
    return [...program.output.matchAll(/\bpid (\d+)/g)].map(([, pid = '']) => pid);
  }

  /** Runs a line of the shell, again and again until its output has all of `expected`. */
  async run(command: string, expected: readonly RegExp[], options: RunOptions = {}): Promise<string> {
    const { exitCode = 0, varies = false, until = () => true } = options;
    const output = await this.#seen(
      async () => {
        const ended = await this.#shell(command);
        return ended.code === exitCode ? ended.output : `exit code ${ended.code}\n${ended.output}`;
      },
      (text) => missing(expected)(text) || (until(text) ? '' : 'what was asked of the output'),
    );
    this.#names.learn(output);
    this.#show(command, output, expected, varies);
    return output;
  }

  /** Starts a line of the shell in the background; resolves once it has said all of `expected`. */
  async background(command: string, expected: readonly RegExp[]): Promise<() => Promise<string>> {
    const child = spawn('sh', ['-c', command], { cwd: this.#directory.path, env: this.#env });
    const output = gathered(child);
    const ended = once(child, 'close');
    await this.#seen(async () => output(), missing(expected));
    this.#show(`${command} &`, output(), expected);
    return async () => {
      await ended;
      return output();
    };
  }

  /** Ends the programs; the daemon must then know of nothing that was not there before. */
  async end(): Promise<void> {
    for (const program of this.#programs.splice(0)) await program.signal('SIGTERM');
    await this.#daemon?.stop();
    const left = readdirSync(this.#directory.path).filter((name) => name.startsWith('pedrera-'));
    if (left.length > 0) throw new Error(`left behind: ${left.join(', ')}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of this.#programs) await program[Symbol.asyncDispose]();
    await this.#daemon?.[Symbol.asyncDispose]();
    this.#directory[Symbol.dispose]();
  }

  get #env(): NodeJS.ProcessEnv {
    const { PEDRERA_SOCKET: _, npm_command: __, ...env } = process.env;
    return {
      ...env,
      ...(this.#daemon === undefined ? {} : { PEDRERA_SOCKET: this.#daemon.socketPath }),
      PATH: `${this.#directory.path}:${process.env.PATH}`,
      TMPDIR: this.#directory.path,
      NO_COLOR: '1',
      COLUMNS,
    };
  }

  async #shell(command: string): Promise<{ code: number; output: string }> {
    const child = spawn('sh', ['-c', command], { cwd: this.#directory.path, env: this.#env });
    const output = gathered(child);
    const [code] = await once(child, 'close');
    return { code: code as number, output: output() };
  }

  async #seen(ask: () => Promise<string>, wrong: (output: string) => string): Promise<string> {
    const end = Date.now() + PATIENCE_MS;
    for (;;) {
      const output = await ask();
      const what = wrong(output);
      if (what === '') return output;
      if (Date.now() >= end) throw new Error(`not seen: ${what}, in:\n${output}`);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  #show(command: string, output: string, expected: readonly RegExp[], varies = false): void {
    const transcript = this.#names
      .replaceIn(`$ ${command}\n${output}`)
      .replace(/[ \t]+$/gm, '')
      .trimEnd();
    this.shown.push({ transcript, expected, varies });
  }
}

function missing(expected: readonly RegExp[]): (output: string) => string {
  return (output) => expected.find((pattern) => !pattern.test(output))?.source ?? '';
}

function gathered(child: ReturnType<typeof spawn>): () => string {
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (piece: string) => {
      text += piece;
    });
  }
  return () => text;
}
