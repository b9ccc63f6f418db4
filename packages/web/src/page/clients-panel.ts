/** The table of open files with bars for engines and memory. Owns: its rows. */
import { keepList, make, setText, setWidth } from './dom.js';
import { formatCount, formatSize } from './format.js';
import type { LiveClient } from './protocol.js';

const partsOf = new WeakMap<Element, ReturnType<typeof rowParts>>();

/** Of the engines' bar: all of one engine is half of it, so that several show. */
const ENGINES_SHOWN = 2;

export function showClients(body: Element, clients: readonly LiveClient[]): void {
  const most = Math.max(1, ...clients.map(({ hbmBytes }) => hbmBytes));
  keepList(body, clients, {
    key: ({ pid, node, asid }) => `${pid} ${node} ${asid}`,
    make: makeRow,
    update: (row, client) => updateRow(row, client, most),
  });
}

function rowParts() {
  return {
    pid: make('span', { class: 'pid' }),
    program: make('span'),
    busy: make('span', { class: 'busy-part' }),
    sync: make('span', { class: 'sync-part' }),
    waits: make('span', { class: 'memory-part' }),
    memory: make('span', { class: 'busy-part' }),
    bytes: make('span', { class: 'number' }),
    who: make('td', { class: 'who' }),
    node: make('td', { class: 'name' }),
    share: make('td', { class: 'share' }),
    host: make('td', { class: 'number roomy' }),
    rate: make('td', { class: 'number' }),
    flight: make('td', { class: 'number roomy' }),
    faults: make('td', { class: 'number roomy' }),
  };
}

function makeRow(): HTMLTableRowElement {
  const own = rowParts();
  const bar = (children: Node[]) => make('div', { class: 'bar', 'aria-hidden': 'true' }, children);
  own.who.append(own.pid, own.program);
  own.share.append(bar([own.busy, own.sync, own.waits]));
  const memory = make('td', {}, [make('div', { class: 'amount' }, [bar([own.memory]), own.bytes])]);
  const row = make('tr', {}, [own.who, own.node, own.share, memory, own.host, own.rate, own.flight, own.faults]);
  partsOf.set(row, own);
  return row;
}

function updateRow(row: HTMLElement, client: LiveClient, most: number): void {
  const own = partsOf.get(row);
  if (own === undefined) return;
  const { pid, program, node, busy, waitSync, waitMemory, hbmBytes, hbmPercent } = client;
  setText(own.pid, `${pid} `);
  setText(own.program, program);
  own.who.title = program;
  setText(own.node, node);
  const total = Math.max(100 * ENGINES_SHOWN, busy + waitSync + waitMemory);
  setWidth(own.busy, (busy * 100) / total);
  setWidth(own.sync, (waitSync * 100) / total);
  setWidth(own.waits, (waitMemory * 100) / total);
  const shares = `engines: ${busy.toFixed(0)}% of one busy, ${waitSync.toFixed(0)}% waiting on sync, ${waitMemory.toFixed(0)}% on memory`;
  own.share.title = shares;
  own.share.setAttribute('aria-label', shares);
  setWidth(own.memory, (hbmBytes * 100) / most);
  setText(own.bytes, formatSize(hbmBytes));
  own.bytes.title = `${hbmPercent.toFixed(2)}% of the device's; the bar is relative to the largest shown`;
  setText(own.host, formatSize(client.hostBytes));
  setText(own.rate, formatCount(client.submissionsPerS));
  setText(own.flight, formatCount(client.inFlight));
  setText(own.faults, formatCount(client.faults));
}
