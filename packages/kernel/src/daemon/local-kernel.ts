/**
 * The daemon without sockets, threads and real time: its machine on silicon in the caller's thread, its dispatch fed by hand.
 * What the conformance suite runs in process.
 *
 * Owns: when work and time move on. Must not know what is called.
 */
import type { LeakTracker, VirtualClock } from '@pedrera/base';
import type { PeerCredentials } from '@pedrera/wire';
import type { MachineDescription } from '../core/machine-file.js';
import type { PolicyName } from '../core/policy.js';
import type { Settings } from '../core/settings.js';
import { TestRig } from '../core/test-rig.js';
import { type LocalConnection, LocalSessions } from './local-sessions.js';

/** More than any reset has steps. */
const MAX_CLOSING_ROUNDS = 1000;

export interface LocalKernelOptions {
  readonly devices: number;
  readonly policy: PolicyName;
  readonly settings?: Partial<Settings>;
  readonly description?: MachineDescription;
}

export class LocalKernel {
  readonly #rig: TestRig;
  readonly #sessions: LocalSessions;

  constructor({ devices, policy, settings = {}, description }: LocalKernelOptions) {
    this.#rig = new TestRig(policy, devices, settings, undefined, description);
    for (const device of this.#rig.machine.devices) {
      device.life.start();
    }
    this.#sessions = new LocalSessions(this.#rig.machine);
  }

  /** What the log says of bugs: lines of level error and above. */
  get complaints(): string[] {
    return this.#sessions.complaints;
  }

  get clock(): VirtualClock {
    return this.#rig.clock;
  }

  get tracker(): LeakTracker {
    return this.#rig.tracker;
  }

  /** `heard` gets each message the kernel sends. */
  connect(heard: (message: readonly unknown[]) => void, peer: PeerCredentials): LocalConnection {
    return this.#sessions.connect(heard, peer);
  }

  /** Lets the devices work until nothing moves, and promises of the kernel settle. */
  async run(): Promise<void> {
    this.#rig.run();
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Moves time to the next deadline. False when there is none. */
  advance(): boolean {
    const { clock } = this.#rig;
    const next = clock.nextNs;
    if (next === undefined) {
      return false;
    }
    clock.advance(Math.max(0, next - clock.nowNs()));
    return true;
  }

  async close(): Promise<void> {
    await this.#sessions.drain();
    const quiet = Promise.all(this.#rig.machine.devices.map((device) => device.life.quiesce()));
    // A reset that still runs waits for time to pass.
    let done = false;
    void quiet.then(() => {
      done = true;
    });
    for (let rounds = 0; rounds < MAX_CLOSING_ROUNDS && !done; rounds++) {
      await this.run();
      this.advance();
    }
    await quiet;
    await this.#rig[Symbol.asyncDispose]();
  }
}
