/**
 * A device's thread: hosts the silicon, gives it its memory, sleeps when there is nothing to do.
 *
 * Owns: the loop and the mappings of this thread. Must not know contexts or packets: it passes control messages on.
 */
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { HlError, RealClock } from '@pedrera/base';
import { DoorbellFifo, FabricFifo, HBM_BANK_SIZE, HBM_SIZE, InterruptFifo, transferables } from '@pedrera/hw';
import { Gaudi } from '@pedrera/silicon';
import {
  currentProcessor,
  type MappedView,
  ProcessMemory,
  SharedMemory,
  ThreadProcessors,
  yieldProcessor,
} from '@pedrera/wire';
import { type ControlMessage, type FromSilicon, POWERED_UP, type SiliconData } from './silicon-protocol.js';

const data = workerData as SiliconData;
const port = parentPort;
if (port === null) {
  throw new Error('this file runs as a worker of the daemon');
}

/** A stream that found no room tries again after this long, unless somebody wakes the thread earlier. */
const STALLED_SLEEP_MS = 1;

/**
 * How long the thread keeps looking before it sleeps. Waking a thread costs more than most submissions take to run; a
 * client that submits again right away finds it awake. Longer only while looking pays off.
 */
const SPIN_MIN_NS = 5_000;
const SPIN_MAX_NS = 400_000;
const LOOKS_IN_A_ROW = 64;

const hbm = data.hbmFds.map((fd) => SharedMemory.fromFd(fd, HBM_SIZE));
const views = new Map<Uint8Array, MappedView>();
const doorbells = data.doorbells.map((buffers) => new DoorbellFifo(buffers));
const ownDoorbells = doorbells[data.index] as DoorbellFifo;

function hbmBank(device: number, bank: number): Uint8Array {
  return (hbm[device] as SharedMemory).map(bank * HBM_BANK_SIZE, HBM_BANK_SIZE).bytes;
}

/** A process that is gone before its memory was ever used has none. */
function openProcess(pid: number): ProcessMemory | undefined {
  try {
    return new ProcessMemory(pid);
  } catch (error) {
    if (error instanceof HlError) {
      return undefined;
    }
    throw error;
  }
}

function say(message: FromSilicon): void {
  port?.postMessage(message);
}

const clock = new RealClock({ keepAlive: false });
const machine = new Gaudi({
  index: data.index,
  clock,
  memory: {
    hbmBank: (bank) => hbmBank(data.index, bank),
    peerHbmBank: hbmBank,
    mapBusRegion: ({ size, memory }) => {
      if (memory.kind !== 'fd') {
        throw new Error('shared memory needs no mapping');
      }
      // The descriptor stays the main thread's: it outlives the region.
      const view = SharedMemory.fromFd(memory.fd, memory.offset + size).map(memory.offset, size);
      views.set(view.bytes, view);
      return view.bytes;
    },
    openProcess,
    unmapBusRegion: (_, bytes) => {
      views.get(bytes)?.unmap();
      views.delete(bytes);
    },
  },
  interrupts: new InterruptFifo(data.interrupts),
  doorbells: ownDoorbells,
  fabricIn: data.fabricIn.map(({ buffer }) => new FabricFifo(buffer)),
  fabricOut: new Map(data.fabricOut.map(({ peer, buffer }) => [peer, new FabricFifo(buffer)])),
  onInterrupt: () => {
    if (ownDoorbells.raiseInterrupt()) {
      say(null);
    }
  },
  onFabricWrite: (device) => doorbells[device]?.wake(),
  collapseRepeatedDma: data.collapseRepeatedDma,
});

/** Messages taken from the port and not yet applied. */
let waiting: ControlMessage | undefined;
/** What the doorbells' sequence was when the port was last found empty. */
let emptyAt: number | undefined;

/**
 * Asked at every turn of every stream, and asking the port costs more than a short turn does. Whoever posts a message wakes
 * the thread after it and before any doorbell that relies on it, so without a wake-up there is nothing new.
 */
function controlWaits(): boolean {
  const { sequence } = ownDoorbells;
  if (waiting === undefined && sequence !== emptyAt) {
    waiting = receiveMessageOnPort(port as NonNullable<typeof port>)?.message as ControlMessage | undefined;
    if (waiting === undefined) {
      emptyAt = sequence;
    }
  }
  return waiting !== undefined;
}

/** False when the thread is to end. */
function applyControl(): boolean {
  while (controlWaits()) {
    const { method, args, answer } = waiting as ControlMessage;
    waiting = undefined;
    if (method === 'close') {
      return false;
    }
    if (method === 'snapshot') {
      const packed = machine.packedSnapshot();
      port?.postMessage({ answer, value: packed } satisfies FromSilicon, transferables(packed));
      continue;
    }
    const apply = machine[method] as (...values: readonly unknown[]) => unknown;
    if (answer === 0) {
      apply.apply(machine, args);
    } else {
      say(answerOf(answer, () => apply.apply(machine, args)));
    }
  }
  return true;
}

/** Only who waits for an answer can be told of a refusal; any other is a bug that ends the thread. */
function answerOf(answer: number, call: () => unknown): FromSilicon {
  try {
    return { answer, value: call() };
  } catch (error) {
    return { answer, value: undefined, error: error instanceof Error ? error.message : String(error) };
  }
}

const processors = new ThreadProcessors();
let spinNs = SPIN_MIN_NS;

/** Waits until somebody rings. */
function rest(sequence: number): void {
  const since = clock.nowNs();
  if (!looksUntil(sequence, since + spinNs)) {
    processors.restore();
    ownDoorbells.sleep(sequence);
  }
  const worthIt = clock.nowNs() - since <= SPIN_MAX_NS;
  spinNs = worthIt ? Math.min(SPIN_MAX_NS, spinNs * 2) : Math.max(SPIN_MIN_NS, spinNs / 2);
}

/**
 * True if somebody rang before the deadline. Not on the processor of the thread that does the ringing, which could not ring
 * meanwhile; where there is no other, this gives up at once.
 */
function looksUntil(sequence: number, deadlineNs: number): boolean {
  do {
    const { hostProcessor } = ownDoorbells;
    if (currentProcessor() === hostProcessor && !processors.avoid(hostProcessor)) {
      return false;
    }
    for (let i = 0; i < LOOKS_IN_A_ROW; i++) {
      if (ownDoorbells.sequence !== sequence) {
        return true;
      }
    }
    yieldProcessor();
  } while (clock.nowNs() < deadlineNs);
  return false;
}

say({ answer: POWERED_UP, value: undefined });
for (;;) {
  const sequence = ownDoorbells.sequence;
  if (!applyControl()) {
    break;
  }
  const state = machine.pump(controlWaits);
  if (state === 'idle') {
    rest(sequence);
  } else if (state === 'stalled') {
    ownDoorbells.sleep(sequence, STALLED_SLEEP_MS);
  }
}
machine.close();
for (const view of views.values()) {
  view.unmap();
}
port.close();
