/**
 * Takes the picture of a machine that debugging tools show: every stream, armed monitors, engines. Changes nothing. While it is
 * taken no stream gets on: it writes numbers into arrays and makes no object for each of a thousand contexts' streams.
 */

import {
  ARBITRATION,
  decodeMonitorArm,
  ENGINES,
  type EngineSnapshot,
  type EngineStatus,
  hasQueueManager,
  MONITOR,
  MONITORS_PER_DCORE,
  type PackedSnapshot,
  SOBS_PER_DCORE,
  SOBS_PER_GROUP,
  STREAM,
  STREAM_STATES,
  type StreamState,
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
import type { QueueManager } from './queue-manager.js';
import type { SyncManager } from './sync-manager.js';

/** Whether the host hung the engine with this id. */
export type Hangs = (engineId: number) => boolean;

/** Streams that have a ring, by context and queue; behind them the lower processors that have been given work. */
export function packStreams(
  contexts: readonly Context[],
  hangs: Hangs,
  head: HeadReader,
): Pick<PackedSnapshot, 'streams' | 'heads'> {
  const upper: CommandProcessor[] = [];
  const lower: CommandProcessor[] = [];
  for (const context of contexts) {
    // Most queues of a context have no ring: what is not there is not visited.
    context.processors.forEach((processor) => {
      if (processor !== undefined) upper.push(processor);
    });
    context.forEachQueueManager(({ lower: processor, fifo }) => {
      if (processor !== null && fifo.pushed > 0) lower.push(processor);
    });
  }
  const streams = new Uint32Array((upper.length + lower.length) * STREAM.WORDS);
  const heads: number[] = [];
  let at = 0;
  for (const list of [upper, lower]) {
    for (const processor of list) {
      packStream(streams, at, processor, hangs(processor.engine));
      const words = head(processor);
      if (words !== null) {
        streams[at + STREAM.HEAD_AT] = heads.length;
        streams[at + STREAM.HEAD_WORDS] = words.length;
        streams[at + STREAM.HEAD_OFFSET] = processor.bufferDone;
        streams[at + STREAM.HEAD_BYTES] = processor.bufferBytes;
        for (const word of words) heads.push(word);
      }
      at += STREAM.WORDS;
    }
  }
  return { streams, heads: Uint32Array.from(heads) };
}

function packStream(words: Uint32Array, at: number, processor: CommandProcessor, hangs: boolean): void {
  const { qm, isLower, fences, fenceId } = processor;
  const { fifo } = qm;
  words[at + STREAM.ASID] = processor.asid;
  words[at + STREAM.QUEUE] = processor.queue;
  words[at + STREAM.ENGINE] = qm.engineId;
  words[at + STREAM.CP] = processor.index;
  words[at + STREAM.STATE] = hangs ? HANGS : stateNumber(processor);
  words[at + STREAM.PI] = isLower ? fifo.pushed : processor.pi;
  words[at + STREAM.FETCHED] = isLower ? fifo.pushed - fifo.size : processor.fetched;
  words[at + STREAM.COMPLETED] = isLower ? qm.lowerFinished : processor.completed;
  words[at + STREAM.CP_STS] = cpStatus(processor);
  for (let i = 0; i < fences.length; i++) words[at + STREAM.COUNTERS + i] = fences[i] as number;
  if (processor.state === FENCED) {
    words[at + STREAM.FENCE] = fenceId + 1;
    words[at + STREAM.FENCE_TARGET] = processor.fenceTarget;
    words[at + STREAM.FENCE_VALUE] = fences[fenceId] as number;
  }
  if (!isLower && qm.arbitration.enabled) packArbitration(words, at, processor);
}

function packArbitration(words: Uint32Array, at: number, { qm, index }: CommandProcessor): void {
  const { arbitration, firstQueue } = qm;
  const { holder, isQuiet, isWeighted } = arbitration;
  const waiting = arbitration.isWaiting(index);
  words[at + STREAM.ARBITRATION] =
    ARBITRATION.ENABLED |
    (isWeighted ? ARBITRATION.WEIGHTED : 0) |
    (waiting ? ARBITRATION.WAITING : 0) |
    (waiting && holder < 0 && isQuiet ? ARBITRATION.QUIET : 0);
  words[at + STREAM.HOLDER] = holder < 0 ? 0 : firstQueue + holder + 1;
  words[at + STREAM.PRIORITY] = arbitration.priorityOf(index);
  words[at + STREAM.WEIGHT] = arbitration.weights[index] as number;
}

const HANGS = STREAM_STATES.indexOf('hung');
const MOVES = STREAM_STATES.indexOf('dma');

/** By the state of its processor. */
const STATES: Readonly<Record<CommandProcessor['state'], StreamState>> = {
  [IDLE]: 'idle',
  [RUNNABLE]: 'running',
  [FENCED]: 'fence',
  [STALLED]: 'stalled',
  [STOPPED]: 'stopped',
  [DEAD]: 'idle',
  [WAITS_FOR_GRANT]: 'arbitration',
  [WAITS_FOR_ENGINE]: 'barrier',
  [HUNG]: 'hung',
  [DELAYED]: 'running',
};
const STATE_NUMBERS: readonly number[] = Object.values(STATES).map((state) => STREAM_STATES.indexOf(state));

function stateNumber(processor: CommandProcessor): number {
  const { state } = processor;
  const moves = state === RUNNABLE && processor.inTransfer && processor.computation === null;
  return moves ? MOVES : (STATE_NUMBERS[state] as number);
}

export function packMonitors(sync: SyncManager): PackedSnapshot['monitors'] {
  const packed: number[] = [];
  sync.forEachArmed((index, { asid, payloadAddress, payloadData, condition, pending }) => {
    packed.push(index, asid, payloadAddress, payloadData, condition, pending);
    const dcore = Math.floor(index / MONITORS_PER_DCORE);
    const first = dcore * SOBS_PER_DCORE + decodeMonitorArm(condition).group * SOBS_PER_GROUP;
    for (let bit = 0; bit < MONITOR.NUMBERS - MONITOR.VALUES; bit++) packed.push(sync.values[first + bit] as number);
  });
  return Float64Array.from(packed);
}

export function packSyncObjects({ values, owners }: SyncManager): PackedSnapshot['syncObjects'] {
  const packed: number[] = [];
  for (let object = 0; object < values.length; object++) {
    const value = values[object] as number;
    if (value !== 0) packed.push(object, value, owners[object] as number);
  }
  return Uint32Array.from(packed);
}

/** By context and engine, those that were used. */
export function packEngineTimes(contexts: readonly Context[], nowNs: number): PackedSnapshot['engineTimes'] {
  const packed: number[] = [];
  for (const context of contexts)
    context.forEachQueueManager(({ engineId, times }) => {
      if (!times.isUsed) return;
      const { busyNs, waitSyncNs, waitMemoryNs } = times.at(nowNs);
      packed.push(engineId, context.asid, busyNs, waitSyncNs, waitMemoryNs);
    });
  return Float64Array.from(packed);
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
  const used = usedManagers(contexts);
  return ENGINES.map((name, id) => {
    const hung = hangs(id);
    const kind = name.slice(0, 3);
    if (!hasQueueManager(name)) {
      const status = mmeStatusOfAll(used[id - 1], hung);
      return { name, idle: status !== 0, qmGlblSts0: undefined, qmCgmSts: undefined, status };
    }
    let idleBits = globalStatus(undefined, hung);
    let stopBits = 0;
    let core = dmaCoreStatus(undefined, hung);
    for (const qm of used[id] ?? []) {
      const word = globalStatus(qm, hung);
      idleBits &= word;
      stopBits |= word;
      core |= dmaCoreStatus(qm, hung);
    }
    const qmGlblSts0 = (idleBits | (stopBits & STOP_BITS)) >>> 0;
    const qmCgmSts = clockGateStatus(qmGlblSts0);
    const idle = qmCgmSts !== 0 && core === 0;
    const status = kind === 'MME' ? mmeStatusOfAll(used[id], hung) : engineStatusWord(kind, core >>> 0, hung);
    return { name, idle, qmGlblSts0, qmCgmSts, status };
  });
}

/** By engine id, those of all contexts: of a context with many engines few are used. */
function usedManagers(contexts: readonly Context[]): QueueManager[][] {
  const used: QueueManager[][] = ENGINES.map(() => []);
  for (const context of contexts) context.forEachQueueManager((qm) => void used[qm.engineId]?.push(qm));
  return used;
}

const STOP_BITS = 0xffff_0000;

function engineStatusWord(kind: string, core: number, hung: boolean): number | undefined {
  if (kind === 'DMA') return core;
  return kind === 'TPC' ? (hung ? 0 : TPC_STATUS_IDLE) : undefined;
}

/** `used`: queue managers of the engine itself, or for a slave of its master. */
function mmeStatusOfAll(used: readonly QueueManager[] | undefined, hung: boolean): number {
  let status = mmeStatus(undefined, hung);
  for (const qm of used ?? []) status &= mmeStatus(qm, hung);
  return status;
}
