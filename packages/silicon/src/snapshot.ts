/** Takes the picture of a machine that debugging tools show: every stream, armed monitors, engines. Changes nothing. */

import {
  type ArmedMonitor,
  cpFenceRdataAddress,
  decodeMonitorArm,
  ENGINES,
  type EngineSnapshot,
  type EngineStatus,
  hasQueueManager,
  MONITORS_PER_DCORE,
  SOBS_PER_DCORE,
  SOBS_PER_GROUP,
  type StreamArbitration,
  type StreamSnapshot,
  type StreamState,
  type SyncObjectSnapshot,
  TPC_STATUS_IDLE,
} from '@pedrera/hw';
import {
  type CommandProcessor,
  DEAD,
  DELAYED,
  FENCED,
  HUNG,
  IDLE,
  RUNNABLE,
  STALLED,
  STOPPED,
  WAITS_FOR_ENGINE,
  WAITS_FOR_GRANT,
} from './command-processor.js';
import type { Context } from './context.js';
import type { EngineTimesBook } from './engine-times.js';
import { clockGateStatus, cpStatus, dmaCoreStatus, globalStatus, type HeadReader, mmeStatus } from './qm-registers.js';
import type { SyncManager } from './sync-manager.js';

/** Whether the host hung the engine with this id. */
export type Hangs = (engineId: number) => boolean;

/** Streams that have a ring, by context and queue; behind them the lower processors that have been given work. */
export function streamSnapshots(contexts: Iterable<Context>, hangs: Hangs, head: HeadReader): StreamSnapshot[] {
  const upper: StreamSnapshot[] = [];
  const lower: StreamSnapshot[] = [];
  for (const context of contexts) {
    for (const processor of context.processors)
      if (processor !== undefined) upper.push(streamSnapshot(processor, hangs, head));
    for (const { lower: processor, fifo } of context.queueManagers())
      if (processor !== null && fifo.pushed > 0) lower.push(streamSnapshot(processor, hangs, head));
  }
  return [...upper, ...lower];
}

function streamSnapshot(processor: CommandProcessor, hangs: Hangs, head: HeadReader): StreamSnapshot {
  const { asid, queue, qm, index, isLower, ring, fenceId, fenceTarget } = processor;
  const { fifo } = qm;
  const words = head(processor);
  return {
    asid,
    queue,
    engine: qm.engine,
    lower: isLower,
    pi: isLower ? fifo.pushed : processor.pi,
    fetched: isLower ? fifo.pushed - fifo.size : processor.fetched,
    completed: isLower ? qm.lowerFinished : (ring?.completed ?? 0),
    state: hangs(qm.engineId) ? 'hung' : streamState(processor),
    head: words === null ? null : { words, offset: processor.bufferDone, bytes: processor.bufferBytes },
    fence:
      processor.state === FENCED
        ? {
            id: fenceId,
            target: fenceTarget,
            value: processor.fences[fenceId] as number,
            rdataAddress: cpFenceRdataAddress(qm.engine, index, fenceId),
          }
        : null,
    arbitration: arbitrationOf(processor),
    fenceCounters: [...processor.fences],
    cpSts: cpStatus(processor),
  };
}

function arbitrationOf({ qm, index, isLower }: CommandProcessor): StreamArbitration | null {
  const { arbitration, firstQueue } = qm;
  if (isLower || !arbitration.enabled) return null;
  const { holder, isQuiet } = arbitration;
  const waiting = arbitration.isWaiting(index);
  return {
    mode: arbitration.isWeighted ? 'weighted' : 'priority',
    waiting,
    holder: holder < 0 ? null : firstQueue + holder,
    quiet: waiting && holder < 0 && isQuiet,
    priority: arbitration.priorityOf(index),
    weight: arbitration.weights[index] as number,
  };
}

function streamState(processor: CommandProcessor): StreamState {
  switch (processor.state) {
    case RUNNABLE:
      return processor.inTransfer && processor.computation === null ? 'dma' : 'running';
    case FENCED:
      return 'fence';
    case STALLED:
      return 'stalled';
    case STOPPED:
      return 'stopped';
    case WAITS_FOR_GRANT:
      return 'arbitration';
    case WAITS_FOR_ENGINE:
      return 'barrier';
    case HUNG:
      return 'hung';
    case DELAYED:
      return 'running';
    case IDLE:
    case DEAD:
      return 'idle';
  }
}

export function armedMonitors(sync: SyncManager): ArmedMonitor[] {
  const armed: ArmedMonitor[] = [];
  sync.forEachArmed((index, { asid, payloadAddress, payloadData, condition, pending }) => {
    const dcore = Math.floor(index / MONITORS_PER_DCORE);
    const { group, mask, mode, value } = decodeMonitorArm(condition);
    const objects: { sob: number; value: number }[] = [];
    for (let bit = 0; bit < SOBS_PER_GROUP; bit++) {
      const sob = group * SOBS_PER_GROUP + bit;
      if ((mask & (1 << bit)) === 0) objects.push({ sob, value: sync.values[dcore * SOBS_PER_DCORE + sob] as number });
    }
    const monitor = index % MONITORS_PER_DCORE;
    armed.push({ dcore, monitor, asid, payloadAddress, payloadData, mode, value, mask, group, pending, objects });
  });
  return armed;
}

export function syncObjects(sync: SyncManager): SyncObjectSnapshot[] {
  const found: SyncObjectSnapshot[] = [];
  sync.values.forEach((value, object) => {
    if (value === 0) return;
    const dcore = Math.floor(object / SOBS_PER_DCORE);
    found.push({ dcore, sob: object % SOBS_PER_DCORE, value, asid: sync.owners[object] as number });
  });
  return found;
}

/** In the order of ENGINES. */
export function engineStates(
  contexts: readonly Context[],
  hangs: Hangs,
  times: EngineTimesBook,
  nowNs: number,
): EngineSnapshot[] {
  return engineStatuses(contexts, hangs).map(({ name, idle }, id) => ({
    name,
    busy: !idle,
    hung: hangs(id),
    times: times.ofEngine(id, nowNs),
  }));
}

/**
 * The registers the idle check reads, of each engine, over all contexts: it is idle if it is for every one of them. A stream
 * that waits on a fence keeps its engine from being idle (device.md 4.5).
 */
export function engineStatuses(contexts: readonly Context[], hangs: Hangs): EngineStatus[] {
  return ENGINES.map((name, id) => {
    const hung = hangs(id);
    const kind = name.slice(0, 3);
    if (!hasQueueManager(name)) {
      const status = mmeStatusOfAll(contexts, id - 1, hung);
      return { name, idle: status !== 0, qmGlblSts0: undefined, qmCgmSts: undefined, status };
    }
    let idleBits = globalStatus(undefined, hung);
    let stopBits = 0;
    let core = dmaCoreStatus(undefined, hung);
    for (const context of contexts) {
      const qm = context.peekQueueManager(id);
      if (qm === undefined) continue;
      const word = globalStatus(qm, hung);
      idleBits &= word;
      stopBits |= word;
      core |= dmaCoreStatus(qm, hung);
    }
    const qmGlblSts0 = (idleBits | (stopBits & STOP_BITS)) >>> 0;
    const qmCgmSts = clockGateStatus(qmGlblSts0);
    const idle = qmCgmSts !== 0 && core === 0;
    const status = kind === 'MME' ? mmeStatusOfAll(contexts, id, hung) : engineStatusWord(kind, core >>> 0, hung);
    return { name, idle, qmGlblSts0, qmCgmSts, status };
  });
}

const STOP_BITS = 0xffff_0000;

function engineStatusWord(kind: string, core: number, hung: boolean): number | undefined {
  if (kind === 'DMA') return core;
  return kind === 'TPC' ? (hung ? 0 : TPC_STATUS_IDLE) : undefined;
}

/** `master`: index in ENGINES of the engine itself, or for a slave of its master. */
function mmeStatusOfAll(contexts: readonly Context[], master: number, hung: boolean): number {
  let status = mmeStatus(undefined, hung);
  for (const context of contexts) status &= mmeStatus(context.peekQueueManager(master), hung);
  return status;
}
