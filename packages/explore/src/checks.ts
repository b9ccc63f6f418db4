/**
 * What must hold whatever the order: after every move, and when everything has come to rest.
 *
 * Owns: the rules about the kernel's books. Must not know scenarios, or how moves are chosen.
 */

import type { LeakTracker } from '@pedrera/base';
import { DCORE_COUNT, MONITORS_PER_DCORE, SOBS_PER_DCORE } from '@pedrera/hw';
import type { BareKernel, Machine } from '@pedrera/kernel';
import type { DeviceMemories } from './memory.js';
import type { Reach } from './reach.js';
import { Violation } from './violation.js';

type HlDevice = Machine['devices'][number];
type OpenFile = HlDevice['files'] extends Set<infer F> ? F : never;

/** The driver's own in W_S, which nobody leases (device.md 4.4). */
const DRIVER_SOBS = 144;
const DRIVER_MONITORS = 72;

/** Whatever the kernel's log calls an error it did not foresee. */
export class Complaints {
  readonly warnings: string[] = [];
  #unforeseen: string | undefined;

  readonly log = {
    warn: (_: object, text: string) => void this.warnings.push(text),
    error: (fields: object, text: string) => {
      this.warnings.push(text);
      if ('err' in fields) {
        const { err } = fields as { err: unknown };
        this.#unforeseen ??= `${text}: ${err instanceof Error ? (err.stack ?? err.message) : String(err)}`;
      } else if (text.startsWith('hard reset failed') && !/still held by|engines are not idle/.test(text)) {
        this.#unforeseen ??= text;
      }
    },
  };

  check(kernel: BareKernel): void {
    const [line] = kernel.complaints;
    if (line !== undefined) {
      const { msg, call, err } = JSON.parse(line) as { msg: string; call?: string; err?: { stack?: string } };
      throw new Violation('internal', [msg, call, err?.stack].filter((part) => part !== undefined).join(': '));
    }
    if (this.#unforeseen !== undefined) {
      throw new Violation('internal', this.#unforeseen);
    }
  }
}

/** Keeps an eye on memory that is given back. */
export class FreeWatch {
  readonly #reach: Reach;
  readonly #seen = new WeakSet<OpenFile>();

  constructor(reach: Reach) {
    this.#reach = reach;
  }

  watchDevice({ index, memory }: HlDevice): void {
    const reclaim = memory.reclaim.bind(memory);
    memory.reclaim = (allocation) => {
      for (const { address, size } of allocation.extents) {
        this.#reach.hbmFreed(index, address, size);
      }
      reclaim(allocation);
    };
  }

  /** Files are made by the kernel; new ones are found by looking. */
  watchFiles({ files }: HlDevice): void {
    for (const file of files) {
      if (!this.#seen.has(file)) {
        this.#seen.add(file);
        const { hostMemory } = file;
        const free = hostMemory.free.bind(hostMemory);
        hostMemory.free = (range) => {
          this.#reach.hostFreed(range.segment.memory.fd, range.offset, range.length);
          free(range);
        };
      }
    }
  }
}

/** After every move. */
export function checkCounts({ devices }: Machine): void {
  for (const device of devices) {
    const { index, contexts, multiCsWaits, dramUsed, policy } = device;
    const { size, withFile } = contexts;
    if (withFile < 0 || withFile > size || multiCsWaits < 0) {
      const counts = `${withFile} open of ${size} contexts, ${multiCsWaits} waits`;
      throw new Violation('count', `device ${index} counts ${counts}`);
    }
    if (!policy.ownsDevice && dramUsed < 0) {
      throw new Violation('count', `device ${index} counts ${dramUsed} bytes of memory`);
    }
    for (const context of contexts) {
      if (context.unfinished < 0 || context.refs < 0) {
        throw new Violation(
          'count',
          `context ${context.asid}: ${context.unfinished} unfinished, ${context.refs} references`,
        );
      }
      for (const { mappings, exports, handle } of context.allocations) {
        if (mappings < 0 || exports < 0) {
          throw new Violation('count', `device memory ${handle}: mapped ${mappings} times, exported ${exports} times`);
        }
      }
    }
  }
}

/** Everybody is gone. */
export function checkNothingLeft(
  { devices }: Machine,
  { tracker, reach, memories }: { tracker: LeakTracker; reach: Reach; memories: DeviceMemories },
): void {
  const counts = Object.entries(tracker.counts()).map(([kind, count]) => `${count} ${kind}`);
  if (counts.length > 0) {
    throw new Violation('leak', `left behind: ${counts.join(', ')}`);
  }
  for (const device of devices) {
    const { index, contexts, files, bus, memory, policy } = device;
    if (contexts.size + contexts.withFile + files.size + bus.slotsInUse + memory.used > 0) {
      throw new Violation(
        'leak',
        `device ${index}: ${contexts.size} contexts (${contexts.withFile} open), ${files.size} files, ${bus.slotsInUse} bus slots, ${memory.used} bytes of HBM`,
      );
    }
    const touched = memories.touched(index);
    if (!policy.ownsDevice && touched > 0) {
      throw new Violation('leak', `device ${index}: ${touched} bytes of HBM were written and not scrubbed`);
    }
    checkLeases(device);
  }
  reach.checkNothingLeft();
}

/** Whoever can lease everything there is, has not lost anything. */
function checkLeases({ index, leases }: HlDevice): void {
  for (let dcore = 0; dcore < DCORE_COUNT; dcore++) {
    const sobs = SOBS_PER_DCORE - (dcore === 0 ? DRIVER_SOBS : 0);
    const monitors = MONITORS_PER_DCORE - (dcore === 0 ? DRIVER_MONITORS : 0);
    try {
      leases.leaseSync(dcore, sobs, monitors);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      throw new Violation('leak', `device ${index}: sync objects of dcore ${dcore} were not all given back (${why})`);
    }
  }
}
