/** @pedrera/kernel: the driver core, the Gaudi back end and the daemon that serves them. */
import type { LocalKernel, LocalKernelOptions } from './daemon/local-kernel.js';

export type { Machine } from './core/machine.js';
export { MACHINE_SCHEMA, type MachineDescription, parseMachine } from './core/machine-file.js';
export { POLICIES, type PolicyName } from './core/policy.js';
export type { Settings } from './core/settings.js';
export { BareKernel, type BareKernelOptions } from './daemon/bare-kernel.js';
export { type DaemonOptions, type RunningDaemon, runDaemon } from './daemon/daemon.js';
export type { LocalKernel, LocalKernelOptions } from './daemon/local-kernel.js';
export type { LocalConnection } from './daemon/local-sessions.js';
export { LOG_LEVELS } from './daemon/log.js';

/** A kernel in this process and thread. Loaded only here: a daemon has no use for silicon on its main thread. */
export async function createLocalKernel(options: LocalKernelOptions): Promise<LocalKernel> {
  const { LocalKernel } = await import('./daemon/local-kernel.js');
  return new LocalKernel(options);
}
