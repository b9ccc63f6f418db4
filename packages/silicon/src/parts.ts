/** The parts of one machine, as they see each other. */

import type { AddressDecoder } from './address-decoder.js';
import type { BusMemory } from './bus-memory.js';
import type { DmaEngine } from './dma-engine.js';
import type { FaultReporter } from './faults.js';
import type { MmeEngine } from './mme.js';
import type { RegisterBus } from './register-bus.js';
import type { SyncManager } from './sync-manager.js';
import type { Timers } from './timers.js';

export interface Parts {
  readonly bus: BusMemory;
  readonly decoder: AddressDecoder;
  readonly dma: DmaEngine;
  readonly mme: MmeEngine;
  readonly faults: FaultReporter;
  readonly registers: RegisterBus;
  readonly sync: SyncManager;
  readonly timers: Timers;
  readonly nowNs: () => number;
  /** See GaudiOptions. */
  readonly collapseRepeatedDma: boolean;
}
