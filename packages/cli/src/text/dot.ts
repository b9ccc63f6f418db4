/** Strings of the DOT language, which Graphviz reads. Pure. */
import { printable } from './style.js';

/** In quotes. A line break in the text is one in the picture. */
export function dotString(text: string): string {
  const lines = text.split('\n').map((line) => printable(line).replace(/[\\"]/g, '\\$&'));
  return `"${lines.join('\\n')}"`;
}
