/**
 * What programs tell each other beside the driver: a token handed over, "I am ready". Being heard is a move of its own.
 *
 * Owns: values on their way. Must not know what they mean.
 */
import { type Move, RANK } from './move.js';

export class Box<T> {
  readonly #name: string;
  readonly #values: { readonly value: T }[] = [];
  readonly #listeners: ((value: T) => void)[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  /** One listener gets it. */
  put(value: T): void {
    this.#values.push({ value });
  }

  take(): Promise<T> {
    return new Promise((resolve) => this.#listeners.push(resolve));
  }

  get listeners(): number {
    return this.#listeners.length;
  }

  moves(into: Move[]): void {
    if (this.#values.length > 0 && this.#listeners.length > 0) {
      into.push({
        key: `w.${this.#name}`,
        rank: RANK.word,
        settles: true,
        describe: () => `"${this.#name}" is heard`,
        run: () => {
          const { value } = this.#values.shift() as { value: T };
          (this.#listeners.shift() as (value: T) => void)(value);
        },
      });
    }
  }
}
