/**
 * What a run of the benchmarks found: the document `--json` prints.
 *
 * Owns: its form and schema name, and the arithmetic of ratios and targets. A target says what the design should come near; it
 * decides nothing.
 * Must not know: how figures are measured or shown.
 */

export type Unit = 'ns' | 'bytes' | 'bytes/s' | '1/s';

/** A side `ours` is compared with, measured in the same run. */
export interface Reference {
  readonly name: string;
  readonly value: number;
}

export type Bound = { readonly atMost: number } | { readonly atLeast: number };

/** Of the ratio to the reference, or of the figure itself in its unit. */
export type Target = { readonly of: 'ratio' | 'value'; readonly met: boolean } & Bound;

export interface Figure {
  readonly name: string;
  readonly unit: Unit;
  readonly ours: number;
  readonly reference: Reference | null;
  /** ours / reference. */
  readonly ratio: number | null;
  readonly target: Target | null;
}

/** One benchmark. */
export interface Section {
  readonly name: string;
  readonly title: string;
  readonly seconds: number;
  readonly figures: readonly Figure[];
  /** What exactly was measured, a sentence each. */
  readonly notes: readonly string[];
  /** What this machine lacks for it to be measured; null when it was. */
  readonly skipped: string | null;
  /** What went wrong; null when nothing did. */
  readonly error: string | null;
}

export interface Machine {
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryBytes: number;
  readonly platform: string;
  readonly node: string;
  /** Of the last minute before the run; others' work, if it is not near 0. */
  readonly loadBefore: number;
}

export interface Report {
  readonly schema: 'pedrera.bench/1';
  /** A short run: the figures are rough. */
  readonly quick: boolean;
  readonly seconds: number;
  readonly machine: Machine;
  readonly benchmarks: readonly Section[];
}

export interface FigureInput {
  readonly name: string;
  readonly unit: Unit;
  readonly ours: number;
  readonly reference?: Reference;
  readonly target?: { readonly of: 'ratio' | 'value' } & Bound;
}

/** Preconditions: a target of the ratio comes with a reference. */
export function figure({ name, unit, ours, reference, target }: FigureInput): Figure {
  const ratio = reference === undefined ? null : ours / reference.value;
  const judged = target?.of === 'ratio' ? ratio : ours;
  return {
    name,
    unit,
    ours,
    reference: reference ?? null,
    ratio,
    target: target === undefined || judged === null ? null : { ...target, met: meets(judged, target) },
  };
}

function meets(value: number, bound: Bound): boolean {
  return 'atMost' in bound ? value <= bound.atMost : value >= bound.atLeast;
}
