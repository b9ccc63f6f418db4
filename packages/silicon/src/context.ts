/** One context of the device: its rights, translations and queue managers. Passive; the machine works on it. */

import { type ContextRights, FAULT_CAUSES } from '@pedrera/hw';
import { AddressSpace } from './address-space.js';
import type { CommandProcessor } from './command-processor.js';
import type { Scheduling } from './parts.js';
import { engineOfQueue, QueueManager } from './queue-manager.js';

export class Context {
  readonly asid: number;
  rights: ContextRights;
  readonly space = new AddressSpace();
  /** Streams with a ring, by queue. */
  readonly processors: (CommandProcessor | undefined)[] = [];
  readonly #queueManagers: (QueueManager | undefined)[] = [];
  readonly #scheduling: Scheduling;
  /** By cause: entry number of the last fault reported apart from a command buffer, or -1 (see FaultReporter.detached). */
  readonly reportedFaults = new Float64Array(FAULT_CAUSES.length + 1).fill(-1);

  constructor(asid: number, rights: ContextRights, scheduling: Scheduling) {
    this.asid = asid;
    this.rights = rights;
    this.#scheduling = scheduling;
  }

  /** This context's queue manager of an engine (index in ENGINES), made when first needed. */
  queueManager(engineId: number): QueueManager {
    const known = this.#queueManagers[engineId];
    if (known !== undefined) return known;
    const made = new QueueManager(this, engineId, this.#scheduling);
    this.#queueManagers[engineId] = made;
    return made;
  }

  /** The same, if it was made. */
  peekQueueManager(engineId: number): QueueManager | undefined {
    return this.#queueManagers[engineId];
  }

  *queueManagers(): Generator<QueueManager> {
    for (const qm of this.#queueManagers) if (qm !== undefined) yield qm;
  }

  /** The same, without a look at the engines it does not use. */
  forEachQueueManager(visit: (qm: QueueManager) => void): void {
    this.#queueManagers.forEach((qm) => {
      if (qm !== undefined) visit(qm);
    });
  }

  /** The stream of a queue, with or without a ring. Precondition: any queue but the CPU's. */
  stream(queue: number): CommandProcessor {
    const qm = this.queueManager(engineOfQueue(queue));
    return qm.processors[queue - qm.firstQueue] as CommandProcessor;
  }

  /** Every command processor that exists, the lower ones and those without a ring included. */
  *allProcessors(): Generator<CommandProcessor> {
    for (const qm of this.queueManagers()) yield* qm.processors;
  }
}
