/** For tests: the parent's side of command-server.ts. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { CommandReply, CommandRequest } from './command-server.js';

/** Built JavaScript, as everything tests start. */
const SERVER = fileURLToPath(new URL('../../dist/testing/command-server.js', import.meta.url));
/** What a pipe gets. */
const WIDE = 200;

export class CommandRunner implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<CommandReply>>();
  #last = 0;

  constructor() {
    this.#child = fork(SERVER, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child.on('message', (reply: CommandReply) => {
      this.#waiting.get(reply.id)?.resolve(reply);
      this.#waiting.delete(reply.id);
    });
    this.#child.on('exit', (code) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`the command server ended with ${code}`));
    });
  }

  run(args: readonly string[], width = WIDE): Promise<CommandReply> {
    const id = ++this.#last;
    const answer = newPromise<CommandReply>();
    this.#waiting.set(id, answer);
    this.#child.send({ id, args, env: {}, width } satisfies CommandRequest);
    return answer.promise;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((resolve) => this.#child.once('exit', resolve));
    this.#child.disconnect();
    await ended;
  }
}

interface PromiseWithResolvers<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

function newPromise<T>(): PromiseWithResolvers<T> {
  let settle: Omit<PromiseWithResolvers<T>, 'promise'> | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, ...(settle as Omit<PromiseWithResolvers<T>, 'promise'>) };
}
