/** The engines that make no more progress until the device is reset. Knows nothing of what stands behind them. */

import { ENGINES } from '@pedrera/hw';

export class HungEngines {
  readonly #flags = new Uint8Array(ENGINES.length);

  has(engineId: number): boolean {
    return this.#flags[engineId] !== 0;
  }

  add(engineId: number): void {
    this.#flags[engineId] = 1;
  }

  clear(): void {
    this.#flags.fill(0);
  }
}
