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
type Show<T, R, O> = (object: R, owner: O, a: number, b: number, c: number) => T;

/**
 * Rows, noted in flat lists: an object, what it belongs to, and up to three numbers of the moment. Ten thousand of them take a
 * fraction of the time that as many functions would.
 */
export class Notes<T> {
  readonly #shows: Show<T, never, never>[] = [];
  readonly #objects: unknown[] = [];
  readonly #owners: unknown[] = [];
  readonly #numbers: number[] = [];

  get length(): number {
    return this.#shows.length;
  }

  add<R, O>(show: Show<T, R, O>, object: R, owner: O, a = 0, b = 0, c = 0): void {
    this.#shows.push(show as unknown as Show<T, never, never>);
    this.#objects.push(object);
    this.#owners.push(owner);
    this.#numbers.push(a, b, c);
  }

  row(i: number): T {
    const numbers = this.#numbers;
    const show = this.#shows[i] as Show<T, never, never>;
    const [object, owner] = [this.#objects[i] as never, this.#owners[i] as never];
    return show(object, owner, numbers[3 * i] ?? 0, numbers[3 * i + 1] ?? 0, numbers[3 * i + 2] ?? 0);
  }
}

/** A part of a section: `open` makes it be there, also when it is empty. */
export interface Chapter {
  readonly rows: readonly Row<unknown>[] | Notes<unknown>;
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
  rows: readonly Row<ElementOf<K>>[] | Notes<ElementOf<K>>,
  { light = false } = {},
): Chapter {
  const list = (page: Snapshot): ElementOf<K>[] => {
    page[key] ??= [] as unknown as NonNullable<Snapshot[K]>;
    return page[key] as unknown as ElementOf<K>[];
  };
  return { rows, light, open: (page) => void list(page), put: (page, row: ElementOf<K>) => void list(page).push(row) };
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
  #row = 0;
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
    for (; this.#chapter < this.#chapters.length; this.#chapter++, this.#row = 0) {
      const chapter = this.#chapters[this.#chapter] as Chapter;
      chapter.open(page);
      while (this.#row < chapter.rows.length) {
        const row = rowAt(chapter, this.#row++);
        chapter.put(page, row as never);
        weight += chapter.light === true ? ROW_WEIGHT : weigh(row);
        const over = ++rows % ROWS_BETWEEN_LOOKS === 0 && this.#clock.nowNs() - startedNs > PAGE_NS;
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

function rowAt({ rows }: Chapter, i: number): unknown {
  return rows instanceof Notes ? rows.row(i) : (rows[i] as Row<unknown>)();
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
