/**
 * Kernel, devices and clients of one run: everything that can move, and nothing that moves by itself.
 *
 * Owns: how they are put together and which moves are possible. Must not know who chooses, or what a scenario wants.
 */
import { LeakTracker, VirtualClock } from '@pedrera/base';
import type { BusRegion } from '@pedrera/hw';
import { BareKernel } from '@pedrera/kernel';
import { createFabric } from '@pedrera/silicon';
import { Box } from './box.js';
import { Complaints, checkCounts, checkNothingLeft, FreeWatch } from './checks.js';
import { Client } from './client.js';
import { ScheduledDevice } from './device.js';
import { FenceWatch } from './fence-watch.js';
import type { DeviceMemories } from './memory.js';
import { type Move, RANK } from './move.js';
import { Reach } from './reach.js';
import type { Scenario, Stage } from './scenario.js';
import { Violation } from './violation.js';

const HOST_MEMORY_LIMIT = 2 ** 30;
const FABRIC_ENTRIES = 64;
/** A deadline further away strikes only when nothing else can happen: no call takes an hour. */
const HORIZON_NS = 60e9;

/** For tests that a bug is found: breaks a kernel before it is used. Nothing outside the explorer knows of it. */
export type Sabotage = (kernel: BareKernel, devices: readonly ScheduledDevice[]) => void;

export class World implements Stage {
  readonly clients: readonly Client[];
  readonly kernel: BareKernel;
  readonly #clock = new VirtualClock();
  readonly #tracker = new LeakTracker();
  readonly #reach = new Reach();
  readonly #watch = new FreeWatch(this.#reach);
  readonly #complaints = new Complaints();
  readonly #fences: FenceWatch;
  readonly #memories: DeviceMemories;
  readonly #devices: readonly ScheduledDevice[];
  readonly #boxes = new Map<string, Box<unknown>>();
  /** What is behind the regions devices were given of segments. */
  readonly #regions = new Map<BusRegion, Uint8Array>();
  /** How often each call had which outcome: `CS`, `CS EBUSY`. */
  readonly answers = new Map<string, number>();
  /** Moves made but those of a device that looks whether its stall is over. */
  #progress = 0;

  constructor({ policy, devices, settings, turn, clients }: Scenario, memories: DeviceMemories, sabotage?: Sabotage) {
    memories.scrub();
    this.#memories = memories;
    this.#devices = createFabric(devices, FABRIC_ENTRIES).map(
      (fabric, index) =>
        new ScheduledDevice({
          index,
          clock: this.#clock,
          fabric,
          turn,
          witness: {
            posted: (from, name, args) => this.#posted(from, name, args),
            applied: (from, name, args) => this.#reach.applied(from, name, args),
          },
          memory: {
            hbmBank: (bank) => memories.hbmBank(index, bank),
            peerHbmBank: (device, bank) => memories.hbmBank(device, bank),
            sram: () => memories.sram(index),
            mapBusRegion: (region) => this.#regions.get(region) as Uint8Array,
          },
        }),
    );
    this.kernel = new BareKernel({
      policy,
      hardware: this.#devices,
      hbm: this.#devices.map(({ index }) => memories.hbm(index)),
      clock: this.#clock,
      tracker: this.#tracker,
      hostMemoryLimit: HOST_MEMORY_LIMIT,
      settings,
      log: this.#complaints.log,
    });
    for (const device of this.kernel.machine.devices) {
      this.#watch.watchDevice(device);
    }
    this.#fences = new FenceWatch(this.kernel);
    sabotage?.(this.kernel, this.#devices);
    const network = {
      connect: (heard: (message: readonly unknown[]) => void, pid: number) =>
        this.kernel.connect(heard, { pid, uid: 1000, gid: 1000 }),
      heard: (call: string, errno: string) => {
        const outcome = errno === '' ? call : `${call} ${errno}`;
        this.answers.set(outcome, (this.answers.get(outcome) ?? 0) + 1);
      },
      segment: (fd: number) => this.#segment(fd),
    };
    this.clients = clients.map((name, index) => new Client(name, index, network));
  }

  box<T>(name: string): Box<T> {
    let box = this.#boxes.get(name);
    if (box === undefined) {
      box = new Box<unknown>(name);
      this.#boxes.set(name, box);
    }
    return box as Box<T>;
  }

  /** All that can happen next, always in the same order; time is the last. */
  moves(): Move[] {
    const moves: Move[] = [];
    for (const device of this.#devices) {
      device.moves(moves);
    }
    for (const client of this.clients) {
      client.moves(moves);
    }
    for (const box of this.#boxes.values()) {
      box.moves(moves);
    }
    for (const device of this.#devices) {
      device.timeMoves(moves, this.#progress);
    }
    const nextNs = this.#clock.nextNs ?? Number.POSITIVE_INFINITY;
    const isNear = nextNs - this.#clock.nowNs() <= HORIZON_NS;
    if (isNear || (moves.length === 0 && nextNs < Number.POSITIVE_INFINITY)) {
      moves.push({
        key: 't',
        rank: RANK.time,
        settles: true,
        describe: () => `time passes, to ${nextNs / 1e6} ms`,
        run: () => this.#clock.advance(Math.max(0, nextNs - this.#clock.nowNs())),
      });
    }
    return moves;
  }

  /** Makes a move, and looks whether everything still holds. */
  async make(move: Move): Promise<void> {
    try {
      move.run();
    } catch (error) {
      // The first thing that went wrong may be the reason for it.
      this.#reach.check();
      this.#fences.checkSignals();
      throw error;
    }
    if (move.rank !== RANK.deviceTime) {
      this.#progress++;
    }
    if (move.settles) {
      await settle();
    }
    this.#check();
  }

  #posted(device: number, name: string, args: readonly unknown[]): void {
    if (name === 'addBusRegion') {
      // Looked up now: by the time the device takes it, the file may be closed.
      const region = args[0] as BusRegion;
      const { memory, size } = region;
      if (memory.kind === 'fd') {
        this.#regions.set(region, this.#segment(memory.fd).subarray(memory.offset, memory.offset + size));
      }
    }
    this.#reach.posted(device, name, args);
  }

  #check(): void {
    this.#reach.check();
    this.#fences.checkSignals();
    this.#complaints.check(this.kernel);
    const { machine } = this.kernel;
    for (const device of machine.devices) {
      this.#watch.watchFiles(device);
    }
    checkCounts(machine);
    this.#fences.check();
  }

  /** Who waits for what, for people. */
  waiting(): string[] {
    const calls = this.clients.flatMap(({ name, waitingFor }) => waitingFor.map((call) => `${name} in ${call}`));
    const boxes = [...this.#boxes].filter(([, box]) => box.listeners > 0).map(([name]) => `somebody for "${name}"`);
    return [...calls, ...boxes];
  }

  /** Under `shared`, work of who has closed ends with him; under `exclusive` it may go on for ever. */
  checkReleased(): void {
    for (const { index, policy, contexts } of this.kernel.machine.devices) {
      if (!policy.ownsDevice && contexts.size > 0) {
        throw new Violation('leak', `device ${index} still has ${contexts.size} contexts, and all files are closed`);
      }
    }
  }

  checkNothingLeft(): void {
    checkNothingLeft(this.kernel.machine, { tracker: this.#tracker, reach: this.#reach, memories: this.#memories });
  }

  powerOff(): void {
    for (const device of this.#devices) {
      device.powerOff();
    }
  }

  /** The kernel's own view of a segment serves all: one mapping instead of three. */
  #segment(fd: number): Uint8Array {
    for (const { files } of this.kernel.machine.devices) {
      for (const { hostMemory } of files) {
        for (const segment of hostMemory.segments()) {
          if (segment.memory.fd === fd) {
            return segment.bytes;
          }
        }
      }
    }
    throw new Violation('use-after-free', `no segment that is alive has the descriptor ${fd}`);
  }
}

/** Lets everything that is ready run: promises first, and whatever they make ready. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
