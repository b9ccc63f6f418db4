/** The log of events: how many it keeps, and who hears of them. */
import { VirtualClock } from '@pedrera/base';
import { expect, it } from 'vitest';
import { EventLog } from './event-log.js';

it('keeps the last thousand, in order, with numbers that count all', () => {
  const clock = new VirtualClock(5);
  const log = new EventLog(clock);
  for (let i = 1; i <= 1003; i++) {
    log.add({ kind: 'device', severity: 'info', text: `event ${i}` });
  }
  const kept = [...log];
  expect(kept).toHaveLength(1000);
  expect(kept[0]).toEqual({ kind: 'device', severity: 'info', text: 'event 4', number: 4, timeNs: 5 });
  expect(kept.at(-1)?.number).toBe(1003);
  expect(log.count).toBe(1003);
});

it('tells a listener of what comes, until it has heard enough', () => {
  const log = new EventLog(new VirtualClock());
  const heard: string[] = [];
  log.add({ kind: 'client', severity: 'info', text: 'before' });
  const stop = log.listen(({ text }) => heard.push(text));
  log.add({ kind: 'client', severity: 'info', text: 'then' });
  stop();
  log.add({ kind: 'client', severity: 'info', text: 'after' });
  expect(heard).toEqual(['then']);
});
