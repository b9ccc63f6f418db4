/** How a snapshot becomes pages: all of it, in order, as it was, and never too much at once. */
import { VirtualClock } from '@pedrera/base';
import type { EventState, Snapshot } from '@pedrera/uapi';
import { expect, it } from 'vitest';
import { type Chapter, listChapter, Notes, packCounts, SnapshotPages, unpackCounts } from './moment.js';

const HEAD = { schema: 'pedrera.snapshot/1', timeNs: 1 } as Snapshot;

function event(number: number, text = ''): EventState {
  return { number, text } as EventState;
}

function tell(clock: VirtualClock, chapters: Chapter[]): Snapshot[] {
  const pages = new SnapshotPages(clock, HEAD, chapters);
  const told: Snapshot[] = [];
  for (;;) {
    const { snapshot, next } = pages.page();
    told.push(snapshot);
    expect(next).toBe(pages.next);
    if (next === 0) {
      return told;
    }
    expect(next).toBe(told.length);
  }
}

it('nothing to tell is one page, with an empty list for what was asked', () => {
  expect(tell(new VirtualClock(), [listChapter('events', [])])).toEqual([{ ...HEAD, events: [] }]);
});

it('many rows are several pages, each with the head, and no row is lost or told twice', () => {
  const rows = Array.from({ length: 3000 }, (_, i) => () => event(i));
  const pages = tell(new VirtualClock(), [listChapter('events', rows), listChapter('calls', [])]);
  expect(pages.length).toBeGreaterThan(3);
  expect(pages.flatMap(({ events = [] }) => events.map(({ number }) => number))).toEqual(rows.map((_, i) => i));
  expect(pages.every(({ timeNs }) => timeNs === 1)).toBe(true);
  expect(pages.at(-1)?.calls).toEqual([]);
});

it('a page ends when its time is over', () => {
  const clock = new VirtualClock();
  const slow = Array.from({ length: 64 }, (_, i) => () => {
    clock.advance(0.1e6);
    return event(i);
  });
  const pages = tell(clock, [listChapter('events', slow)]);
  expect(pages.map(({ events }) => events?.length)).toEqual([16, 16, 16, 16, 0]);
});

it('a long row ends its page', () => {
  const rows = [1, 2, 3].map((i) => () => event(i, 'x'.repeat(200_000)));
  expect(tell(new VirtualClock(), [listChapter('events', rows)]).map(({ events }) => events?.length)).toEqual([2, 1]);
});

it('notes show each object with its owner and the number it had', () => {
  const notes = new Notes<EventState>();
  const show = (_: typeof counter, base: number, count: number) => event(base + count);
  const counter = { count: 1 };
  notes.add(show, 10, counter, counter.count);
  notes.add(show, 20, counter, counter.count);
  counter.count = 5;
  notes.add(show, 20, counter, counter.count);
  expect(notes.length).toBe(3);
  expect(tell(new VirtualClock(), [listChapter('events', notes)])[0]?.events).toEqual(
    [11, 21, 25].map((n) => event(n)),
  );
});

it('a page puts no more rows into words than it tells', () => {
  let made = 0;
  const notes = new Notes<EventState>();
  for (let i = 0; i < 3000; i++) {
    notes.add((number: number) => event(number + 0 * made++), undefined, i);
  }
  const pages = new SnapshotPages(new VirtualClock(), HEAD, [listChapter('events', notes)]);
  expect(made).toBe(0);
  const first = pages.page().snapshot.events ?? [];
  expect(made).toBe(first.length);
  const second = pages.page().snapshot.events ?? [];
  expect(made).toBe(first.length + second.length);
  expect(made).toBeLessThan(3000);
});

it('two counts go into one number and come back', () => {
  const pairs: [number, number][] = [
    [0, 0],
    [1, 0],
    [0, 1],
    [2 ** 26 - 1, 2 ** 26 - 1],
  ];
  for (const counts of pairs) {
    expect(unpackCounts(packCounts(...counts))).toEqual(counts);
  }
});
