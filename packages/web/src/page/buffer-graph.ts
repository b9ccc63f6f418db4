/**
 * Where exporters, buffers and users stand in the picture of who shares what: three columns, lines from left to right.
 *
 * Owns: places and labels. Pure. Must not know: SVG.
 */
import { formatSize, shorten } from './format.js';
import type { LiveBuffer } from './protocol.js';

export interface Box {
  readonly id: string;
  readonly kind: 'exporter' | 'buffer' | 'user';
  readonly x: number;
  readonly y: number;
  readonly title: string;
  readonly detail: string;
  /** In full, for who points at it. */
  readonly hint: string;
  readonly mark: 'pending' | 'failed' | 'orphan' | null;
}

export interface Line {
  readonly from: Box;
  readonly to: Box;
  /** Not mapped. */
  readonly loose: boolean;
}

export interface Graph {
  readonly boxes: readonly Box[];
  readonly lines: readonly Line[];
  readonly boxWidth: number;
  readonly height: number;
}

export const BOX_HEIGHT = 36;
const ROW = 44;
const MARGIN = 8;
/** Of a narrow letter at the size of the labels. */
const LETTER = 6.7;

export function layOut(buffers: readonly LiveBuffer[], width: number): Graph {
  const gap = Math.max(28, Math.min(120, width * 0.09));
  const boxWidth = Math.floor((width - 2 * MARGIN - 2 * gap) / 3);
  const columns = new Columns(boxWidth, (column) => MARGIN + column * (boxWidth + gap));
  const lines: Line[] = [];
  for (const buffer of buffers) {
    const { exporter, users, moreUsers } = buffer;
    const from = columns.process(
      0,
      exporter.pid,
      exporter.program,
      `hl${exporter.device}${exporter.alive ? '' : ', gone'}`,
      !exporter.alive,
    );
    const box = columns.buffer(buffer);
    lines.push({ from, to: box, loose: !exporter.alive });
    for (const { pid, program, device, how } of users) {
      const to = columns.process(2, pid, program, device === null ? how : `hl${device}, ${how}`, false);
      lines.push({ from: box, to, loose: how !== 'mapped' });
    }
    if (moreUsers > 0) lines.push({ from: box, to: columns.more(buffer.id, moreUsers), loose: true });
  }
  return { boxes: columns.boxes, lines, boxWidth, height: columns.height };
}

class Columns {
  readonly boxes: Box[] = [];
  readonly #byId = new Map<string, Box>();
  readonly #filled = [0, 0, 0];
  readonly #letters: number;
  readonly #left: (column: number) => number;

  constructor(boxWidth: number, left: (column: number) => number) {
    this.#letters = Math.max(6, Math.floor((boxWidth - 14) / LETTER));
    this.#left = left;
  }

  get height(): number {
    return Math.max(...this.#filled) * ROW + 2 * MARGIN;
  }

  process(column: 0 | 2, pid: number, program: string, detail: string, gone: boolean): Box {
    const kind = column === 0 ? 'exporter' : 'user';
    return this.#box(
      `${kind} ${pid} ${detail}`,
      { kind, title: `${pid} ${program}`, detail, mark: gone ? 'orphan' : null },
      column,
    );
  }

  buffer({ id, name, kind, size, fences }: LiveBuffer): Box {
    const count = (state: string) => fences.reduce((sum, fence) => sum + (fence.state === state ? fence.count : 0), 0);
    const [pending, failed] = [count('pending'), count('failed')];
    const fenceText = [...(pending > 0 ? [`${pending} pending`] : []), ...(failed > 0 ? [`${failed} failed`] : [])];
    const mark = failed > 0 ? 'failed' : pending > 0 ? 'pending' : null;
    const detail = [`${formatSize(size)} ${kind}`, ...fenceText].join(', ');
    return this.#box(
      `buffer ${id}`,
      { kind: 'buffer', title: name === '' ? `dma-buf ${id}` : `${id} ${name}`, detail, mark },
      1,
    );
  }

  more(id: number, count: number): Box {
    return this.#box(
      `more ${id}`,
      { kind: 'user', title: `${count} more`, detail: 'see: pedrera bufs', mark: null },
      2,
    );
  }

  #box(id: string, { title, detail, ...rest }: Pick<Box, 'kind' | 'title' | 'detail' | 'mark'>, column: number): Box {
    const known = this.#byId.get(id);
    if (known !== undefined) return known;
    const row = this.#filled[column] ?? 0;
    this.#filled[column] = row + 1;
    const box: Box = {
      id,
      ...rest,
      x: this.#left(column),
      y: MARGIN + row * ROW,
      title: shorten(title, this.#letters),
      detail: shorten(detail, this.#letters + 1),
      hint: `${title}: ${detail}`,
    };
    this.#byId.set(id, box);
    this.boxes.push(box);
    return box;
  }
}
