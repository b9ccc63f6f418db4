/** @pedrera/bench: side-by-side measurements. The program is main.ts; this is what reads its JSON. */

export { renderText } from './render-text.js';
export type { Bound, Figure, Machine, Reference, Report, Section, Target, Unit } from './report.js';
