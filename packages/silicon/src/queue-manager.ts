/**
 * One queue manager of one context (device.md 2): four upper command processors, one a stream, in the internal ones of DMA,
 * MME and TPC a lower one fed by a FIFO (CQ4), arbitration between the streams, error bits, and the registers of the engine
 * behind them. Each context has its own set: what one does to its registers no other can see. Passive: packet-loop.ts
 * executes, register-bus.ts says who may reach the registers.
 *
 * For register access: `context.queueManager(blockEngine(registerBlock(offset)))` gives the state, `feedFence` is a write to RDATA, `arbitration` holds ARB_CFG_0, weights, QUIET_PER, `loadLower` is the
 * write to CQ4's CTL, `errors` are the STS1 registers, `engineRegisters` the TPC CFG / MME CTRL window, `dmaCore` the core's.
 */

import {
  CPS_PER_QM,
  DMA_CORE_REGISTERS,
  ENGINES,
  type EngineName,
  FAULT,
  LOWER_CP,
  QUEUES,
  qmBase,
  STREAMS_PER_ENGINE,
} from '@pedrera/hw';
import { Arbitration } from './arbitration.js';
import { CommandProcessor, IDLE, RUNNABLE, WAITS_FOR_ENGINE, WAITS_FOR_GRANT } from './command-processor.js';
import type { Context } from './context.js';
import { DmaCore } from './dma-core.js';
import { EngineRegisters } from './engine-registers.js';
import { TimeAccount, WORKS } from './engine-times.js';
import { LowerFifo } from './lower-fifo.js';
import type { Scheduling } from './parts.js';
import { DONE, ENGINE } from './status.js';

export class QueueManager {
  readonly context: Context;
  /** Index in ENGINES. */
  readonly engineId: number;
  readonly engine: EngineName;
  /** CFG offset of the queue manager's registers. */
  readonly base: number;
  /** Id of stream 0's queue. */
  readonly firstQueue: number;
  /** External ones drive their DMA core directly (DMA0, DMA1); NIC ones have no lower processor and no engine. */
  readonly isExternal: boolean;
  readonly hasLower: boolean;

  /**
   * By index: 0-3 the streams, 4 the lower processor where there is one. They exist whether or not a ring was made:
   * fences count what is sent to them before the first submission.
   */
  readonly processors: readonly CommandProcessor[];
  /** CQ4: command buffers for the lower processor, in the order of their CP_DMA. */
  readonly fifo = new LowerFifo();
  /** CQ4's PTR_LO, PTR_HI and TSIZE as last written; the write to CTL takes them. */
  readonly cq4 = new Uint32Array(3);
  readonly arbitration = new Arbitration();
  /** GLBL_STS1_0..3 and STS1_4; a register write clears the bits that are one. */
  readonly errors = new Uint32Array(CPS_PER_QM);
  /** The core's registers; null where no DMA core hangs below. */
  readonly dmaCore: DmaCore | null;
  /** TPC CFG or MME CTRL; null for DMA and NIC. */
  readonly engineRegisters: EngineRegisters | null;
  /** Whether a write of CMD to engineRegisters starts something. */
  readonly computes: boolean;
  /** Offset in the engine's window of the register that starts it; -1 where there is no engine. */
  readonly startOffset: number;
  /** Transfers under way on the core, or computations. */
  transfers = 0;
  /** Transfers begun on it, and buffers the lower processor has finished: what engine barriers count by. */
  commits = 0;
  lowerFinished = 0;
  /** Processors parked on the engine (WAITS_FOR_ENGINE). */
  parked = 0;
  /** How long the engine has worked for this context, and waited; the two other fields are the book's. */
  readonly times = new TimeAccount();
  isChanged = false;
  nextChanged: QueueManager | null = null;
  readonly #scheduling: Scheduling;

  /** Precondition: `engineId` names an engine with a queue manager. */
  constructor(context: Context, engineId: number, scheduling: Scheduling) {
    const engine = ENGINES[engineId];
    const firstQueue = firstQueues[engineId] ?? -1;
    if (engine === undefined || firstQueue < 0) throw new RangeError(`engine ${engineId} has no queue manager`);
    this.context = context;
    this.engineId = engineId;
    this.engine = engine;
    this.base = qmBase(engine);
    this.firstQueue = firstQueue;
    this.isExternal = QUEUES[firstQueue]?.kind === 'external';
    this.hasLower = !this.isExternal && !engine.startsWith('NIC');
    const count = this.hasLower ? CPS_PER_QM : STREAMS_PER_ENGINE;
    this.processors = Array.from({ length: count }, (_, index) => new CommandProcessor(this, index));
    this.dmaCore = engine.startsWith('DMA') ? new DmaCore(engineId) : null;
    this.engineRegisters = EngineRegisters.of(engine);
    this.computes = engine.startsWith('MME');
    this.startOffset = this.dmaCore !== null ? DMA_CORE_REGISTERS.COMMIT : (this.engineRegisters?.start ?? -1);
    this.#scheduling = scheduling;
  }

  get lower(): CommandProcessor | null {
    return this.processors[LOWER_CP] ?? null;
  }

  /** A write to CP_FENCE<fence>_RDATA_<index>: DONE, or the fault of an overflow, which clips. Wakes who waited for it. */
  feedFence(index: number, fence: number, value: number): number {
    const processor = this.processors[index];
    if (processor === undefined) return DONE;
    const status = processor.feedFence(fence, value);
    if (processor.isFencedAndSatisfied) this.wake(processor);
    return status;
  }

  /**
   * Puts a command buffer at the end of CQ4 on behalf of stream `index`, and wakes the lower processor. Returns DONE, a fault,
   * or ENGINE when the FIFO is full. Precondition: hasLower.
   */
  loadLower(index: number, address: number, bytes: number): number {
    const stream = this.processors[index];
    const lower = this.lower;
    if (stream === undefined || lower === null || bytes % 8 !== 0) return FAULT['bad-descriptor'];
    if (bytes === 0) return DONE;
    if (!this.fifo.push(address, bytes, stream.queue, stream.currentSlot)) return ENGINE;
    if (lower.state === IDLE) this.wake(lower);
    return DONE;
  }

  /**
   * Whether an engine barrier holds `processor` back: the transfers and the lower processor's buffers that had been begun when
   * it got to the barrier are not all done. What others begin later does not count, or a busy neighbour could hold it for ever.
   */
  barrierHolds(processor: CommandProcessor): boolean {
    const countsLower = !processor.isLower;
    if (!processor.atBarrier) {
      if (this.transfers === 0 && !(countsLower && this.fifo.pushed > this.lowerFinished)) return false;
      processor.atBarrier = true;
      processor.barrierCommits = this.commits;
      processor.barrierLower = this.fifo.pushed;
    }
    if (countsLower && this.lowerFinished < processor.barrierLower) return true;
    for (const other of this.processors)
      if (other.inTransfer && other.transferNumber <= processor.barrierCommits) return true;
    processor.atBarrier = false;
    return false;
  }

  /** ARB_CFG_0. Without arbitration nobody waits for a grant. */
  setArbitration(word: number): void {
    this.arbitration.config = word;
    if (this.arbitration.enabled) return;
    this.arbitration.reset();
    for (const processor of this.processors) if (processor.state === WAITS_FOR_GRANT) this.wake(processor);
  }

  /** Lets processors that wait for the engine or for room in CQ4 look again. */
  wakeParked(): void {
    this.parked = 0;
    for (const processor of this.processors) if (processor.state === WAITS_FOR_ENGINE) this.wake(processor);
  }

  wake(processor: CommandProcessor): void {
    const { runQueue, times, tracer } = this.#scheduling;
    if (processor.waitSinceNs >= 0) tracer.woken(processor);
    processor.state = RUNNABLE;
    runQueue.push(processor);
    if (this.times.activity !== WORKS) times.note(this);
  }
}

/** By engine id: the queue of stream 0, or -1 (MME1 and MME3 are slaves). */
const firstQueues: readonly number[] = ENGINES.map(
  (engine) => QUEUES.find((queue) => queue.engine === engine && queue.stream === 0)?.id ?? -1,
);

/** By queue id: engine id; -1 for the CPU's queue. */
const enginesOfQueues: readonly number[] = QUEUES.map((queue) => ENGINES.indexOf(queue.engine));

/** Index in ENGINES of the engine a queue drives; -1 for the CPU's queue and where there is no queue. */
export function engineOfQueue(queue: number): number {
  return enginesOfQueues[queue] ?? -1;
}
