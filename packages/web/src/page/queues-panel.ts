/** The table of streams; a blocked one can be asked why. Owns: its rows. */
import { keepList, make, setText } from './dom.js';
import { formatCount, formatDuration } from './format.js';
import type { LiveQueue } from './protocol.js';

export type AskWhy = (queue: LiveQueue) => void;

interface RowParts {
  queue: LiveQueue;
  readonly cells: Readonly<
    Record<'name' | 'who' | 'state' | 'seq' | 'jobs' | 'age' | 'what' | 'ask', HTMLTableCellElement>
  >;
  readonly program: HTMLElement;
  readonly pid: HTMLElement;
  readonly reason: HTMLElement;
  readonly packet: HTMLElement;
  readonly button: HTMLButtonElement;
}

const partsOf = new WeakMap<Element, RowParts>();

export function showQueues(body: Element, queues: readonly LiveQueue[], ask: AskWhy): void {
  keepList(body, queues, {
    key: ({ device, name, asid, state, seq }) => `${device} ${name} ${asid} ${state === 'held' ? seq : ''}`,
    make: (queue) => makeRow(queue, ask),
    update: updateRow,
  });
}

function makeRow(queue: LiveQueue, ask: AskWhy): HTMLTableRowElement {
  const button = make('button', { type: 'button', text: 'why' });
  const [program, pid] = [make('span'), make('span', { class: 'pid' })];
  const [reason, packet] = [make('span'), make('span', { class: 'packet' })];
  const cells = {
    name: make('td', { class: 'name' }),
    who: make('td', { class: 'who' }, [pid, program]),
    state: make('td', { class: 'state' }),
    seq: make('td', { class: 'number roomy' }),
    jobs: make('td', { class: 'number roomy' }),
    age: make('td', { class: 'number' }),
    what: make('td', { class: 'what' }, [reason, packet]),
    ask: make('td', { class: 'ask' }, [button]),
  };
  const row = make('tr', {}, Object.values(cells));
  partsOf.set(row, { queue, cells, program, pid, reason, packet, button });
  // The whole row for the mouse; the button in it for the keyboard and for who cannot see the row.
  row.addEventListener('click', () => {
    const now = partsOf.get(row)?.queue;
    if (now !== undefined && now.blocked !== null && getSelection()?.isCollapsed !== false) ask(now);
  });
  return row;
}

function updateRow(row: HTMLTableRowElement, queue: LiveQueue): void {
  const own = partsOf.get(row);
  if (own === undefined) return;
  own.queue = queue;
  const { cells, button } = own;
  const { device, name, pid, program, state, seq, blocked, head, waiting, oldestMs } = queue;
  row.className =
    state === 'hung' || state === 'stopped' ? 'broken' : blocked !== null ? 'blocked' : state === 'idle' ? 'idle' : '';
  setText(cells.name, `hl${device} ${name}`);
  setText(own.pid, `${pid ?? '-'} `);
  setText(own.program, program);
  cells.who.title = program;
  setText(cells.state, blocked !== null && state === 'fence' ? 'blocked' : state);
  setText(cells.seq, seq === null ? '-' : String(seq));
  setText(cells.jobs, formatCount(waiting));
  setText(cells.age, oldestMs === null ? '-' : formatDuration(oldestMs));
  setText(own.reason, blocked ?? '');
  setText(own.packet, blocked === null ? (head ?? '') : '');
  button.hidden = blocked === null;
  button.setAttribute('aria-label', `why is ${name} of device ${device}, pid ${pid}, blocked`);
}
