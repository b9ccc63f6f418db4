/** The firmware model: what it measures follows the work, and what happens when the device CPU does not answer. */
import { VirtualClock } from '@pedrera/base';
import { type DeviceCounters, type DeviceSnapshot, EVENT } from '@pedrera/hw';
import { CLK_THROTTLE } from '@pedrera/uapi';
import { describe, expect, it } from 'vitest';
import { Firmware } from './firmware.js';
import { type Settings, settingsWith } from './settings.js';
import { codeOf } from './test-support.js';

const S = 1e9;

/** A device that did what `counters` says. */
function model(changes: Partial<Settings> = {}) {
  const clock = new VirtualClock();
  const counters = {
    packets: 0,
    dmaBytes: 0,
    busReadBytes: 0,
    busWrittenBytes: 0,
    sobWrites: 0,
    monitorsFired: 0,
    faults: 0,
  };
  const cpu = { alive: true };
  const raised: number[] = [];
  const firmware: Firmware = new Firmware({
    clock,
    settings: settingsWith(changes),
    hardware: {
      testFirmware: async (value) => (cpu.alive ? value : undefined),
      snapshot: async () => ({ counters: { ...counters } as DeviceCounters }) as DeviceSnapshot,
    },
    raise: (event) => {
      raised.push(event);
      firmware.throttle.event(event);
    },
  });
  return { clock, counters, cpu, raised, firmware };
}

describe('measurements', () => {
  it('idle-is-the-idle-power-and-energy-adds-up', async () => {
    const { clock, firmware } = model();
    clock.advance(10 * S);
    expect(await firmware.powerMw()).toBe(60_000);
    expect(await firmware.utilization()).toBe(0);
    expect(await firmware.totalEnergyMj()).toBe(600_000);
    expect(await firmware.clockMhz()).toEqual({ current: 400, max: 1600 });
    expect(await firmware.temperatureC()).toBe(44);
  });

  it('work-costs-power-energy-and-time', async () => {
    const { clock, counters, firmware } = model();
    clock.advance(1 * S);
    counters.dmaBytes = 7e9;
    expect(await firmware.powerMw()).toBe(130_000);
    expect(await firmware.utilization()).toBe(50);
    expect(await firmware.clockMhz()).toMatchObject({ current: 1600 });
    // Nothing was done in the next second.
    clock.advance(1 * S);
    expect(await firmware.powerMw()).toBe(60_000);
    expect(await firmware.totalEnergyMj()).toBe(190_000);
  });

  it('questions-in-a-row-answer-the-same', async () => {
    const { clock, counters, firmware } = model();
    clock.advance(1 * S);
    counters.packets = 1e9;
    const power = await firmware.powerMw();
    expect(power).toBeGreaterThan(60_000);
    clock.advance(10);
    expect(await firmware.powerMw()).toBe(power);
  });

  it('bus-bytes-are-the-PCI-throughput', async () => {
    const { clock, counters, firmware } = model();
    clock.advance(2 * S);
    counters.busReadBytes = 4e6;
    counters.busWrittenBytes = 1e6;
    expect(await firmware.pciCounters()).toEqual({ rx: 2e6, tx: 5e5, replays: 0 });
  });

  it('counters-that-begin-again-after-a-reset-lose-nothing', async () => {
    const { clock, counters, firmware } = model();
    clock.advance(1 * S);
    counters.dmaBytes = 7e9;
    await firmware.powerMw();
    counters.dmaBytes = 1e9;
    clock.advance(1 * S);
    expect(await firmware.powerMw()).toBe(70_000);
  });

  it('more-than-the-allowed-power-throttles-and-says-so', async () => {
    const { clock, counters, firmware, raised } = model({ maxPowerMw: 100_000 });
    clock.advance(1 * S);
    counters.dmaBytes = 7e9;
    expect(await firmware.powerMw()).toBe(100_000);
    expect(raised).toEqual([EVENT.FIX_POWER_ENV_S]);
    expect(firmware.throttle.mask).toBe(CLK_THROTTLE.POWER);
    expect(await firmware.clockMhz()).toMatchObject({ current: 1200 });
    clock.advance(1 * S);
    await firmware.powerMw();
    expect(raised).toEqual([EVENT.FIX_POWER_ENV_S, EVENT.FIX_POWER_ENV_E]);
    expect(firmware.throttle).toMatchObject({ mask: 0, durationsNs: [1 * S, 0] });
  });

  it('settings-fix-answers', async () => {
    const { firmware } = model({ fixedPowerMw: 123_000, fixedClockMhz: 900, fixedTemperatureC: 70 });
    expect(await firmware.powerMw()).toBe(123_000);
    expect(await firmware.clockMhz()).toMatchObject({ current: 900 });
    expect(await firmware.temperatureC()).toBe(70);
  });

  it('plls', async () => {
    const { firmware } = model();
    expect(await firmware.pllMhz(3)).toHaveLength(4);
    expect(await codeOf(firmware.pllMhz(10))).toBe('EINVAL');
  });
});

describe('device CPU', () => {
  it('no-answer-is-ETIMEDOUT-then-EIO-until-a-reset', async () => {
    const { clock, cpu, firmware } = model();
    cpu.alive = false;
    const asked = codeOf(firmware.powerMw());
    await Promise.resolve();
    await Promise.resolve();
    clock.advance(4 * S);
    expect(await asked).toBe('ETIMEDOUT');
    expect(await codeOf(firmware.totalEnergyMj())).toBe('EIO');
    expect(await codeOf(firmware.utilization())).toBe('EINVAL');
    cpu.alive = true;
    expect(firmware.dead).toBe(true);
    firmware.revive();
    expect(await firmware.powerMw()).toBeGreaterThan(0);
  });

  it('a-question-from-before-a-reset-does-not-bury-the-CPU-of-after', async () => {
    const { clock, cpu, firmware } = model();
    cpu.alive = false;
    const asked = codeOf(firmware.powerMw());
    await Promise.resolve();
    await Promise.resolve();
    cpu.alive = true;
    firmware.revive();
    clock.advance(4 * S);
    expect(await asked).toBe('ETIMEDOUT');
    expect(firmware.dead).toBe(false);
  });
});
