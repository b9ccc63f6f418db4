/** THE list of benchmarks, in the order in which they run. */
import type { Benchmark } from '../benchmark.js';
import { cProgram } from './c-program.js';
import { dmaBandwidth } from './dma-bandwidth.js';
import { idleClients } from './idle-clients.js';
import { oneShot } from './one-shot.js';
import { peerToPeer } from './peer-to-peer.js';
import { roundTrip } from './round-trip.js';
import { scale } from './scale.js';
import { sharing } from './sharing.js';
import { startTime } from './start-time.js';
import { submitLatency } from './submit-latency.js';
import { submitRate } from './submit-rate.js';
import { syncRoundTrips } from './sync-round-trips.js';

export const BENCHMARKS: readonly Benchmark[] = [
  roundTrip,
  submitLatency,
  submitRate,
  dmaBandwidth,
  peerToPeer,
  syncRoundTrips,
  sharing,
  startTime,
  oneShot,
  idleClients,
  scale,
  cProgram,
];
