/** Takes the picture of a machine that debugging tools show: every stream, armed monitors, engines. Changes nothing. */

import {
  type ArmedMonitor,
  type DeviceSnapshot,
  decodeMonitorArm,
  ENGINES,
  fenceRdataAddress,
  MONITORS_PER_DCORE,
  packetWords,
  SOBS_PER_DCORE,
  SOBS_PER_GROUP,
  type StreamSnapshot,
  type StreamState,
} from '@pedrera/hw';
import type { BusMemory } from './bus-memory.js';
import { type CommandProcessor, DEAD, FENCED, IDLE, RUNNABLE, STALLED, STOPPED } from './command-processor.js';
import type { SyncManager } from './sync-manager.js';

export function streamSnapshot(processor: CommandProcessor, bus: BusMemory): StreamSnapshot {
  const { asid, queue, pi, fetched, ring, fenceId, fenceTarget } = processor;
  return {
    asid,
    queue,
    pi,
    fetched,
    completed: ring.completed,
    state: streamState(processor),
    head: headPacket(processor, bus),
    fence:
      processor.state === FENCED
        ? {
            id: fenceId,
            target: fenceTarget,
            value: processor.fences[fenceId] as number,
            rdataAddress: fenceRdataAddress(queue, fenceId),
          }
        : null,
    fenceCounters: [...processor.fences],
  };
}

function streamState(processor: CommandProcessor): StreamState {
  switch (processor.state) {
    case RUNNABLE:
      return processor.inTransfer ? 'dma' : 'running';
    case FENCED:
      return 'fence';
    case STALLED:
      return 'stalled';
    case STOPPED:
      return 'stopped';
    case IDLE:
    case DEAD:
      return 'idle';
  }
}

function headPacket(processor: CommandProcessor, bus: BusMemory): StreamSnapshot['head'] {
  const { at, start, end } = processor;
  const words = bus.block(processor.bufferSlot)?.words;
  if (at >= end || words === undefined) return null;
  // An undefined opcode has no size; its header says which it is.
  const size = Math.min(packetWords(words, at) || 2, end - at);
  return { words: [...words.subarray(at, at + size)], offset: (at - start) * 4, bytes: (end - start) * 4 };
}

export function armedMonitors(sync: SyncManager): ArmedMonitor[] {
  const armed: ArmedMonitor[] = [];
  sync.forEachArmed((index, { asid, payloadAddress, payloadData, condition }) => {
    const dcore = Math.floor(index / MONITORS_PER_DCORE);
    const { group, mask, mode, value } = decodeMonitorArm(condition);
    const objects: { sob: number; value: number }[] = [];
    for (let bit = 0; bit < SOBS_PER_GROUP; bit++) {
      const sob = group * SOBS_PER_GROUP + bit;
      if ((mask & (1 << bit)) === 0) objects.push({ sob, value: sync.values[dcore * SOBS_PER_DCORE + sob] as number });
    }
    const monitor = index % MONITORS_PER_DCORE;
    armed.push({ dcore, monitor, asid, payloadAddress, payloadData, mode, value, mask, group, objects });
  });
  return armed;
}

/** In the order of ENGINES. A stream that waits on a fence keeps its engine from being idle (device.md 4.5). */
export function engineStates(processors: Iterable<CommandProcessor>): DeviceSnapshot['engines'] {
  const busy = new Set<number>();
  for (const processor of processors) if (processor.state !== IDLE) busy.add(processor.engine);
  return ENGINES.map((name, id) => ({ name, busy: busy.has(id) }));
}
