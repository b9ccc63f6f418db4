/** A card for each device. Owns: the cards. */
import { keepList, make, setText, setWidth } from './dom.js';
import { formatCount, formatDuration, formatSize, plural } from './format.js';
import type { LiveDevice } from './protocol.js';

export function showDevices(list: Element, devices: readonly LiveDevice[]): void {
  keepList(list, devices, { key: ({ index }) => String(index), make: makeCard, update: updateCard });
}

const parts = new WeakMap<Element, ReturnType<typeof cardParts>>();

function cardParts() {
  return {
    name: make('span'),
    condition: make('span', { class: 'condition' }),
    chips: make('span', { class: 'chips' }),
    fill: make('span', { class: 'busy-part' }),
    memory: make('strong'),
    power: make('p'),
    work: make('p'),
    rates: make('p'),
  };
}

function makeCard(): HTMLLIElement {
  const own = cardParts();
  const { name, condition, chips, fill, memory, power, work, rates } = own;
  const card = make('li', { class: 'card' }, [
    make('h3', {}, [name, condition, chips]),
    make('div', { class: 'bar', 'aria-hidden': 'true' }, [fill]),
    make('p', {}, [document.createTextNode('memory '), memory]),
    power,
    work,
    rates,
  ]);
  parts.set(card, own);
  return card;
}

function updateCard(card: HTMLElement, device: LiveDevice): void {
  const own = parts.get(card);
  if (own === undefined) return;
  const { hbm, status, lastReset, powerMw, maxPowerMw, temperatureC, utilizationPercent } = device;
  card.dataset.state = status === 'operational' ? 'good' : 'bad';
  setText(own.name, device.name);
  const why = status !== 'operational' && lastReset !== null ? `: ${lastReset.reason}` : '';
  setText(own.condition, status + why);
  setWidth(own.fill, (hbm.used * 100) / Math.max(1, hbm.total));
  setText(own.memory, `${formatSize(hbm.used)} of ${formatSize(hbm.total)}`);
  const watts = `${(powerMw / 1000).toFixed(0)} of ${(maxPowerMw / 1000).toFixed(0)} W`;
  setText(own.power, `${temperatureC} °C · ${watts} · utilization ${utilizationPercent}%`);
  const rates = [`${formatCount(device.submissionsPerS)} CS/s`, `${formatCount(device.packetsPerS)} packets/s`];
  setText(own.work, [...rates, `DMA ${formatSize(Math.round(device.dmaBytesPerS))}/s`].join(' · '));
  const reset = lastReset === null ? '' : `, last ${formatDuration(lastReset.ageMs)} ago: ${lastReset.reason}`;
  setText(own.rates, `${plural(device.contexts, 'context')} · ${plural(device.resets, 'reset')}${reset}`);
  keepList(own.chips, chipsOf(device), {
    key: ({ text }) => text.replace(/\d+/, ''),
    make: () => make('span'),
    update: (chip, { text, bad }) => {
      chip.className = bad ? 'chip bad' : 'chip';
      setText(chip, text);
    },
  });
}

function chipsOf({ blockedStreams, faults, failed }: LiveDevice): { text: string; bad: boolean }[] {
  return [
    ...(blockedStreams > 0 ? [{ text: `${blockedStreams} blocked`, bad: false }] : []),
    ...(faults > 0 ? [{ text: plural(faults, 'fault'), bad: true }] : []),
    ...(failed > 0 ? [{ text: `${failed} failed`, bad: true }] : []),
  ];
}
