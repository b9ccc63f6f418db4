/** The picture of who shares which buffer. Owns: the SVG, and the same in words for who cannot see it. */
import { BOX_HEIGHT, type Box, type Graph, type Line, layOut } from './buffer-graph.js';
import { keepList, make, setText } from './dom.js';
import { formatSize } from './format.js';
import type { LiveBuffer } from './protocol.js';

const SVG = 'http://www.w3.org/2000/svg';
/** What is drawn: as long as it is the same, the picture is left alone. */
const drawn = new WeakMap<Element, string>();

export function showBuffers(picture: SVGSVGElement, words: Element, buffers: readonly LiveBuffer[]): void {
  const width = picture.parentElement?.clientWidth ?? 0;
  const state = `${width} ${JSON.stringify(buffers)}`;
  if (drawn.get(picture) === state || width === 0) return;
  drawn.set(picture, state);
  const graph = layOut(buffers, width);
  picture.setAttribute('viewBox', `0 0 ${width} ${graph.height}`);
  picture.setAttribute('height', String(graph.height));
  const name = picture.querySelector(':scope > title') ?? '';
  picture.replaceChildren(
    name,
    ...graph.lines.map((line) => drawLine(line, graph)),
    ...graph.boxes.map((box) => drawBox(box, graph)),
  );
  keepList(words, buffers, {
    key: ({ id }) => String(id),
    make: () => make('li'),
    update: (item, buffer) => setText(item, inWords(buffer)),
  });
}

function svg<K extends keyof SVGElementTagNameMap>(
  tag: K,
  attributes: Record<string, string | number>,
): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

function drawLine({ from, to, loose }: Line, { boxWidth }: Graph): SVGElement {
  const [x1, x2] = [from.x + boxWidth, to.x];
  const [y1, y2] = [from.y + BOX_HEIGHT / 2, to.y + BOX_HEIGHT / 2];
  const middle = (x1 + x2) / 2;
  return svg('path', {
    d: `M${x1} ${y1}C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`,
    class: loose ? 'loose' : 'firm',
  });
}

function drawBox({ kind, x, y, title, detail, hint, mark }: Box, { boxWidth }: Graph): SVGElement {
  const group = svg('g', { class: `${kind} ${mark ?? ''}`.trim(), transform: `translate(${x} ${y})` });
  const [tip, first, second] = [
    svg('title', {}),
    svg('text', { x: 8, y: 15 }),
    svg('text', { x: 8, y: 29, class: 'soft' }),
  ];
  tip.textContent = hint;
  first.textContent = title;
  second.textContent = detail;
  group.append(
    tip,
    svg('rect', { width: boxWidth, height: BOX_HEIGHT, rx: kind === 'buffer' ? 12 : 4 }),
    first,
    second,
  );
  return group;
}

function inWords({ id, name, kind, size, exporter, users, moreUsers }: LiveBuffer): string {
  const who = users.map(
    ({ pid, program, device, how }) => `pid ${pid} ${program}${device === null ? '' : ` on hl${device}`} (${how})`,
  );
  const shared =
    who.length === 0
      ? 'shared with nobody'
      : `shared with ${who.join(', ')}${moreUsers > 0 ? ` and ${moreUsers} more` : ''}`;
  return `dma-buf ${id} ${name}, ${formatSize(size)} ${kind}, of pid ${exporter.pid} ${exporter.program} on hl${exporter.device}, ${shared}`;
}
