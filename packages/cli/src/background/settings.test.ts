/** From options to the kernel's settings, and back to a command line. */
import { describe, expect, it } from 'vitest';
import { settingsArguments, settingsOf } from './settings.js';

const NONE = {
  timeout: undefined,
  nicPorts: undefined,
  heartbeat: undefined,
  killOnReset: false,
  noResetOnLockup: false,
  noResetOnEvents: false,
  memoryScrub: false,
  collapseDma: false,
};

describe('settings of a daemon', () => {
  it('nothing asked for is nothing set', () => {
    expect(settingsOf(NONE)).toEqual({});
    expect(settingsArguments(NONE)).toEqual([]);
  });

  it('seconds become nanoseconds, and no time-out is an infinite one', () => {
    expect(settingsOf({ ...NONE, timeout: 30, heartbeat: 2 })).toEqual({
      defaultTimeoutNs: 30e9,
      heartbeatPeriodNs: 2e9,
    });
    expect(settingsOf({ ...NONE, timeout: 0, heartbeat: 0 })).toEqual({
      defaultTimeoutNs: Number.POSITIVE_INFINITY,
      heartbeatPeriodNs: 0,
    });
  });

  it('a no- option turns its setting off', () => {
    const values = {
      ...NONE,
      killOnReset: true,
      noResetOnLockup: true,
      noResetOnEvents: true,
      memoryScrub: true,
      collapseDma: true,
    };
    expect(settingsOf(values)).toEqual({
      killOnReset: true,
      resetOnLockup: false,
      hardResetOnFwEvents: false,
      memoryScrub: true,
      collapseRepeatedDma: true,
    });
  });

  it('the arguments say the same', () => {
    const values = { ...NONE, timeout: 0, nicPorts: 0x3ff, noResetOnLockup: true };
    expect(settingsArguments(values)).toEqual(['--timeout', '0', '--nic-ports', '1023', '--no-reset-on-lockup']);
  });
});
