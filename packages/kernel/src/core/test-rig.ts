/**
 * The kernel core on silicon in the same thread, under a virtual clock: for the unit tests beside it.
 *
 * Owns: the machine of a test, and the check that nothing is left at its end. Must not know the daemon.
 */
import { LeakTracker, VirtualClock } from '@pedrera/base';
import { CFG_BASE, HBM_BANK_SIZE, HBM_SIZE, SRAM_BASE, sobAddress } from '@pedrera/hw';
import { createFabric, InProcessDevice, runAllUntilIdle } from '@pedrera/silicon';
import { type Chunk, DEVICE_STATUS } from '@pedrera/uapi';
import { type MappedView, ProcessMemory, SharedMemory } from '@pedrera/wire';
import { CommandBuffer } from './command-buffer.js';
import { type CsRequest, type CsResult, submitCs } from './cs.js';
import { HlDevice } from './device.js';
import { Machine } from './machine.js';
import type { MachineDescription } from './machine-file.js';
import { type NodeKind, OpenFile } from './open-file.js';
import { POLICIES, type PolicyName } from './policy.js';
import type { Settings } from './settings.js';
import type { Submission } from './submission.js';
import { submitDefault } from './submit.js';

export class TestRig {
  readonly clock = new VirtualClock();
  readonly tracker = new LeakTracker({ recordStacks: true });
  readonly warnings: string[] = [];
  readonly machine: Machine;
  readonly #hardware: InProcessDevice[];
  readonly #hbm: SharedMemory[];
  readonly #views = new Map<Uint8Array, MappedView>();
  readonly #files = new Set<OpenFile>();

  constructor(
    policy: PolicyName,
    devices = 1,
    settings: Partial<Settings> = {},
    kill?: (pid: number) => void,
    description?: MachineDescription,
  ) {
    this.#hbm = Array.from({ length: devices }, (_, i) => SharedMemory.create(`test-hbm${i}`, HBM_SIZE));
    const fabric = createFabric(devices);
    const bank = (device: number, index: number) =>
      this.#map(this.#hbm[device] as SharedMemory, index * HBM_BANK_SIZE, HBM_BANK_SIZE);
    this.#hardware = fabric.map(
      (ends, index) =>
        new InProcessDevice({
          index,
          clock: this.clock,
          fabric: ends,
          memory: {
            hbmBank: (i) => bank(index, i),
            peerHbmBank: bank,
            mapBusRegion: ({ memory, size }) => {
              if (memory.kind !== 'fd') {
                throw new Error('shared memory needs no mapping');
              }
              return this.#map(SharedMemory.fromFd(memory.fd, memory.offset + size), memory.offset, size);
            },
            openProcess: (pid) => new ProcessMemory(pid),
            unmapBusRegion: (_, bytes) => this.#unmap(bytes),
          },
        }),
    );
    const log = {
      warn: (_: object, message: string) => void this.warnings.push(message),
      error: (_: object, message: string) => void this.warnings.push(message),
    };
    this.machine = new Machine({
      devices: this.#hardware.map(
        (hardware, i) =>
          new HlDevice({
            hardware,
            hbm: this.#hbm[i] as SharedMemory,
            policy: POLICIES[policy],
            clock: this.clock,
            tracker: this.tracker,
            log,
            settings,
            ...(kill === undefined ? {} : { kill }),
          }),
      ),
      policy: POLICIES[policy],
      clock: this.clock,
      tracker: this.tracker,
      hostMemoryLimit: 2 ** 34,
      settings,
      ...(description === undefined ? {} : { description }),
    });
  }

  device(index = 0): HlDevice {
    return this.machine.devices[index] as HlDevice;
  }

  async open(device = 0, node: NodeKind = 'primary', pid = 1000 + this.#files.size): Promise<OpenFile> {
    const owner = this.device(device);
    if (node === 'control') {
      owner.checkControlOpen();
    }
    const file = new OpenFile({
      device: owner,
      node,
      context: node === 'primary' ? await owner.contexts.open(pid) : undefined,
      hostMemoryLimit: this.machine.hostMemoryLimit,
      tracker: this.tracker,
    });
    this.#files.add(file);
    return file;
  }

  /** A command buffer of `file` with packets written by `encode`, which returns the index behind them. */
  commandBuffer(file: OpenFile, encode: (words: Uint32Array) => number): { handle: bigint; size: number } {
    const buffer = new CommandBuffer(file, file.requireContext, 4096);
    const bytes = buffer.range.bytes();
    const end = encode(new Uint32Array(bytes.buffer, bytes.byteOffset, 1024));
    return { handle: BigInt(buffer.id) << 12n, size: 4 * end };
  }

  submit(
    file: OpenFile,
    queueIndex: number,
    encode: (words: Uint32Array) => number,
    { flags = 0, timeoutSec = 0 } = {},
  ): Submission {
    const chunk = { ...this.commandBuffer(file, encode), queueIndex, flags: 0 };
    return submitDefault(file, [chunk], { flags, timeoutSec, defaultTimeoutNs: file.device.settings.defaultTimeoutNs });
  }

  /** The CS call; what is not given is what a caller leaves zero. */
  cs(file: OpenFile, req: Partial<CsRequest>): CsResult | Promise<CsResult> {
    return submitCs(file, {
      flags: 0,
      chunksRestore: [],
      chunksExecute: [],
      timeoutSec: 0,
      stagedSeq: 0,
      reservation: 0,
      signals: { count: 0, queue: 0 },
      ...req,
    });
  }

  /** A CS call that answers at once, as all do but those with a restore phase. */
  csNow(file: OpenFile, req: Partial<CsRequest>): CsResult {
    const result = this.cs(file, req);
    if (result instanceof Promise) {
      throw new Error('the call waits for its restore phase');
    }
    return result;
  }

  chunk(file: OpenFile, queueIndex: number, encode: (words: Uint32Array) => number): Chunk {
    return { ...this.commandBuffer(file, encode), queueIndex, flags: 0 };
  }

  /** A chunk for an internal queue, its packets written into SRAM at `address`. */
  async sramChunk(queueIndex: number, address: number, encode: (words: Uint32Array) => number): Promise<Chunk> {
    const words = new Uint32Array(1024);
    const size = 4 * encode(words);
    await this.device().hardware.writeSram(address - SRAM_BASE, new Uint8Array(words.buffer, 0, size));
    return { handle: BigInt(address), size, queueIndex, flags: 0 };
  }

  /** Value of a sync object. */
  sob(dcore: number, sob: number): Promise<number> {
    return this.device().hardware.readRegister(sobAddress(dcore, sob) - CFG_BASE);
  }

  /** Lets the devices work until nothing moves, and the kernel hear of it. */
  run(): void {
    runAllUntilIdle(this.#hardware);
    for (const device of this.machine.devices) {
      device.drainInterrupts();
    }
  }

  /** Lets a reset that was asked for come to its end: time goes on as far as it waits. */
  async finishReset(index = 0): Promise<void> {
    const device = this.device(index);
    await this.settle();
    for (let i = 0; i < 10_000 && device.status === DEVICE_STATUS.IN_RESET; i++) {
      await this.settle();
      this.clock.advance(10e6);
    }
    await this.settle();
  }

  /** Lets answers of the devices arrive. */
  async settle(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
  }

  async close(file: OpenFile): Promise<void> {
    this.#files.delete(file);
    await file.release();
    await this.settle();
  }

  /** Closes what is open and fails if any object outlives it. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const file of [...this.#files]) {
      await this.close(file);
    }
    this.run();
    await Promise.all(this.machine.devices.map((device) => device.contexts.stop()));
    await this.settle();
    this.tracker.assertEmpty();
    for (const hardware of this.#hardware) {
      await hardware.close();
    }
    for (const memory of this.#hbm) {
      memory.close();
    }
    for (const view of this.#views.values()) {
      view.unmap();
    }
  }

  #map(memory: SharedMemory, offset: number, size: number): Uint8Array {
    const view = memory.map(offset, size);
    this.#views.set(view.bytes, view);
    return view.bytes;
  }

  #unmap(bytes: Uint8Array): void {
    this.#views.get(bytes)?.unmap();
    this.#views.delete(bytes);
  }
}
