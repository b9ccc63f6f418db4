/**
 * What a scenario is: a few short programs that meet in the kernel.
 *
 * Owns: the shape. Must not know how they are run.
 */
import type { PolicyName, Settings } from '@pedrera/kernel';
import type { Box } from './box.js';
import type { Client } from './client.js';

/** What the programs of one run have in common. */
export interface Stage {
  /** The same box for the same name. */
  box<T>(name: string): Box<T>;
}

export interface Scenario {
  readonly name: string;
  /** One line: who races whom. */
  readonly summary: string;
  readonly policy: PolicyName;
  readonly devices: number;
  readonly settings: Partial<Settings>;
  /** Packets and bytes of a device's turn. */
  readonly turn: { readonly packets: number; readonly bytes: number };
  readonly clients: readonly string[];
  /** Brings everything to where the race begins, undisturbed. Returns the programs, one for each client. */
  readonly prepare: (clients: readonly Client[], stage: Stage) => Promise<readonly (() => Promise<void>)[]>;
}

export interface ScenarioText<C extends string> {
  readonly name: string;
  readonly summary: string;
  readonly policy?: PolicyName;
  readonly devices?: number;
  readonly settings?: Partial<Settings>;
  readonly turn?: { readonly packets: number; readonly bytes: number };
  readonly clients: readonly C[];
  readonly prepare: (
    clients: Readonly<Record<C, Client>>,
    stage: Stage,
  ) => Promise<Readonly<Record<C, () => Promise<void>>>>;
}

/** Nothing happens by itself: no heartbeat, no time-out; a reset takes as long as it takes, but no time. */
const QUIET: Partial<Settings> = {
  defaultTimeoutNs: Number.POSITIVE_INFINITY,
  dependencyTimeoutNs: Number.POSITIVE_INFINITY,
  heartbeatPeriodNs: 0,
  resetGraceNs: 1e6,
  resetDurationNs: 1e6,
  resetReleaseNs: Number.POSITIVE_INFINITY,
};

export function scenario<C extends string>(text: ScenarioText<C>): Scenario {
  const { name, summary, policy = 'shared', devices = 1, settings = {}, clients } = text;
  return {
    name,
    summary,
    policy,
    devices,
    settings: { ...QUIET, ...settings },
    turn: text.turn ?? { packets: 1, bytes: 8192 },
    clients,
    async prepare(made, stage) {
      const byName = Object.fromEntries(made.map((client) => [client.name, client])) as Record<C, Client>;
      const programs = await text.prepare(byName, stage);
      return clients.map((client) => programs[client]);
    },
  };
}
