/** The parts of one machine, as they see each other. */

import type { AddressDecoder } from './address-decoder.js';
import type { BusMemory } from './bus-memory.js';
import type { DmaEngine } from './dma-engine.js';
import type { EngineTimesBook } from './engine-times.js';
import type { FaultReporter } from './faults.js';
import type { HungEngines } from './hung-engines.js';
import type { MmeEngine } from './mme.js';
import type { RegisterBus } from './register-bus.js';
import type { RunQueue } from './run-queue.js';
import type { SyncManager } from './sync-manager.js';
import type { Timers } from './timers.js';
import type { Tracer } from './tracer.js';

/** What has to hear when a command processor can go on. */
export interface Scheduling {
  readonly runQueue: RunQueue;
  readonly times: EngineTimesBook;
  readonly tracer: Tracer;
}

export interface Parts {
  readonly bus: BusMemory;
  readonly decoder: AddressDecoder;
  readonly dma: DmaEngine;
  readonly mme: MmeEngine;
  readonly faults: FaultReporter;
  readonly hung: HungEngines;
  readonly registers: RegisterBus;
  readonly sync: SyncManager;
  readonly timers: Timers;
  readonly tracer: Tracer;
  readonly nowNs: () => number;
  /** See GaudiOptions. */
  readonly collapseRepeatedDma: boolean;
}
