/** Device memory of each device by owner. Owns: the bars, and which owner has which colour. */
import { keepList, make, setText, setWidth } from './dom.js';
import { formatSize, plural } from './format.js';
import type { LiveMemory } from './protocol.js';

const HUES = 8;
const numbers = new Map<number, number>();
const partsOf = new WeakMap<Element, Record<'name' | 'amount' | 'bar' | 'owners', HTMLElement>>();

interface Owner {
  readonly key: string;
  readonly hue: string;
  readonly label: string;
  readonly gone: boolean;
  readonly bytes: number;
}

export function showMemory(list: Element, devices: readonly LiveMemory[]): void {
  keepList(list, devices, { key: ({ device }) => String(device), make: makeRow, update: updateRow });
}

function makeRow(): HTMLLIElement {
  const [name, amount] = [make('strong'), make('span')];
  const [bar, owners] = [make('div', { class: 'bar', 'aria-hidden': 'true' }), make('ul', { class: 'owners' })];
  const row = make('li', {}, [make('h3', {}, [name, amount]), bar, owners]);
  partsOf.set(row, { name, amount, bar, owners });
  return row;
}

function updateRow(row: HTMLElement, memory: LiveMemory): void {
  const own = partsOf.get(row);
  if (own === undefined) return;
  const { device, total, used } = memory;
  setText(own.name, `hl${device} `);
  setText(
    own.amount,
    `${formatSize(used)} of ${formatSize(total)} (${((used * 100) / Math.max(1, total)).toFixed(1)}%)`,
  );
  const owners = ownersOf(memory);
  const whole = owners.reduce((sum, { bytes }) => sum + bytes, 0);
  keepList(own.bar, owners, {
    key: ({ key }) => key,
    make: ({ hue }) => make('span', { class: hue }),
    update: (part, { bytes }) => setWidth(part, (bytes * 100) / Math.max(1, whole)),
  });
  keepList(own.owners, owners, { key: ({ key }) => key, make: makeOwner, update: updateOwner });
}

function makeOwner({ hue }: Owner): HTMLLIElement {
  return make('li', {}, [make('span', { class: `swatch ${hue}`, 'aria-hidden': 'true' }), make('span')]);
}

function updateOwner(item: HTMLElement, { label, gone, bytes }: Owner): void {
  const text = item.lastElementChild;
  if (text === null) return;
  text.className = gone ? 'gone' : '';
  setText(text, `${label} ${formatSize(bytes)}`);
  item.title = gone ? 'its file is closed; others keep the memory' : '';
}

/** The same process has the same colour wherever it is; the next one that comes has the next. */
function hueOf(pid: number): string {
  const number = numbers.get(pid) ?? numbers.size;
  numbers.set(pid, number);
  return `hue-${number % HUES}`;
}

function ownersOf({ owners, others, otherBytes }: LiveMemory): Owner[] {
  const named = owners.map(({ pid, program, alive, bytes }) => ({
    key: `${pid} ${alive}`,
    hue: hueOf(pid),
    label: `${pid} ${program}${alive ? '' : ' (gone)'}`,
    gone: !alive,
    bytes,
  }));
  const rest = { key: 'rest', hue: 'hue-rest', label: plural(others, 'other'), gone: false, bytes: otherBytes };
  return others === 0 ? named : [...named, rest];
}
