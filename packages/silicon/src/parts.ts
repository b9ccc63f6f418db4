/** The parts of one machine, as they see each other. */

import type { BusMemory } from './bus-memory.js';
import type { DmaEngine } from './dma-engine.js';
import type { FaultReporter } from './faults.js';
import type { RegisterBus } from './register-bus.js';
import type { SyncManager } from './sync-manager.js';

export interface Parts {
  readonly bus: BusMemory;
  readonly dma: DmaEngine;
  readonly faults: FaultReporter;
  readonly registers: RegisterBus;
  readonly sync: SyncManager;
  readonly nowNs: () => number;
}
