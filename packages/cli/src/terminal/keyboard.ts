/**
 * Keys, one by one, by name.
 *
 * Owns: raw input, and that it is put back; which bytes are which key. Must not know: what a key is for.
 */
import type { ReadStream } from 'node:tty';

const NAMED: readonly (readonly [string, string])[] = [
  ['\u001b[A', 'up'],
  ['\u001b[B', 'down'],
  ['\u001bOA', 'up'],
  ['\u001bOB', 'down'],
  ['\u001b[5~', 'page-up'],
  ['\u001b[6~', 'page-down'],
  ['\u001b[H', 'home'],
  ['\u001b[1~', 'home'],
  ['\u0003', 'ctrl-c'],
  ['\u0004', 'ctrl-c'],
  ['\u001a', 'ctrl-z'],
  ['\r', 'enter'],
  ['\n', 'enter'],
  ['\u007f', 'backspace'],
  ['\b', 'backspace'],
];
/** A sequence of a key that has no name here. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what such sequences are made of
const UNKNOWN = /^\u001b(\[[0-9;?]*[A-Za-z~]|O[A-Za-z])/;

/** What a person typed, as names: letters as they are, the others as `up`, `escape`, `ctrl-c`. */
export function keysOf(text: string): string[] {
  const keys: string[] = [];
  for (let rest = text; rest !== ''; ) {
    const named = NAMED.find(([bytes]) => rest.startsWith(bytes));
    const unknown = UNKNOWN.exec(rest);
    if (named !== undefined) keys.push(named[1]);
    else if (unknown === null)
      keys.push(rest.startsWith('\u001b') ? 'escape' : String.fromCodePoint(rest.codePointAt(0) ?? 0));
    const used = named?.[0] ?? unknown?.[0] ?? String.fromCodePoint(rest.codePointAt(0) ?? 0);
    rest = rest.slice(used.length);
  }
  return keys.filter((key) => key.length > 1 || key >= ' ');
}

export class Keyboard {
  readonly #input: ReadStream | NodeJS.ReadStream;
  readonly #onData: (chunk: Buffer) => void;

  constructor(input: ReadStream | NodeJS.ReadStream, onKey: (key: string) => void) {
    this.#input = input;
    this.#onData = (chunk) => {
      for (const key of keysOf(chunk.toString('utf8'))) onKey(key);
    };
    this.open();
  }

  open(): void {
    if (this.#input.isTTY !== true) return;
    this.#input.setRawMode(true);
    this.#input.on('data', this.#onData);
    this.#input.resume();
  }

  close(): void {
    if (this.#input.isTTY !== true) return;
    this.#input.off('data', this.#onData);
    this.#input.setRawMode(false);
    this.#input.pause();
  }
}
