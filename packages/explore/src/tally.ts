/** What many runs came to, together. Owns the counts; must not know which runs they are of. */
import type { Run } from './run.js';

export class Tally {
  runs = 0;
  moves = 0;
  readonly answers = new Map<string, number>();

  add({ steps, answers }: Pick<Run, 'steps' | 'answers'>): void {
    this.runs++;
    this.moves += steps;
    this.#count(answers);
  }

  merge({ runs, moves, answers }: Readonly<Pick<Tally, 'runs' | 'moves' | 'answers'>>): void {
    this.runs += runs;
    this.moves += moves;
    this.#count(answers);
  }

  /** By name. */
  inOrder(): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.answers].sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  #count(answers: ReadonlyMap<string, number>): void {
    for (const [answer, times] of answers) {
      this.answers.set(answer, (this.answers.get(answer) ?? 0) + times);
    }
  }
}
