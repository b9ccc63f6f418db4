/** @pedrera/explore: runs kernel and silicon in one thread under schedules of its own choice, and says which ones break them. */
export { type Exploration, type ExploreOptions, explore, replay } from './explore.js';
export type { Failure } from './lab.js';
export { renderExploration, renderFailure, renderTrace } from './report.js';
export type { Step } from './run.js';
export { type Scenario, type ScenarioText, scenario } from './scenario.js';
export { SCENARIOS } from './scenarios/all.js';
export { choices, formatSchedule, parseSchedule, type Schedule } from './schedule.js';
export type { ViolationKind } from './violation.js';
export { Workers } from './workers.js';
