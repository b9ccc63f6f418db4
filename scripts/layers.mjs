/**
 * Who may import whom. THE table behind the dependency rules (.dependency-cruiser.mjs), the house rules and the planted
 * imports; ARCHITECTURE.md explains it. Userspace (thunk, cli) and kernel meet only in uapi and wire, kernel and silicon
 * only in hw.
 */

/** @type {Readonly<Record<string, readonly string[]>>} */
export const LAYERS = {
  base: [],
  uapi: ['base'],
  hw: ['base'],
  silicon: ['base', 'hw'],
  wire: ['base', 'uapi'],
  kernel: ['base', 'uapi', 'hw', 'wire', 'silicon'],
  thunk: ['base', 'uapi', 'hw', 'wire'],
  shim: ['uapi'],
  // Runs in a browser: of uapi it has the types, which cost nothing there.
  web: ['uapi'],
  cli: ['base', 'uapi', 'hw', 'wire', 'thunk', 'shim', 'web'],
  // Kernel and silicon in one thread, under schedules of its own choice.
  explore: ['base', 'uapi', 'hw', 'silicon', 'wire', 'kernel'],
  testkit: ['base', 'uapi', 'hw', 'wire', 'thunk', 'cli'],
  // Its tests know the contract only; the kernel is there to run them in process as well.
  conformance: ['base', 'uapi', 'hw', 'wire', 'kernel', 'testkit'],
  bench: ['base', 'uapi', 'hw', 'silicon', 'wire', 'thunk', 'testkit'],
  examples: ['base', 'uapi', 'hw', 'thunk'],
};

/**
 * What the command loads when the user asks for it and not before, and the files that may: the kernel, to start a daemon,
 * and the schedule explorer.
 */
export const ON_DEMAND = [
  {
    from: 'cli',
    file: '^packages/cli/src/[a-z/-]*daemon\\.ts$',
    to: 'kernel',
    why: 'The command talks to the kernel over the wire.',
  },
  {
    from: 'cli',
    file: '^packages/cli/src/commands/explore\\.ts$',
    to: 'explore',
    why: 'The explorer brings kernel and silicon with it.',
  },
];

/**
 * Packages that are the same everywhere: no files, no sockets, no processes, no threads. Their tests may use them.
 */
export const PLATFORM_FREE = ['base', 'uapi', 'hw', 'silicon'];
