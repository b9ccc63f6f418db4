/**
 * The commands in docs/debugging.md and what they print there.
 *
 * Owns: where in the document a tour's transcripts stand: between `<!-- tour: NAME -->` and the next heading, each in a code block of its own
 * that begins with `$ `. Pure. Must not know how transcripts come about.
 */

const TOUR = /^<!-- tour: (\S+) -->$/;
const FENCE = '```';

interface Block {
  /** Lines of the document: the first after the opening fence, and the closing one. */
  readonly from: number;
  readonly to: number;
}

/** The transcripts that the document has of a tour. */
export function transcriptsIn(document: string, tour: string): string[] {
  const lines = document.split('\n');
  return blocksOf(lines, tour).map(({ from, to }) => lines.slice(from, to).join('\n'));
}

/** The document with other transcripts; as many as it has places for. */
export function withTranscripts(document: string, tour: string, transcripts: readonly string[]): string {
  const lines = document.split('\n');
  const blocks = blocksOf(lines, tour);
  // From the end, so that the places before stay where they are.
  for (const [i, { from, to }] of [...blocks.entries()].reverse()) {
    const transcript = transcripts[i];
    if (transcript !== undefined) lines.splice(from, to - from, ...transcript.split('\n'));
  }
  return lines.join('\n');
}

function blocksOf(lines: readonly string[], tour: string): Block[] {
  const blocks: Block[] = [];
  let inTour = false;
  let opened = -1;
  lines.forEach((line, i) => {
    if (opened >= 0) {
      if (line !== FENCE) return;
      if (inTour && lines[opened + 1]?.startsWith('$ ')) blocks.push({ from: opened + 1, to: i });
      opened = -1;
    } else if (line.startsWith(FENCE)) opened = i;
    else if (line.startsWith('#')) inTour = false;
    else if (TOUR.test(line)) inTour = TOUR.exec(line)?.[1] === tour;
  });
  return blocks;
}
