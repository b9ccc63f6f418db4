/**
 * The page: what the server sends goes into its panels, what the user chooses goes to the server.
 *
 * Owns: which panel gets what. Must not know: how a panel shows it.
 */
import { showBuffers } from './buffers-panel.js';
import { showClients } from './clients-panel.js';
import { Connection } from './connection.js';
import { showDevices } from './devices-panel.js';
import { byId, keepList, make, setText } from './dom.js';
import { showEngines } from './engines-panel.js';
import { addEvents } from './events-panel.js';
import { formatDuration, plural } from './format.js';
import { showMemory } from './memory-panel.js';
import { Pager } from './pager.js';
import { type ClientSort, FIRST_VIEW, type LiveMessage, type ServerMessage, type ViewRequest } from './protocol.js';
import { showQueues } from './queues-panel.js';
import { Status } from './status.js';
import { Timeline } from './timeline.js';
import { WhyDialog } from './why-dialog.js';

const view: ViewRequest = { ...FIRST_VIEW };
const places = {
  devices: byId('devices'),
  queues: byId('queues'),
  engines: byId('engines'),
  clients: byId('clients'),
  memory: byId('memory'),
  buffers: byId<SVGSVGElement>('buffers'),
  bufferWords: byId('buffers-text'),
  events: byId('events'),
};
const timeline = new Timeline();
const status = new Status();
let last: LiveMessage | undefined;

const connection = new Connection({
  onOpen: () => connection.send(view),
  onMessage: take,
  onLost: () => status.lost(),
});
const why = new WhyDialog((request) => connection.send(request));
const pagers = {
  queues: new Pager(byId('queues-pager'), (from) => look({ queuesFrom: from })),
  clients: new Pager(byId('clients-pager'), (from) => look({ clientsFrom: from })),
  buffers: new Pager(byId('buffers-pager'), (from) => look({ buffersFrom: from })),
};

function look(change: Partial<ViewRequest>): void {
  Object.assign(view, change);
  connection.send(view);
}

function take(message: ServerMessage): void {
  if (message.type === 'gone') status.gone(message.reason);
  else if (message.type === 'why') why.show(message);
  else show(message);
}

function show(message: LiveMessage): void {
  const { fresh, intervalMs, daemon, devices, samples, events } = message;
  last = message;
  status.live(intervalMs);
  if (fresh) {
    timeline.clear();
    places.events.replaceChildren();
  }
  timeline.add(samples);
  const facts = [
    `daemon ${daemon.pid}`,
    `policy ${daemon.policy}`,
    plural(daemon.clients, 'connection'),
    `up ${formatDuration(daemon.uptimeMs)}`,
  ];
  const marks = [
    ...(daemon.tracing ? ['tracing'] : []),
    ...(daemon.armedFaults > 0 ? [`${plural(daemon.armedFaults, 'fault plan')} armed`] : []),
  ];
  setText(byId('daemon'), [...facts, ...marks, daemon.socket].join(' · '));
  offerDevices(devices.map(({ index, name }) => ({ index, name })));
  addEvents(places.events, events);
  draw(message);
}

function draw({ devices, queues, engines, clients, memory, buffers }: LiveMessage): void {
  showDevices(places.devices, devices);
  showQueues(places.queues, queues.rows, (queue) => why.ask(queue));
  showEngines(places.engines, engines, timeline);
  showClients(places.clients, clients.rows);
  showMemory(places.memory, memory);
  showBuffers(places.buffers, places.bufferWords, buffers.rows);
  document.title = queues.blocked === 0 ? 'Pedrera' : `(${queues.blocked}) Pedrera`;
  setText(byId('queues-note'), queues.blocked === 0 ? 'none blocked' : `${queues.blocked} blocked`);
  setText(byId('clients-note'), plural(clients.total, 'open file'));
  setText(byId('buffers-note'), buffers.total === 0 ? '' : plural(buffers.total, 'dma-buf'));
  pagers.queues.show(queues);
  pagers.clients.show(clients);
  pagers.buffers.show(buffers);
  byId('queues-empty').hidden = queues.total > 0;
  byId('engines-empty').hidden = engines.length > 0;
  byId('clients-empty').hidden = clients.total > 0;
  byId('buffers-empty').hidden = buffers.total > 0;
  byId('events-empty').hidden = places.events.childElementCount > 0;
}

function offerDevices(devices: readonly { index: number; name: string }[]): void {
  const options = [
    { value: '', text: 'all' },
    ...devices.map(({ index, name }) => ({ value: String(index), text: name })),
  ];
  keepList(byId('device'), options, {
    key: ({ value }) => value,
    make: ({ value }) => make('option', { value }),
    update: (option, { text }) => setText(option, text),
  });
}

byId<HTMLSelectElement>('device').addEventListener('change', ({ target }) => {
  const { value } = target as HTMLSelectElement;
  look({ device: value === '' ? null : Number(value), queuesFrom: 0, clientsFrom: 0, buffersFrom: 0 });
});
byId<HTMLInputElement>('filter').addEventListener('input', ({ target }) => {
  look({ filter: (target as HTMLInputElement).value, queuesFrom: 0, clientsFrom: 0, buffersFrom: 0 });
});
byId<HTMLSelectElement>('client-sort').addEventListener('change', ({ target }) => {
  look({ clientSort: (target as HTMLSelectElement).value as ClientSort, clientsFrom: 0 });
});
byId('view').addEventListener('submit', (event) => event.preventDefault());
for (const change of [matchMedia('(prefers-color-scheme: dark)'), window]) {
  change.addEventListener(change === window ? 'resize' : 'change', () => {
    if (last !== undefined) draw(last);
  });
}
