/**
 * What the place we write to can show: its width, and colour or none.
 *
 * Owns: the decision, and the escape sequences that follow from it.
 * Must not know: what is written.
 */

const MIN_WIDTH = 80;
const MAX_WIDTH = 200;

export interface Style {
  readonly width: number;
  bold(text: string): string;
  dim(text: string): string;
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
}

interface Place {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

/** Output to a file or a pipe gets the full width, unless COLUMNS says otherwise: nobody wants a cut-off line there. */
export function styleOf(place: Place, env: NodeJS.ProcessEnv): Style {
  const columns = place.isTTY === true ? (place.columns ?? MIN_WIDTH) : Number(env.COLUMNS) || MAX_WIDTH;
  const width = Math.min(MAX_WIDTH, Math.max(MIN_WIDTH, columns));
  // https://no-color.org: any value but the empty one.
  const noColor = env.NO_COLOR !== undefined && env.NO_COLOR !== '';
  return makeStyle(width, place.isTTY === true && !noColor && env.TERM !== 'dumb');
}

export function makeStyle(width: number, color: boolean): Style {
  const paint = (on: number, off: number) => (text: string) =>
    color && text !== '' ? `\u001b[${on}m${text}\u001b[${off}m` : text;
  return {
    width,
    bold: paint(1, 22),
    dim: paint(2, 22),
    red: paint(31, 39),
    green: paint(32, 39),
    yellow: paint(33, 39),
  };
}

/** Text that other people chose (a program's name) must not move the cursor of whoever looks at it. */
export function printable(text: string): string {
  return text.replace(/[\p{C}\p{M}\p{Zl}\p{Zp}]/gu, '?');
}
