/**
 * Measures the machine itself, without kernel or thread around it: packets a second, monitor round trips a second, bytes a
 * second. For packages/bench; the clock comes from there.
 */

import { type Clock, RealClock } from '@pedrera/base';
import {
  busAddress,
  type ContextRights,
  createRingBuffer,
  DCORE,
  encodeFence,
  encodeLinDma,
  encodeMsgShort,
  encodeNop,
  fenceRdataAddress,
  HBM_BANK_SIZE,
  InterruptFifo,
  MONITORS_PER_DCORE,
  monitorArm,
  RING_ENTRIES,
  RingView,
  ringAdvance,
  SOBS_PER_DCORE,
  sobValue,
} from '@pedrera/hw';
import { Gaudi } from './gaudi.js';

type Stopwatch = Pick<Clock, 'nowNs'>;

const ASID = 1;
const BUFFER_SLOT = 1000;
const BUFFER_BYTES = 2 * 2 ** 20;
const HBM_USER = 0x2000_0000;

const RIGHTS: ContextRights = {
  physicalHbm: true,
  sram: null,
  sync: [{ dcore: DCORE.E_N, firstSob: 0, sobs: SOBS_PER_DCORE, firstMonitor: 0, monitors: MONITORS_PER_DCORE }],
  failOnFault: false,
};

/** One machine with one context; command buffers of BUFFER_BYTES in one bus slot. */
class Bench {
  readonly machine: Gaudi;
  readonly #buffers: SharedArrayBuffer;
  readonly #rings = new Map<number, { ring: RingView; pi: number }>();

  constructor(buffers: number, hbmBank: (bank: number) => Uint8Array) {
    // A machine reads the time itself, at what that costs; the stopwatch is for whoever measures.
    this.machine = new Gaudi({
      index: 0,
      clock: new RealClock(),
      memory: { hbmBank },
      interrupts: new InterruptFifo(),
    });
    this.machine.createContext(ASID, RIGHTS);
    this.#buffers = new SharedArrayBuffer(buffers * BUFFER_BYTES);
    this.machine.addBusRegion({
      slot: BUFFER_SLOT,
      size: this.#buffers.byteLength,
      memory: { kind: 'shared', buffer: this.#buffers, offset: 0 },
    });
  }

  buffer(index: number): Uint32Array {
    return new Uint32Array(this.#buffers, index * BUFFER_BYTES, BUFFER_BYTES / 4);
  }

  submit(queue: number, buffer: number, words: number): void {
    let entry = this.#rings.get(queue);
    if (entry === undefined) {
      const shared = createRingBuffer();
      this.machine.createRing(ASID, queue, { buffer: shared, slot: queue });
      entry = { ring: new RingView(shared), pi: 0 };
      this.#rings.set(queue, entry);
    }
    entry.ring.writeDescriptor(entry.pi, busAddress(BUFFER_SLOT, buffer * BUFFER_BYTES), words * 4, 0);
    entry.pi = ringAdvance(entry.pi, entry.ring.length);
    this.machine.ringDoorbell(ASID, queue, entry.pi);
  }
}

function noHbm(): Uint8Array {
  return new Uint8Array(0);
}

/** Packets a second through one stream: NOPs and sync-object writes that nobody watches, half and half. */
export function measurePacketRate(packets: number, clock: Stopwatch = new RealClock()): number {
  const bench = new Bench(1, noHbm);
  const words = bench.buffer(0);
  const perBuffer = Math.min(packets, words.length / 2);
  for (let i = 0, at = 0; i < perBuffer; i++) {
    const sob = (i >> 1) % SOBS_PER_DCORE;
    if (i % 2 === 0) at = encodeNop(words, at);
    else at = encodeMsgShort(words, at, { base: 1, addressOffset: 4 * sob, value: sobValue('set', i & 0x7fff) });
  }
  const buffers = Math.ceil(packets / perBuffer);
  const startNs = clock.nowNs();
  for (let submitted = 0; submitted < buffers; ) {
    const batch = Math.min(buffers - submitted, RING_ENTRIES);
    for (let i = 0; i < batch; i++) bench.submit(0, 0, perBuffer * 2);
    bench.machine.pump();
    submitted += batch;
  }
  const seconds = (clock.nowNs() - startNs) / 1e9;
  return bench.machine.snapshot().counters.packets / seconds;
}

/** Rounds a second of a ping-pong between two streams: each waits for the other's object by monitor and fence. */
export function measureMonitorRoundTrips(rounds: number, clock: Stopwatch = new RealClock()): number {
  const bench = new Bench(2, noHbm);
  const perBuffer = Math.min(rounds, 10_000);
  const sizes = [0, 1].map((side) => encodePingPong(bench.buffer(side), side, perBuffer));
  const startNs = clock.nowNs();
  let done = 0;
  while (done < rounds) {
    for (const side of [0, 1]) bench.submit(side, side, sizes[side] as number);
    bench.machine.pump();
    // The counts start over in the next buffers.
    bench.machine.clearSyncObjects(DCORE.E_N, 0, 16);
    done += perBuffer;
  }
  const seconds = (clock.nowNs() - startNs) / 1e9;
  const { monitorsFired } = bench.machine.snapshot().counters;
  if (monitorsFired !== 2 * done) throw new Error(`${monitorsFired} monitors fired in ${done} rounds`);
  return done / seconds;
}

/** Side 0 sets object 0 and waits for object 8, side 1 the other way round. Returns the size in dwords. */
function encodePingPong(words: Uint32Array, side: number, rounds: number): number {
  const own = side * 8;
  const other = 8 - own;
  const monitorRegister = (offset: number) => ({ base: 0, addressOffset: offset + 4 * side });
  const fence = fenceRdataAddress(side, 0);
  let at = encodeMsgShort(words, 0, { ...monitorRegister(0), value: fence % 2 ** 32 });
  at = encodeMsgShort(words, at, { ...monitorRegister(0x800), value: Math.floor(fence / 2 ** 32) });
  at = encodeMsgShort(words, at, { ...monitorRegister(0x1000), value: 1 });
  for (let round = 1; round <= rounds; round++) {
    const arm = monitorArm({ group: other / 8, mask: 0xfe, mode: 'eq', value: round });
    const signal = { base: 1, addressOffset: 4 * own, value: sobValue('set', round) };
    if (side === 0) at = encodeMsgShort(words, at, signal);
    at = encodeMsgShort(words, at, { ...monitorRegister(0x1800), value: arm });
    at = encodeFence(words, at, { id: 0, target: 1, dec: 1 });
    if (side === 1) at = encodeMsgShort(words, at, signal);
  }
  return at;
}

/** Bytes a second of LIN_DMA copies of `size` bytes within HBM, into memory that has been touched before. */
export function measureDmaRate(size: number, copies: number, clock: Stopwatch = new RealClock()): number {
  const banks = new Map<number, Uint8Array>();
  const bench = new Bench(1, (bank) => {
    const bytes = banks.get(bank) ?? new Uint8Array(HBM_BANK_SIZE);
    banks.set(bank, bytes);
    return bytes;
  });
  const words = bench.buffer(0);
  const src = HBM_USER;
  const dst = HBM_BANK_SIZE;
  // Memory that was never written is one page of zeros for the host's processor: copying it would measure its cache.
  const source = new Uint8Array(HBM_BANK_SIZE);
  source.fill(0x5a, src, src + size);
  banks.set(0, source);
  const end = encodeLinDma(words, 0, { size, src, dst });
  bench.submit(0, 0, end);
  bench.machine.pump();
  const startNs = clock.nowNs();
  for (let copy = 0; copy < copies; copy++) {
    bench.submit(0, 0, end);
    bench.machine.pump();
  }
  return (size * copies * 1e9) / (clock.nowNs() - startNs);
}
