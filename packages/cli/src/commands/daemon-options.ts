/** The options that say how a daemon is to be: the same for the foreground and the background. */
import { choice, flag, InvalidValue, integer, type OptionSpec, text, wholeNumber } from '../command.js';

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

export const machineOption = text(
  'file',
  'description of the machine: devices, network cards, which reach which (docs/machine.md); instead of --devices',
);

/** Of a daemon that a program gets for itself: one device, as the driver has it. */
export const ownDaemonOptions = {
  devices: {
    ...devicesOption,
    summary: 'number of simulated devices of a daemon of its own',
    initial: 1,
    initialText: '1',
  },
  machine: machineOption,
  policy: { ...policyOption, initial: 'exclusive' as const, initialText: 'exclusive' },
} as const;

/** Bits of ten ports. */
const ALL_NIC_PORTS = 0x3ff;
const MOST_SECONDS = 1_000_000;

const seconds = (summary: string) =>
  integer({ metavar: 'seconds', summary, min: 0, max: MOST_SECONDS, initial: undefined });

/** The driver's module parameters, by the daemon's names for them. What each stands for is settings.ts's business. */
export const settingsOptions = {
  timeout: seconds('time-out of a submission that names none; 0 for no time-outs at all (default: 600)'),
  nicPorts: wholeNumber({
    metavar: 'mask',
    summary: 'NIC ports that exist, a bit each: 0x3ff for all ten (default: 0, as upstream has it)',
    max: ALL_NIC_PORTS,
  }),
  heartbeat: seconds('time between two heartbeats of the firmware; 0 for none (default: 5)'),
  killOnReset: flag('a hard reset kills the processes that have the device open, as the driver does'),
  noResetOnLockup: flag('a time-out does not reset the device: it needs a reset from then on'),
  noResetOnEvents: flag('fatal events of the device only notify'),
  memoryScrub: flag('overwrite device memory after the last close (exclusive policy)'),
  collapseDma: flag('of identical moves in a row carry out only the last: same memory, less work than asked for'),
} as const;

/** Where the exporters of OpenTelemetry are found, too. */
export const DEFAULT_METRICS_PORT = 9464;
const LOOPBACK = '127.0.0.1';

export function metricsHost(summary: string): OptionSpec<string> {
  const parse = (value: string) => {
    if (!/^[\w.:-]+$/.test(value)) throw new InvalidValue('an address of this machine');
    return value;
  };
  return { summary, metavar: 'address', initial: LOOPBACK, initialText: LOOPBACK, parse };
}

export const metricsOptions = {
  metrics: integer({
    metavar: 'port',
    summary: 'serve metrics for Prometheus on this port (docs/metrics.md)',
    min: 1,
    max: 65_535,
    initial: undefined,
  }),
  metricsHost: metricsHost('address of --metrics: another than this machine lets others read them'),
} as const;
