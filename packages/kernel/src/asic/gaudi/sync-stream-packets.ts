/**
 * The command buffers the driver makes itself for signal and wait submissions (device.md 3.5, 4.6, 7).
 *
 * Owns: their packets and sizes. Must not know submissions; it is told which objects and monitors to use.
 */
import {
  CFG_BASE,
  DCORE,
  encodeFence,
  encodeMsgShort,
  fenceRdataAddress,
  MSG_SHORT_BASES,
  monitorArm,
  monitorRegisters,
  SOBS_PER_GROUP,
  sobValue,
} from '@pedrera/hw';

const MSG_SHORT_BYTES = 8;
const FENCE_BYTES = 8;
/** The monitor's four registers, then the fence. */
const WAIT_BYTES = 4 * MSG_SHORT_BYTES + FENCE_BYTES;

export const SIGNAL_CB_BYTES = MSG_SHORT_BYTES;
export const WAIT_CB_BYTES = WAIT_BYTES;
/** A wait for each of two monitors. */
export const MASTER_CB_BYTES = 2 * WAIT_BYTES;
/** A wait, then the slave's own signal. */
export const SLAVE_CB_BYTES = WAIT_BYTES + MSG_SHORT_BYTES;

/** MSG_SHORT bases of W_S: its monitors, its sync objects (device.md 2.4). */
const MONITOR_BASE = 2;
const SOB_BASE = 3;
/** The fence the driver uses; users have the others. */
const DRIVER_FENCE = 2;

export interface WaitFor {
  /** Objects firstSob + i for every bit i of `select`; firstSob is a multiple of eight unless `select` is 1. */
  readonly firstSob: number;
  readonly select: number;
  readonly value: number;
  readonly monitor: number;
  /** Queue whose stream waits. */
  readonly queue: number;
}

/** Adds 1 to an object; with `eb` only when all work before it on the queue is done. Returns the index behind it. */
export function writeSignal(words: Uint32Array, at: number, sob: number, eb: boolean): number {
  const value = sobValue('add', 1);
  return encodeMsgShort(words, at, { value, base: SOB_BASE, addressOffset: 4 * sob, eb, rb: true, mb: true });
}

/** Blocks the stream until the objects have reached the value. Returns the index behind it. */
export function writeWait(
  words: Uint32Array,
  at: number,
  { firstSob, select, value, monitor, queue }: WaitFor,
): number {
  const fence = fenceRdataAddress(queue, DRIVER_FENCE);
  const { addressLow, addressHigh, data, arm } = monitorRegisters(DCORE.W_S, monitor);
  const base = CFG_BASE + (MSG_SHORT_BASES[MONITOR_BASE] as number);
  const write = (index: number, register: number, word: number, mb: boolean): number =>
    encodeMsgShort(words, index, { value: word, base: MONITOR_BASE, addressOffset: register - base, rb: true, mb });
  let next = write(at, addressLow, fence % 2 ** 32, true);
  next = write(next, addressHigh, Math.floor(fence / 2 ** 32), true);
  next = write(next, data, 1, true);
  const group = Math.floor(firstSob / SOBS_PER_GROUP);
  const mask = ~(select << (firstSob % SOBS_PER_GROUP)) & 0xff;
  next = write(next, arm, monitorArm({ group, mask, mode: 'ge', value }), true);
  return encodeFence(words, next, { id: DRIVER_FENCE, target: 1, dec: 1, rb: true, mb: true });
}
