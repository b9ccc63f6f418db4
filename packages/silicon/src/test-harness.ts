/**
 * What silicon's tests share: a device with small fake memories, command buffers written packet by packet, and a record of
 * what the device told the host. Plays the kernel's part, without any of its rules.
 */

import {
  BUS_SLOT_SIZE,
  busAddress,
  type ContextRights,
  completionAddress,
  completionWord,
  createRingBuffer,
  DCORE,
  encodeArbPoint,
  encodeCpDma,
  encodeFence,
  encodeLinDma,
  encodeLoadAndExe,
  encodeMsgLong,
  encodeMsgProt,
  encodeMsgShort,
  encodeNop,
  encodeWait,
  encodeWreg32,
  encodeWregBulk,
  type FaultRecord,
  fenceRdataAddress,
  HBM_BANK_SIZE,
  type InterruptSink,
  type MonitorCondition,
  monitorArm,
  monitorRegisters,
  msiAddress,
  type PacketInput,
  QUEUES,
  RingView,
  ringAdvance,
  SRAM_SIZE,
  type SyncLease,
  sobAddress,
  sobValue,
} from '@pedrera/hw';
import { InProcessDevice, type InProcessDeviceOptions } from './in-process-device.js';

/** Where tests put things: HBM memory near the start of bank 1, command buffers and host memory in slots of their own. */
export const HBM = HBM_BANK_SIZE;
export const BANK_BYTES = 2 ** 20;
export const HOST_VA = 0x1_0000_0020_0000;
const COMMAND_SLOT = 1;
export const HOST_SLOT = 2;
const COMMAND_BYTES = 2 ** 21;
const FIRST_RING_SLOT = 100;
/** Command buffers in HBM lie behind what the tests move around. */
const HBM_COMMANDS = 2 ** 19;

export function leaseOf(
  dcore: number,
  firstSob: number,
  sobs: number,
  firstMonitor: number,
  monitors: number,
): SyncLease {
  return { dcore, firstSob, sobs, firstMonitor, monitors };
}

/** All of E_N, all of HBM. */
export const OPEN_RIGHTS: ContextRights = {
  physicalHbm: true,
  sram: null,
  sync: [leaseOf(DCORE.E_N, 0, 2048, 0, 512)],
  failOnFault: false,
};

export function rights(changes: Partial<ContextRights> = {}): ContextRights {
  return { physicalHbm: false, sram: null, sync: [], failOnFault: false, ...changes };
}

/** A command buffer in the making. */
export class Packets {
  #words = new Uint32Array(1024);
  at = 0;

  /** With room for at least a packet of 8 dwords behind `at`. */
  get words(): Uint32Array {
    this.#reserve(8);
    return this.#words;
  }

  #reserve(words: number): void {
    while (this.at + words > this.#words.length) {
      const larger = new Uint32Array(2 * this.#words.length);
      larger.set(this.#words);
      this.#words = larger;
    }
  }

  raw(...words: number[]): this {
    this.words.set(words, this.at);
    this.at += words.length;
    return this;
  }
  nop(count = 1, input: PacketInput<'NOP'> = {}): this {
    for (let i = 0; i < count; i++) this.at = encodeNop(this.words, this.at, input);
    return this;
  }
  cpDma(src: number, size: number, more: Partial<PacketInput<'CP_DMA'>> = {}): this {
    this.at = encodeCpDma(this.words, this.at, { ...more, src, size });
    return this;
  }
  wreg(regOffset: number, value: number, more: Partial<PacketInput<'WREG_32'>> = {}): this {
    this.at = encodeWreg32(this.words, this.at, { ...more, regOffset, value });
    return this;
  }
  bulk(regOffset: number, values: readonly number[]): this {
    this.#reserve(values.length + 8);
    this.at = encodeWregBulk(this.words, this.at, { regOffset, values });
    return this;
  }
  arb(input: PacketInput<'ARB_POINT'>): this {
    this.at = encodeArbPoint(this.words, this.at, input);
    return this;
  }
  wait(cycles: number, increment: number, id = 0): this {
    this.at = encodeWait(this.words, this.at, { cycles, increment, id });
    return this;
  }
  exe(input: PacketInput<'LOAD_AND_EXE'>): this {
    this.at = encodeLoadAndExe(this.words, this.at, input);
    return this;
  }
  get bytes(): number {
    return 4 * this.at;
  }
  dma(input: PacketInput<'LIN_DMA'>): this {
    this.at = encodeLinDma(this.words, this.at, input);
    return this;
  }
  long(address: number, value: number, more: Partial<PacketInput<'MSG_LONG'>> = {}): this {
    this.at = encodeMsgLong(this.words, this.at, { ...more, address, value });
    return this;
  }
  short(base: number, addressOffset: number, value: number): this {
    this.at = encodeMsgShort(this.words, this.at, { base, addressOffset, value });
    return this;
  }
  prot(address: number, value: number): this {
    this.at = encodeMsgProt(this.words, this.at, { address, value, mb: 1 });
    return this;
  }
  fence(input: PacketInput<'FENCE'>): this {
    this.at = encodeFence(this.words, this.at, input);
    return this;
  }
  /** A sync object of E_N by MSG_SHORT. */
  sob(sob: number, mode: 'set' | 'add', value: number): this {
    return this.short(1, 4 * sob, sobValue(mode, value));
  }
  /** A sync object of any dcore by MSG_LONG. */
  sobLong(dcore: number, sob: number, mode: 'set' | 'add', value: number): this {
    return this.long(sobAddress(dcore, sob), sobValue(mode, value));
  }
  /** Programs and arms a monitor by MSG_LONG. */
  monitor(
    dcore: number,
    monitor: number,
    payload: { address: number; data: number },
    condition: MonitorCondition,
  ): this {
    const registers = monitorRegisters(dcore, monitor);
    return this.long(registers.addressLow, payload.address % 2 ** 32)
      .long(registers.addressHigh, Math.floor(payload.address / 2 ** 32))
      .long(registers.data, payload.data)
      .long(registers.arm, monitorArm(condition));
  }
  /** The usual wait: monitor on one object of E_N, payload 1 into fence 0 of `queue`, and the fence. */
  waitFor(queue: number, monitor: number, sob: number, mode: 'ge' | 'eq', value: number): this {
    const condition = { group: sob >> 3, mask: 0xff & ~(1 << (sob & 7)), mode, value };
    return this.monitor(DCORE.E_N, monitor, { address: fenceRdataAddress(queue, 0), data: 1 }, condition).fence({
      id: 0,
      target: 1,
      dec: 1,
    });
  }
}

interface TestRing {
  readonly ring: RingView;
  readonly slot: number;
  pi: number;
}

export class TestMachine {
  readonly device: InProcessDevice;
  readonly hbm = new Map<number, Uint8Array>();
  readonly host = new SharedArrayBuffer(2 ** 20);
  readonly faults: FaultRecord[] = [];
  readonly msis: { asid: number; vector: number }[] = [];
  nowNs = 0;
  readonly #commands = new Uint32Array(new SharedArrayBuffer(COMMAND_BYTES));
  #commandsUsed = 0;
  readonly #rings = new Map<string, TestRing>();
  #nextRingSlot = FIRST_RING_SLOT;
  #hbmUsed = HBM_COMMANDS;

  constructor(options: Partial<InProcessDeviceOptions> = {}) {
    this.device = new InProcessDevice({
      clock: { nowNs: () => this.nowNs },
      memory: {
        hbmBank: (bank) => this.bank(bank),
      },
      ...options,
    });
    this.device.onInterrupt = () => this.drain();
    this.device.addBusRegion({
      slot: COMMAND_SLOT,
      size: COMMAND_BYTES,
      memory: { kind: 'shared', buffer: this.#commands.buffer as SharedArrayBuffer, offset: 0 },
    });
    this.device.addBusRegion({
      slot: HOST_SLOT,
      size: this.host.byteLength,
      memory: { kind: 'shared', buffer: this.host, offset: 0 },
    });
  }

  bank(bank: number): Uint8Array {
    const known = this.hbm.get(bank) ?? new Uint8Array(BANK_BYTES);
    this.hbm.set(bank, known);
    return known;
  }

  get hostBytes(): Uint8Array {
    return new Uint8Array(this.host);
  }

  drain(sink: Partial<InterruptSink> = {}): void {
    this.device.drainInterrupts({
      msi: (asid, vector) => void this.msis.push({ asid, vector }),
      fault: (fault) => void this.faults.push(fault),
      ...sink,
    });
  }

  /** Maps all of the test's host memory at HOST_VA. */
  mapHost(asid: number, writable = true): void {
    this.device.map(asid, {
      va: HOST_VA,
      size: this.host.byteLength,
      target: { space: 'bus', address: HOST_SLOT * BUS_SLOT_SIZE },
      writable,
    });
  }

  /** Queues a command buffer without running it; with `vector`, its tail writes the completion word and raises that MSI. */
  submit(asid: number, queue: number, fill: (packets: Packets) => void, vector?: number): number {
    const ring = this.ring(asid, queue);
    const ringSlot = ring.pi & (ring.ring.length - 1);
    const packets = new Packets();
    fill(packets);
    if (vector !== undefined)
      packets.prot(completionAddress(ring.slot, ringSlot), completionWord(ringSlot)).prot(msiAddress(vector), 1);
    this.submitAt(asid, queue, this.place(packets), packets.at * 4);
    return ringSlot;
  }

  /** Puts a command buffer into memory and returns its bus address. Memory is used again after COMMAND_BYTES. */
  place(packets: Packets): number {
    if (this.#commandsUsed + packets.at > this.#commands.length) this.#commandsUsed = 0;
    const offset = this.#commandsUsed * 4;
    this.#commands.set(packets.words.subarray(0, packets.at), this.#commandsUsed);
    this.#commandsUsed += packets.at;
    return busAddress(COMMAND_SLOT, offset);
  }

  /** Puts a command buffer where the device reads it when it executes it: HBM. Returns its device address. */
  placeInHbm(packets: Packets, address = HBM + this.#hbmUsed): number {
    const bytes = new Uint8Array(packets.words.buffer, 0, packets.bytes);
    this.bank(1).set(bytes, address - HBM);
    if (address === HBM + this.#hbmUsed) this.#hbmUsed += (packets.bytes + 63) & ~63;
    return address;
  }

  /** Queues a command buffer on an internal queue, without running it. */
  submitInternal(asid: number, queue: number, fill: (packets: Packets) => void): void {
    const packets = new Packets();
    fill(packets);
    this.submitAt(asid, queue, this.placeInHbm(packets), packets.bytes);
  }

  /** A command buffer in HBM for a lower processor: what CP_DMA takes. */
  lower(fill: (packets: Packets) => void): [src: number, size: number] {
    const packets = new Packets();
    fill(packets);
    return [this.placeInHbm(packets), packets.bytes];
  }

  submitAt(asid: number, queue: number, address: number, bytes: number): void {
    const ring = this.ring(asid, queue);
    ring.ring.writeDescriptor(ring.pi, address, bytes, ring.pi & (ring.ring.length - 1));
    ring.pi = ringAdvance(ring.pi, ring.ring.length);
    this.device.ringDoorbell(asid, queue, ring.pi);
  }

  ring(asid: number, queue: number): TestRing {
    const key = `${asid}/${queue}`;
    const known = this.#rings.get(key);
    if (known !== undefined) return known;
    const buffer = createRingBuffer();
    const ring: TestRing = { ring: new RingView(buffer, QUEUES[queue]?.length), slot: this.#nextRingSlot++, pi: 0 };
    this.device.createRing(asid, queue, { buffer, slot: ring.slot });
    this.#rings.set(key, ring);
    return ring;
  }

  forgetRings(asid: number): void {
    for (const key of this.#rings.keys()) if (key.startsWith(`${asid}/`)) this.#rings.delete(key);
  }

  /** Queues, runs until nothing can go on, and returns the faults of this run. */
  run(asid: number, queue: number, fill: (packets: Packets) => void): FaultRecord[] {
    const before = this.faults.length;
    this.submit(asid, queue, fill);
    this.device.runUntilIdle();
    return this.faults.slice(before);
  }

  state(asid: number, queue: number): string | undefined {
    return this.stream(asid, queue)?.state;
  }

  stream(asid: number, queue: number) {
    return this.device.machine.snapshot().streams.find((stream) => stream.asid === asid && stream.queue === queue);
  }

  /** Value of a sync object, as a watching monitor would show it. */
  sobOf(asid: number, sob: number): number {
    // At the top the monitor has fired and is gone.
    let found = 0x7fff;
    const scratch = 511;
    this.run(asid, 3, (p) =>
      p.monitor(
        DCORE.E_N,
        scratch,
        { address: HBM + BANK_BYTES - 4, data: 0 },
        { group: sob >> 3, mask: 0xff & ~(1 << (sob & 7)), mode: 'ge', value: 0x7fff },
      ),
    );
    for (const monitor of this.device.machine.snapshot().monitors)
      if (monitor.monitor === scratch) found = monitor.objects[0]?.value ?? found;
    return found;
  }
}

/** A machine with one context, ASID 1, that may do everything. */
export function openMachine(options: Partial<InProcessDeviceOptions> = {}): TestMachine {
  const machine = new TestMachine(options);
  machine.device.createContext(1, { ...OPEN_RIGHTS, sram: { base: 0x7f_f000_0080, size: SRAM_SIZE - 0x80 } });
  machine.mapHost(1);
  return machine;
}
