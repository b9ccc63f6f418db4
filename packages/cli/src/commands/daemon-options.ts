/** The options that say how a daemon is to be: the same for the foreground and the background. */
import { choice, integer } from '../command.js';

/** INFO's device table goes further (uapi.md 1.1); each device here is a worker thread of one process. */
export const MAX_DAEMON_DEVICES = 16;
export const DEFAULT_DEVICES = 4;

export const policyOption = choice({
  metavar: 'policy',
  summary: 'who may use a device: many contexts with leased resources, or one with all of them',
  values: ['shared', 'exclusive'],
  initial: 'shared',
});

export const logLevelOption = choice({
  metavar: 'level',
  summary: 'least serious message that is logged',
  values: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
  initial: 'info',
});

export const devicesOption = integer({
  metavar: 'n',
  summary: 'number of simulated devices',
  min: 1,
  max: MAX_DAEMON_DEVICES,
  initial: DEFAULT_DEVICES,
});
