/**
 * What the daemon's options say about its devices, for the daemon and for the command line of one in the background.
 *
 * Owns: units, and the way back from values to arguments. Must not know: what a setting does.
 */
import { settingsOptions } from '../commands/daemon-options.js';
import { spellOption } from '../program.js';

/** The values of settingsOptions; undefined and false: as the daemon has it. */
export interface SettingsValues {
  readonly timeout: number | undefined;
  readonly nicPorts: number | undefined;
  readonly heartbeat: number | undefined;
  readonly killOnReset: boolean;
  readonly noResetOnLockup: boolean;
  readonly noResetOnEvents: boolean;
  readonly memoryScrub: boolean;
  readonly collapseDma: boolean;
}

/** By the kernel's names (its core/settings.ts). Only what was asked for is there. */
export interface DaemonSettings {
  defaultTimeoutNs?: number;
  nicPortsMask?: number;
  heartbeatPeriodNs?: number;
  killOnReset?: boolean;
  resetOnLockup?: boolean;
  hardResetOnFwEvents?: boolean;
  memoryScrub?: boolean;
  collapseRepeatedDma?: boolean;
}

const NS_PER_S = 1e9;

export function settingsOf(values: SettingsValues): DaemonSettings {
  const settings: DaemonSettings = {};
  if (values.timeout !== undefined) {
    settings.defaultTimeoutNs = values.timeout === 0 ? Number.POSITIVE_INFINITY : values.timeout * NS_PER_S;
  }
  if (values.nicPorts !== undefined) settings.nicPortsMask = values.nicPorts;
  if (values.heartbeat !== undefined) settings.heartbeatPeriodNs = values.heartbeat * NS_PER_S;
  if (values.killOnReset) settings.killOnReset = true;
  if (values.noResetOnLockup) settings.resetOnLockup = false;
  if (values.noResetOnEvents) settings.hardResetOnFwEvents = false;
  if (values.memoryScrub) settings.memoryScrub = true;
  if (values.collapseDma) settings.collapseRepeatedDma = true;
  return settings;
}

/** The same values as arguments of `pedrera daemon`. */
export function settingsArguments(values: Partial<SettingsValues>): string[] {
  return Object.entries(settingsOptions).flatMap(([name, spec]) => {
    const value = values[name as keyof SettingsValues];
    if (value === undefined || value === false) return [];
    const option = spellOption(name, spec).split(' ')[0] as string;
    return value === true ? [option] : [option, String(value)];
  });
}
