/**
 * Where results and failures go: one interface, as text for people and as JSON for programs.
 *
 * Owns: the streams a command may write to, and the shape of an error on them.
 * Must not know: any single command. Commands never write to process.stdout themselves.
 */
import type { Failure } from './exit.js';
import type { Style } from './text/style.js';

export type Render<T> = (document: T, style: Style) => string;

export interface Output {
  readonly kind: 'text' | 'json';
  /** A whole answer. The JSON side prints the document as it is, in one line; the text side renders it. */
  result<T>(document: T, render: Render<T>): void;
  /** A file: the text side prints its bytes as they are, the JSON side the document. */
  file<T>(document: T, bytes: Uint8Array): void;
  /** A sentence about progress, for people only. */
  say(text: string): void;
  /** What is told beside the output of a program that uses the same terminal; on the error stream. */
  aside(text: string): void;
  /** The one failure a command ends with; on the error stream. */
  failure(failure: Failure): void;
}

export interface Streams {
  out(text: string | Uint8Array): void;
  err(text: string): void;
}

export class TextOutput implements Output {
  readonly kind = 'text';
  readonly #streams: Streams;
  readonly style: Style;

  constructor(streams: Streams, style: Style) {
    this.#streams = streams;
    this.style = style;
  }

  result<T>(document: T, render: Render<T>): void {
    this.#streams.out(`${render(document, this.style)}\n`);
  }

  file<T>(_: T, bytes: Uint8Array): void {
    this.#streams.out(bytes);
  }

  say(text: string): void {
    this.#streams.out(`${text}\n`);
  }

  aside(text: string): void {
    this.#streams.err(`${text}\n`);
  }

  failure(failure: Failure): void {
    this.#streams.err(`pedrera: ${failure.message}\n`);
    if (failure.hint !== undefined) this.#streams.err(`${failure.hint}\n`);
    if (failure.stack !== undefined) this.#streams.err(`${failure.stack}\n`);
  }
}

export class JsonOutput implements Output {
  readonly kind = 'json';
  readonly #streams: Streams;

  constructor(streams: Streams) {
    this.#streams = streams;
  }

  result<T>(document: T): void {
    this.#streams.out(`${JSON.stringify(document)}\n`);
  }

  file<T>(document: T): void {
    this.result(document);
  }

  say(): void {}

  aside(text: string): void {
    this.#streams.err(`${text}\n`);
  }

  failure(failure: Failure): void {
    const { exitCode, code, message, hint, stack } = failure;
    this.#streams.err(`${JSON.stringify({ schema: 'pedrera.error/1', exitCode, code, message, hint, stack })}\n`);
  }
}
