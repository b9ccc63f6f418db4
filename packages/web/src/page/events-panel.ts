/** The list of events, newest first. Owns: how many are kept. */
import type { EventState } from '@pedrera/uapi';
import { make } from './dom.js';

const KEPT = 200;

export function addEvents(list: Element, events: readonly EventState[]): void {
  for (const event of events) list.prepend(makeEvent(event));
  while (list.childElementCount > KEPT) list.lastElementChild?.remove();
}

function makeEvent({ ageMs, severity, device, pid, queue, kind, text }: EventState): HTMLLIElement {
  const at = new Date(Date.now() - ageMs);
  const where = [
    ...(device === null ? [] : [`hl${device}`]),
    ...(queue === null ? [] : [queue]),
    ...(pid === null ? [] : [`pid ${pid}`]),
  ];
  return make('li', { 'data-severity': severity }, [
    make('time', { datetime: at.toISOString(), text: at.toLocaleTimeString(undefined, { hour12: false }) }),
    make('span', { class: 'severity', text: severity }),
    make('span', { class: 'text' }, [
      make('span', { class: 'where', text: `${[kind, ...where].join(' ')}: ` }),
      make('span', { text }),
    ]),
  ]);
}
