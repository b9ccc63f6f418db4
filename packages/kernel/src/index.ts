/** @pedrera/kernel: the driver core, the Gaudi back end and the daemon that serves them. */
export { POLICIES, type PolicyName } from './core/policy.js';
export { type DaemonOptions, type RunningDaemon, runDaemon } from './daemon/daemon.js';
export { LOG_LEVELS } from './daemon/log.js';
