/**
 * Registers that are nothing but memory: a word reads what was last written, at first 0. Sparse: 4 KiB pages, made when a
 * word of theirs is first given a value. Knows no register's meaning.
 */

const PAGE_SHIFT = 12;
const PAGE_WORDS = 1024;
const PAGE_MASK = 0xfff;

export class RegisterFile {
  readonly #pages = new Map<number, Uint32Array>();

  /** Precondition, as of write(): `offset` is a multiple of 4. */
  read(offset: number): number {
    return this.#pages.get(offset >>> PAGE_SHIFT)?.[(offset & PAGE_MASK) >>> 2] ?? 0;
  }

  write(offset: number, value: number): void {
    let page = this.#pages.get(offset >>> PAGE_SHIFT);
    if (page === undefined) {
      if (value === 0) return;
      page = new Uint32Array(PAGE_WORDS);
      this.#pages.set(offset >>> PAGE_SHIFT, page);
    }
    page[(offset & PAGE_MASK) >>> 2] = value;
  }

  get pages(): number {
    return this.#pages.size;
  }

  clear(): void {
    this.#pages.clear();
  }
}
