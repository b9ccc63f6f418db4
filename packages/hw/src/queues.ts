/**
 * The queue table (device.md 2.1, uapi.md 2.8): ids, names, kinds, and which stream of which engine stands behind a queue.
 * Knows nothing of rings or submissions.
 */

export type QueueKind = 'external' | 'cpu' | 'internal';
export type EngineName = `${'DMA' | 'MME' | 'TPC' | 'NIC'}${number}` | 'CPU';

export interface QueueInfo {
  readonly id: number;
  readonly name: string;
  readonly kind: QueueKind;
  /** The hardware engine, which for MME queues is not the one in the name: MME_0 drives MME2, MME_1 drives MME0. */
  readonly engine: EngineName;
  readonly stream: number;
  /** Entries of the ring. */
  readonly length: number;
}

export const STREAMS_PER_ENGINE = 4;
export const CPU_QUEUE = 8;

function streams(firstId: number, prefix: string, kind: QueueKind, engine: EngineName, length: number): QueueInfo[] {
  return Array.from({ length: STREAMS_PER_ENGINE }, (_, stream) => ({
    id: firstId + stream,
    name: `${prefix}_${stream}`,
    kind,
    engine,
    stream,
    length,
  }));
}

function buildQueues(): QueueInfo[] {
  const queues: QueueInfo[] = [];
  for (let n = 0; n < 2; n++) queues.push(...streams(queues.length, `DMA_${n}`, 'external', `DMA${n}`, 4096));
  queues.push({ id: CPU_QUEUE, name: 'CPU_PQ', kind: 'cpu', engine: 'CPU', stream: 0, length: 4096 });
  for (let n = 2; n < 8; n++) queues.push(...streams(queues.length, `DMA_${n}`, 'internal', `DMA${n}`, 4096));
  queues.push(...streams(queues.length, 'MME_0', 'internal', 'MME2', 1024));
  queues.push(...streams(queues.length, 'MME_1', 'internal', 'MME0', 1024));
  for (let n = 0; n < 8; n++) queues.push(...streams(queues.length, `TPC_${n}`, 'internal', `TPC${n}`, 1024));
  for (let n = 0; n < 10; n++) queues.push(...streams(queues.length, `NIC_${n}`, 'internal', `NIC${n}`, 4096));
  return queues;
}

/** Indexed by queue id. */
export const QUEUES: readonly QueueInfo[] = buildQueues();
export const QUEUE_COUNT = QUEUES.length;
export const EXTERNAL_QUEUE_COUNT = 8;

const byName = new Map(QUEUES.map((queue) => [queue.name, queue]));

export function queueByName(name: string): QueueInfo | undefined {
  return byName.get(name);
}

/** A name for a queue id that may come from anywhere, for texts. */
export function queueName(id: number): string {
  return QUEUES[id]?.name ?? `queue ${id}`;
}

function engineNames(): EngineName[] {
  const names: EngineName[] = [];
  for (let n = 0; n < 8; n++) names.push(`DMA${n}`);
  for (let n = 0; n < 4; n++) names.push(`MME${n}`);
  for (let n = 0; n < 8; n++) names.push(`TPC${n}`);
  for (let n = 0; n < 10; n++) names.push(`NIC${n}`);
  return names;
}

/** Indexed by engine id, which is also its bit in the busy mask (uapi.md 2.8). */
export const ENGINES: readonly EngineName[] = engineNames();
