/** Bars of three parts, with letters of any terminal where it has no blocks. Pure. */
import type { Style } from '../text/style.js';
import type { Shares } from './rates.js';

/** What the parts of a bar are drawn with: busy, waiting for sync, waiting for memory, free. */
export interface Glyphs {
  readonly busy: string;
  readonly sync: string;
  readonly memory: string;
  readonly free: string;
}

export const BLOCKS: Glyphs = { busy: '█', sync: '▒', memory: '░', free: ' ' };
export const ASCII: Glyphs = { busy: '#', sync: '=', memory: '-', free: ' ' };

/** Without a UTF-8 locale a terminal shows other things for the bytes of a block. The first of these that is set decides. */
export function glyphsOf({ LC_ALL, LC_CTYPE, LANG, TERM }: NodeJS.ProcessEnv): Glyphs {
  const locale = LC_ALL || LC_CTYPE || LANG || '';
  return /utf-?8/i.test(locale) && TERM !== 'linux' ? BLOCKS : ASCII;
}

/** `[######====--    ]`, `width` wide with its brackets. */
export function sharesBar({ busy, waitSync, waitMemory }: Shares, width: number, glyphs: Glyphs, style: Style): string {
  const room = Math.max(0, width - 2);
  const ends = [busy, busy + waitSync, busy + waitSync + waitMemory].map((percent) => cells(percent, room));
  const [first = 0, second = 0, third = 0] = ends;
  return [
    '[',
    style.green(glyphs.busy.repeat(first)),
    style.yellow(glyphs.sync.repeat(second - first)),
    style.red(glyphs.memory.repeat(third - second)),
    glyphs.free.repeat(room - third),
    ']',
  ].join('');
}

export function memoryBar(percent: number, width: number, glyphs: Glyphs, style: Style): string {
  const room = Math.max(0, width - 2);
  const full = cells(percent, room);
  return `[${style.green(glyphs.busy.repeat(full))}${glyphs.free.repeat(room - full)}]`;
}

/** Something that is not nothing is seen. */
function cells(percent: number, room: number): number {
  const exact = (Math.min(100, Math.max(0, percent)) * room) / 100;
  return exact > 0.1 && exact < 1 ? Math.min(1, room) : Math.round(exact);
}
