/** @pedrera/conformance: the contract as tests, and what runs them. */
export { type ConformanceTest, FAMILIES, type Family } from './framework/conformance-test.js';
export { type Result, type Run, Runner, runAll, runsOf } from './framework/run.js';
export type { Mode, PolicyName } from './framework/transport.js';
export { TESTS } from './tests.js';
