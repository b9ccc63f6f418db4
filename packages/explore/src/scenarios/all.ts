/** Every scenario, by what races. */
import type { Scenario } from '../scenario.js';
import { DMA_BUFS } from './dma-bufs.js';
import { FENCES } from './fences.js';
import { HELD } from './held.js';
import { SHARING } from './sharing.js';
import { SIGNALS } from './signals.js';
import { WORK } from './work.js';

export const SCENARIOS: readonly Scenario[] = [...SHARING, ...DMA_BUFS, ...WORK, ...SIGNALS, ...FENCES, ...HELD];
