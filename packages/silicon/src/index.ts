/** @pedrera/silicon: the simulated Gaudi. Knows the hardware contract and nothing above it. */
export { Gaudi, type GaudiOptions } from './gaudi.js';
export {
  createFabric,
  type FabricEnds,
  InProcessDevice,
  type InProcessDeviceOptions,
  runAllUntilIdle,
} from './in-process-device.js';
export { measureDmaRate, measureMonitorRoundTrips, measurePacketRate } from './measure.js';
export type { MemorySource, ProcessPort } from './memory.js';
export type { TurnLimits } from './packet-loop.js';
export type { StepResult, StreamId } from './scheduler.js';
