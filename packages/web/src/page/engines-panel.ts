/** A line in time for each engine. Owns: the drawing. */
import { keepList, make, setText } from './dom.js';
import type { EngineKey, LiveEngine } from './protocol.js';
import type { Timeline } from './timeline.js';

const partsOf = new WeakMap<Element, { name: HTMLElement; canvas: HTMLCanvasElement; percent: HTMLElement }>();

export function showEngines(list: Element, engines: readonly LiveEngine[], timeline: Timeline): void {
  const colours = coloursNow();
  keepList(list, engines, {
    key: ({ device, name }) => `${device} ${name}`,
    make: makeRow,
    update: (row, engine) => updateRow(row, engine, { timeline, colours }),
  });
}

function makeRow(): HTMLLIElement {
  const own = {
    name: make('span'),
    canvas: make('canvas', { role: 'img' }),
    percent: make('span', { class: 'percent' }),
  };
  const row = make('li', {}, [own.name, own.canvas, own.percent]);
  partsOf.set(row, own);
  return row;
}

interface Drawn {
  readonly timeline: Timeline;
  readonly colours: ReturnType<typeof coloursNow>;
}

function updateRow(row: HTMLElement, { device, name, hung }: LiveEngine, { timeline, colours }: Drawn): void {
  const own = partsOf.get(row);
  if (own === undefined) return;
  const key: EngineKey = `${device} ${name}`;
  const [busy, sync, memory] = timeline.lastOf(key);
  setText(own.name, `hl${key}${hung ? ' hung' : ''}`);
  own.name.className = hung ? 'hung' : '';
  setText(own.percent, `${busy.toFixed(0)}%`);
  const waits = `${sync.toFixed(0)}% waiting on sync, ${memory.toFixed(0)}% waiting on memory`;
  own.canvas.setAttribute('aria-label', `${name} of device ${device}: now ${busy.toFixed(0)}% busy, ${waits}`);
  row.title = `${busy.toFixed(0)}% busy, ${waits}`;
  draw(own.canvas, key, { timeline, colours });
}

function draw(canvas: HTMLCanvasElement, key: EngineKey, { timeline, colours }: Drawn): void {
  const scale = devicePixelRatio;
  const [width, height] = [Math.round(canvas.clientWidth * scale), Math.round(canvas.clientHeight * scale)];
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext('2d');
  if (context === null) return;
  context.clearRect(0, 0, width, height);
  for (const { from, to, ...shares } of timeline.stretchesOf(key)) {
    const left = Math.round(from * width);
    const wide = Math.max(1, Math.round(to * width) - left);
    let bottom = height;
    for (const part of ['busy', 'sync', 'memory'] as const) {
      // What there was of something can be seen, however little.
      const tall = shares[part] <= 0 ? 0 : Math.max(scale, shares[part] * height);
      context.fillStyle = colours[part];
      context.fillRect(left, bottom - tall, wide, tall);
      bottom -= tall;
    }
  }
}

function coloursNow(): Record<'busy' | 'sync' | 'memory', string> {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  return { busy: colour('--busy'), sync: colour('--sync'), memory: colour('--memory') };
}
