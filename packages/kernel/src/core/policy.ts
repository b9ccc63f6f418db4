/**
 * The two ways a device is given out: `exclusive` as upstream does it, `shared` to many contexts at once.
 *
 * Owns: how many contexts there are and what a new one is given. Must not know how anything works: both policies run
 * the same code.
 */

export type PolicyName = 'exclusive' | 'shared';

export interface Policy {
  readonly name: PolicyName;
  /** Contexts a device serves at once; ASID 0 is the driver's own. */
  readonly maxContexts: number;
  /** HBM, SRAM, sync objects and monitors are bare resources of the context; otherwise each is given out. */
  readonly ownsDevice: boolean;
  /**
   * A packet that faults fails its submission with EIO. Upstream lets it complete (device.md 1.5); where nothing forces
   * us to repeat that, work that was not done is not reported as done.
   */
  readonly failOnFault: boolean;
  /** A closed file's unfinished work is cancelled at once; otherwise it runs on and holds the context (uapi.md 1.7). */
  readonly cancelOnRelease: boolean;
  /**
   * Bytes of patched command buffers one context may have queued. Where it is the only one, what bounds it is the memory
   * there is, as with the driver, which knows no such limit; Infinity.
   */
  readonly patchedBytes: number;
}

export const POLICIES: Record<PolicyName, Policy> = {
  exclusive: {
    name: 'exclusive',
    maxContexts: 1,
    ownsDevice: true,
    failOnFault: false,
    cancelOnRelease: false,
    patchedBytes: Number.POSITIVE_INFINITY,
  },
  shared: {
    name: 'shared',
    // The ASID field of the device is 10 bits wide (device.md 2.4), 0 is taken.
    maxContexts: 1023,
    ownsDevice: false,
    failOnFault: true,
    cancelOnRelease: true,
    patchedBytes: 128 * 2 ** 20,
  },
};
