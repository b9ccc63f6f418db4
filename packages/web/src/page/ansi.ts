/** Text with the escapes of a terminal, as pieces with the class that stands for each look. Pure. */

export interface Piece {
  readonly text: string;
  /** Of bold, dim, red, green, yellow. */
  readonly looks: readonly string[];
}

const ON: Readonly<Record<string, string>> = { 1: 'bold', 2: 'dim', 31: 'red', 32: 'green', 33: 'yellow' };
const OFF: Readonly<Record<string, readonly string[]>> = { 22: ['bold', 'dim'], 39: ['red', 'green', 'yellow'] };

/** ESC, a bracket, a number, m. */
const ESCAPE = new RegExp(`${String.fromCharCode(0x1b)}\\[(\\d+)m`);

export function piecesOf(text: string): Piece[] {
  const looks = new Set<string>();
  const pieces: Piece[] = [];
  // The odd ones are the numbers of escapes.
  text.split(ESCAPE).forEach((part, i) => {
    if (i % 2 === 0) {
      if (part !== '') pieces.push({ text: part, looks: [...looks] });
      return;
    }
    const on = ON[part];
    if (on !== undefined) looks.add(on);
    for (const look of OFF[part] ?? []) looks.delete(look);
  });
  return pieces;
}
