/** One context of the device: its rights, translations, streams and DMA core registers. Passive; the machine works on it. */

import { type ContextRights, FAULT_CAUSES } from '@pedrera/hw';
import { AddressSpace } from './address-space.js';
import type { CommandProcessor } from './command-processor.js';
import { DmaCore } from './dma-core.js';

export class Context {
  readonly asid: number;
  rights: ContextRights;
  readonly space = new AddressSpace();
  /** By queue; a queue without a ring has none. */
  readonly processors: (CommandProcessor | undefined)[] = [];
  readonly #cores: (DmaCore | undefined)[] = [];
  /** By cause: entry number of the last fault reported apart from a command buffer, or -1 (see FaultReporter.detached). */
  readonly reportedFaults = new Float64Array(FAULT_CAUSES.length + 1).fill(-1);

  constructor(asid: number, rights: ContextRights) {
    this.asid = asid;
    this.rights = rights;
  }

  /** This context's registers of DMA core `n`, made when first needed. */
  dmaCore(n: number): DmaCore {
    const known = this.#cores[n];
    if (known !== undefined) return known;
    const core = new DmaCore(n);
    this.#cores[n] = core;
    return core;
  }
}
