/**
 * What a conformance test is: data, so that it can be listed, filtered, counted and run on any transport.
 *
 * Owns: the form of a test and of its name. Must not know how tests are run.
 */
import type { Env } from './env.js';
import { MODES, type Mode, type PolicyName } from './transport.js';

export const FAMILIES = [
  'node',
  'info',
  'cb',
  'cs',
  'wait',
  'memory',
  'export',
  'debug',
  'reset',
  'copy-rule',
  'files',
  'own',
] as const;
export type Family = (typeof FAMILIES)[number];

export interface ConformanceTest {
  /** `family@what-it-shows`, in the manner of igt. */
  readonly name: string;
  readonly family: Family;
  /** Rows of the table's error lists it provokes: `${entry}/${errno}/${id}`. */
  readonly covers: readonly string[];
  /** uapi.md describes `exclusive`; 'both' where `shared` must not differ. */
  readonly policy: PolicyName | 'both';
  readonly devices: number;
  readonly nics: boolean;
  readonly resetOnLockup: boolean;
  /** A kernel that no test has used before. */
  readonly fresh: boolean;
  /** Absent: all. Virtual time makes things possible that nobody would wait for. */
  readonly modes: readonly Mode[];
  /** Why it says nothing about C programs, where that is not plain from the calls it makes. */
  readonly notInC: string | undefined;
  readonly run: (env: Env) => Promise<void>;
}

export interface TestOptions {
  readonly covers?: readonly string[];
  readonly policy?: PolicyName | 'both';
  readonly devices?: number;
  readonly nics?: boolean;
  readonly resetOnLockup?: boolean;
  readonly fresh?: boolean;
  readonly modes?: readonly Mode[];
  readonly notInC?: string;
}

/** Collects the tests of a file. */
export class TestList {
  readonly tests: ConformanceTest[] = [];

  add(name: string, options: TestOptions, run: (env: Env) => Promise<void>): void {
    const family = FAMILIES.find((known) => name.startsWith(`${known}@`));
    if (family === undefined || !/^[a-z-]+@[a-z0-9-]+$/.test(name)) {
      throw new Error(`a test is called family@kebab-case, not ${name}`);
    }
    const {
      covers = [],
      policy = 'exclusive',
      devices = 1,
      nics = false,
      resetOnLockup = true,
      fresh = false,
    } = options;
    const { modes = MODES, notInC } = options;
    this.tests.push({ name, family, covers, policy, devices, nics, resetOnLockup, fresh, modes, notInC, run });
  }
}
