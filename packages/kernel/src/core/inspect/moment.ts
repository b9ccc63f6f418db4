/**
 * The moment a snapshot shows, and how it becomes pages: what is noted at once, and what is written out later.
 *
 * Owns: the form of a chapter (rows that were noted at the moment, put into words when their page is told), the size and the time of a
 * page. Must not know any section, connections or devices.
 */
import type { Clock } from '@pedrera/base';
import type { DeviceSnapshot } from '@pedrera/hw';
import type { CallState, ClientState, Snapshot } from '@pedrera/uapi';
import type { Birth } from '../caller.js';
import type { HlDevice } from '../device.js';
import type { SharedObject } from '../dma-buf/descriptor.js';
import type { Machine } from '../machine.js';
import type { Walks } from './mappings.js';

/** A row, noted: called later, it must show the values of the moment. Notes of what can change are copies. */
export type Row<T> = () => T;

/** What the connections know, which the core does not. `pid` 0: of all processes. */
export interface ClientBooks {
  clients(pid: number): Row<ClientState>[];
  calls(pid: number): Row<CallState>[];
  /** What a process called itself; '' for one that nobody remembers. */
  programOf(pid: number): string;
  /** It is connected, or was not long ago. */
  knows(pid: number): boolean;
  descriptors(): Iterable<HeldObject>;
  files(): Iterable<OpenedFile>;
}

/** An open file of any node. */
export interface OpenedFile {
  readonly pid: number;
  readonly node: string;
  readonly device: number | null;
  readonly birth: Birth | undefined;
}

/** That somebody has a descriptor of something. */
export interface HeldObject {
  readonly object: SharedObject;
  readonly holder: 'descriptor' | 'handed-out';
  readonly pid: number;
  readonly device: number | null;
}

/** What all sections of one snapshot look at. */
export interface Moment {
  readonly machine: Machine;
  readonly nowNs: number;
  /** The devices asked for. */
  readonly devices: readonly HlDevice[];
  /** The process asked for; 0: all. */
  readonly pid: number;
  /** The address to walk; 0: none. */
  readonly address: number;
  /** The process whose waits are asked about first. */
  readonly about?: number | undefined;
  /** By the device's number; one that did not answer is missing. */
  readonly silicon: ReadonlyMap<number, DeviceSnapshot>;
  /** Where `address` leads, by walkKey(); what no device said is missing. */
  readonly walks: Walks;
  readonly books: ClientBooks;
}

export function concerns(moment: Moment, pid: number): boolean {
  return moment.pid === 0 || moment.pid === pid;
}

/** In milliseconds, to the hundredth: what documents say of times. */
export function milliseconds(ns: number): number {
  return Math.round(ns / 1e4) / 100;
}

/** Shows a row of Notes. */
type Show<T, R, O> = (object: R, owner: O, number: number) => T;

interface Run<T> {
  readonly show: Show<T, unknown, unknown>;
  readonly owner: unknown;
  readonly from: number;
}

/**
 * Rows, noted in flat lists: an object, and a number of the moment. What follows one another mostly has the same owner and is shown
 * in the same way, which is kept once. Ten thousand of them take a fraction of the time that as many functions or records would.
 */
export class Notes<T> {
  readonly #runs: Run<T>[] = [];
  readonly #objects: unknown[] = [];
  readonly #numbers: number[] = [];
  #show: unknown;
  #owner: unknown;

  get length(): number {
    return this.#objects.length;
  }

  add<R, O>(show: Show<T, R, O>, owner: O, object: R, number = 0): void {
    if (show !== this.#show || owner !== this.#owner) {
      this.#show = show;
      this.#owner = owner;
      this.#runs.push({ show: show as Show<T, unknown, unknown>, owner, from: this.#objects.length });
    }
    this.#objects.push(object);
    this.#numbers.push(number);
  }

  *[Symbol.iterator](): IterableIterator<T> {
    for (const [i, { show, owner, from }] of this.#runs.entries()) {
      const end = this.#runs[i + 1]?.from ?? this.#objects.length;
      for (let at = from; at < end; at++) {
        yield show(this.#objects[at], owner, this.#numbers[at] as number);
      }
    }
  }
}

/** Counts of one row of Notes, in its one number: each below COUNT_LIMIT, as counts of references are. */
export function packCounts(high: number, low: number): number {
  return high * COUNT_LIMIT + low;
}

export function unpackCounts(packed: number): [high: number, low: number] {
  const low = packed % COUNT_LIMIT;
  return [(packed - low) / COUNT_LIMIT, low];
}

const COUNT_LIMIT = 2 ** 26;

/** Puts noted rows into words, one as each is asked for. */
export function* inWords<T>(rows: readonly Row<T>[]): IterableIterator<T> {
  for (const row of rows) {
    yield row();
  }
}

/** A part of a section: `open` makes it be there, also when it is empty. */
export interface Chapter {
  /**
   * In words, made as they are taken: what that takes falls to the page they are on. Gone through once. What is undefined is no row:
   * only some work that was done for the next one.
   */
  readonly rows: Iterable<unknown>;
  /** Its rows have no long lists: they need not be weighed. */
  readonly light?: boolean;
  open(page: Snapshot): void;
  put(page: Snapshot, row: never): void;
}

type ListKey = Exclude<
  { [K in keyof Snapshot]-?: NonNullable<Snapshot[K]> extends readonly unknown[] ? K : never }[keyof Snapshot],
  undefined
>;
type ElementOf<K extends ListKey> = NonNullable<Snapshot[K]>[number];

/** The chapter of a section that is a plain list. */
export function listChapter<K extends ListKey>(
  key: K,
  rows: readonly Row<ElementOf<K>>[] | Iterable<ElementOf<K>>,
  { light = false } = {},
): Chapter {
  const list = (page: Snapshot): ElementOf<K>[] => {
    page[key] ??= [] as unknown as NonNullable<Snapshot[K]>;
    return page[key] as unknown as ElementOf<K>[];
  };
  return {
    rows: Array.isArray(rows) ? inWords(rows as readonly Row<ElementOf<K>>[]) : rows,
    light,
    open: (page) => void list(page),
    put: (page, row: ElementOf<K>) => void list(page).push(row),
  };
}

/** One page is written out in at most about this time, so that nobody waits for a look. */
const PAGE_NS = 0.5e6;
/** And has at most about this many bytes, so that it fits a frame with one row more. */
const PAGE_WEIGHT = 256 * 1024;
const ROWS_BETWEEN_LOOKS = 16;

/** A snapshot on its way to whoever asked. */
export class SnapshotPages {
  readonly #clock: Clock;
  readonly #head: Snapshot;
  readonly #chapters: readonly Chapter[];
  #chapter = 0;
  /** Of the chapter at hand, what is left of its rows. */
  #rows: Iterator<unknown> | undefined;
  /** Of the page that comes next; 0 when all is told. */
  #number = 0;

  /** `head` is on every page; not changed. */
  constructor(clock: Clock, head: Snapshot, chapters: readonly Chapter[]) {
    this.#clock = clock;
    this.#head = head;
    this.#chapters = chapters;
  }

  get next(): number {
    return this.#number;
  }

  page(): { snapshot: Snapshot; next: number } {
    const page: Snapshot = { ...this.#head };
    const startedNs = this.#clock.nowNs();
    let weight = 0;
    let rows = 0;
    for (; this.#chapter < this.#chapters.length; this.#chapter++, this.#rows = undefined) {
      const chapter = this.#chapters[this.#chapter] as Chapter;
      chapter.open(page);
      this.#rows ??= chapter.rows[Symbol.iterator]();
      for (let row = this.#rows.next(); row.done !== true; row = this.#rows.next()) {
        if (row.value !== undefined) {
          chapter.put(page, row.value as never);
          weight += chapter.light === true ? ROW_WEIGHT : weigh(row.value);
        }
        const looks = row.value === undefined || ++rows % ROWS_BETWEEN_LOOKS === 0;
        const over = looks && this.#clock.nowNs() - startedNs > PAGE_NS;
        if (over || weight > PAGE_WEIGHT) {
          this.#number++;
          return { snapshot: page, next: this.#number };
        }
      }
    }
    this.#number = 0;
    return { snapshot: page, next: 0 };
  }
}

/** Bytes of a row on the wire without its lists, and of an element of one: on the safe side. */
const ROW_WEIGHT = 600;
const ELEMENT_WEIGHT = 250;

/** About the bytes of a row on the wire; quick rather than right. */
function weigh(row: unknown): number {
  let sum = ROW_WEIGHT;
  for (const value of Object.values(row as object)) {
    if (Array.isArray(value)) {
      sum += value.length * ELEMENT_WEIGHT;
    } else if (typeof value === 'string') {
      sum += value.length;
    }
  }
  return sum;
}
