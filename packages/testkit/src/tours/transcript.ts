/**
 * What commands printed in one run, made comparable with what they printed in another.
 *
 * Owns: names for pids, and which values are other ones in every run. Pure. Must not know any tour.
 */

/** Pids of the document, in the order in which programs told theirs. */
const FIRST_PID = 4711;

/** A number that stands alone, and is no size or time. */
function pidPattern(pid: string): RegExp {
  return new RegExp(`\\b${pid}\\b(?! (?:[KMGT]?i?B|[mµn]?s)\\b)(?!\\.\\d)`, 'g');
}

export class PidNames {
  readonly #pids: string[] = [];

  /** Every `pid 123` of a program's output. */
  learn(output: string): void {
    for (const [, pid = ''] of output.matchAll(/\bpid (\d+)/g)) {
      if (!this.#pids.includes(pid)) this.#pids.push(pid);
    }
  }

  /** In columns a pid keeps its width, so that they stay columns. */
  replaceIn(text: string): string {
    return this.#pids.reduce((replaced, pid, i) => {
      const name = String(FIRST_PID + i);
      return replaced.replace(pidPattern(pid), (_, at: number, whole: string) =>
        isInColumn(whole, at) ? name.padStart(pid.length) : name,
      );
    }, text);
  }
}

function isInColumn(text: string, at: number): boolean {
  return at === 0 || text[at - 1] === '\n' || (text[at - 1] === ' ' && /[ \n]/.test(text[at - 2] ?? ' '));
}

const VARYING: readonly [RegExp, string][] = [
  [/\b\d\d:\d\d:\d\d\.\d+/g, '(time)'],
  [/\b\d+m\d\ds\b|\b\d+h\d\dm\b/g, '(duration)'],
  [/\b[\d.,]+ (?:ns|µs|us|ms|s)\b/g, '(duration)'],
  [/<\d+\.\d+>/g, '(duration)'],
  // Whether a program had to ask for the end of its work, or saw it.
  [/\bcall \d+\b/g, 'call (number)'],
  [/^ +-?\d+\.\d{6}(?= )/gm, '(time)'],
  [/\bt=\d+\.\d+/g, '(time)'],
  // Columns are as wide as what is in them, and lines are broken where they are full.
  [/\s+/g, ' '],
];

/** The same for two runs that went the same way. */
export function withoutVarying(text: string): string {
  return VARYING.reduce((masked, [pattern, name]) => masked.replace(pattern, name), text);
}
